// The live picture: WebRTC, one offer and one answer, no trickle. It runs only
// while the page is visible, because the appliance encodes for whoever watches.
"use strict";

{
  const video = document.getElementById("live");
  const state = document.getElementById("live-state");
  const longest = 10000;
  let connection, retry, watch, pause = 500;

  const tell = (...lines) => {
    state.hidden = lines.length === 0;
    state.textContent = lines.join(" ");
  };

  function close() {
    clearTimeout(retry);
    clearInterval(watch);
    if (connection) {
      connection.onconnectionstatechange = connection.ontrack = null;
      connection.close();
    }
    connection = undefined;
    video.srcObject = null;
  }

  function again() {
    close();
    tell(state.dataset.none + ".", state.dataset.hint);
    if (document.hidden) return;
    retry = setTimeout(open, pause);
    pause = Math.min(longest, 2 * pause);
  }

  // gathered waits for the candidates, which travel inside the offer.
  function gathered(pc) {
    return new Promise((resolve) => {
      const done = () => pc.iceGatheringState === "complete" && resolve();
      pc.addEventListener("icegatheringstatechange", done);
      setTimeout(resolve, 1500);
      done();
    });
  }

  async function open() {
    close();
    const pc = (connection = new RTCPeerConnection());
    window.livePicture = pc; // for whoever looks into it with the browser's tools
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.ontrack = (event) => { video.srcObject = new MediaStream([event.track]); };
    pc.onconnectionstatechange = () => {
      if (["failed", "closed", "disconnected"].includes(pc.connectionState)) again();
    };
    try {
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc);
      const response = await fetch("/live", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sdp: pc.localDescription.sdp }) });
      if (!response.ok) throw new Error("refused");
      const answer = await response.json();
      if (connection !== pc) return;
      await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      watch = setInterval(() => look(pc), 1000);
    } catch {
      if (connection === pc) again();
    }
  }

  // look judges the picture by frames decoded: time passes in a frozen one too.
  let decoded = 0, still = 0;
  async function look(pc) {
    let frames = 0;
    for (const report of (await pc.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "video") frames = report.framesDecoded || 0;
    }
    if (connection !== pc) return;
    if (frames !== decoded) {
      [decoded, still, pause] = [frames, 0, 500];
      return tell();
    }
    if (++still === 4) tell(state.dataset.none + ".", state.dataset.hint);
    if (still > 15) {
      still = 0;
      again();
    }
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
}
