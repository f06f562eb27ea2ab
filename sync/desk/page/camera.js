// A device's live picture: WebRTC, one offer and one answer, all candidates
// inside. The pictures come from the device itself, or over a TURN server.
"use strict";

{
  const form = document.getElementById("ask");
  const told = document.getElementById("told");
  const shown = document.getElementById("shown");
  const video = document.getElementById("picture");
  let connection, watch;

  function close(why) {
    clearInterval(watch);
    if (connection) {
      connection.onconnectionstatechange = connection.ontrack = null;
      connection.close();
    }
    connection = undefined;
    video.srcObject = null;
    shown.hidden = true;
    form.querySelector("button").disabled = false;
    told.textContent = why;
  }

  // gathered waits for the candidates, which travel inside the offer.
  function gathered(pc) {
    return new Promise((resolve) => {
      const done = () => pc.iceGatheringState === "complete" && resolve();
      pc.addEventListener("icegatheringstatechange", done);
      setTimeout(resolve, 4000); // a server that does not answer is gone without
      done();
    });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.querySelector("button").disabled = true;
    told.textContent = "Asking the device …";
    const pc = (connection = new RTCPeerConnection({ iceServers: JSON.parse(form.dataset.ice) }));
    window.livePicture = pc; // for whoever looks into it with the browser's tools
    const video8 = pc.addTransceiver("video", { direction: "recvonly" });
    // VP8 alone keeps the offer small: it passes through every broker.
    video8.setCodecPreferences?.(RTCRtpReceiver.getCapabilities("video").codecs.filter((c) => c.mimeType === "video/VP8"));
    pc.ontrack = (track) => { video.srcObject = new MediaStream([track.track]); };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "connected") told.textContent = "";
      if (pc.connectionState === "failed") close("There is no way to the device: its network and yours need a TURN server.");
      if (["closed", "disconnected"].includes(pc.connectionState)) close("The view has ended.");
    };
    try {
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc);
      const body = new URLSearchParams(new FormData(form));
      body.set("offer", pc.localDescription.sdp);
      const response = await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
      const json = (response.headers.get("Content-Type") || "").startsWith("application/json");
      const answer = json ? await response.json() : { wrong: "The centre does not answer: load the page anew." };
      if (connection !== pc) return;
      if (!answer.answer) return close(answer.wrong);
      told.textContent = "Connecting …";
      shown.hidden = false;
      await pc.setRemoteDescription({ type: "answer", sdp: answer.answer });
      const where = form.action + "/" + answer.id;
      watch = setInterval(async () => {
        const state = await fetch(where, { headers: { "Limen-Live": "1" }, credentials: "same-origin" }).catch(() => null);
        if (connection !== pc || !state) return;
        if (state.status === 401 || state.redirected) return close("Nobody is signed in any more.");
        const known = await state.json().catch(() => ({}));
        if (connection === pc && known.ended) close("The view has ended: " + known.ended + ".");
      }, 2000);
    } catch (error) {
      if (connection === pc) close("The browser cannot show it: " + error.message);
    }
  });
  document.getElementById("end").addEventListener("click", () => close("You have ended the view."));
  addEventListener("pagehide", () => close(""));
}
