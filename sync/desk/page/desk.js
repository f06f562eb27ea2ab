// Fetches a page anew when the centre says that something changed. Pages work
// without it: they are then as old as their loading.
"use strict";

(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const stale = document.querySelector("#stale");
  let under = false, again = false;

  // Somebody who is typing, or has opened a list of numbers, keeps what they have.
  const busy = () => {
    const at = document.activeElement;
    return main.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName) && (at.value !== "" || at.tagName === "SELECT");
  };

  const refresh = async () => {
    if (under) { again = true; return; }
    if (busy()) return;
    under = true;
    try {
      const answer = await fetch(location.href, { headers: { "Limen-Live": "1" }, credentials: "same-origin" });
      if (answer.redirected || !answer.ok) { location.reload(); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (fresh && !busy()) {
        const focus = main.contains(document.activeElement) ? document.activeElement.id : "";
        const open = [...main.querySelectorAll("details")].map((d) => d.open);
        main.replaceChildren(...fresh.childNodes);
        main.dataset.live = fresh.dataset.live;
        main.querySelectorAll("details").forEach((d, k) => { d.open = open[k] || false; });
        if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
        document.querySelector("#asof").textContent = page.querySelector("#asof").textContent;
        document.querySelector("#alarm-count").replaceChildren(...page.querySelector("#alarm-count").childNodes);
      }
      stale.hidden = true;
    } catch { stale.hidden = false; }
    under = false;
    if (again) { again = false; refresh(); }
  };

  // Only a page that is looked at listens: browsers give a server few
  // connections without HTTP/2, and keep those of pages that were left.
  let source = null;
  const deaf = () => { source?.close(); source = null; };
  const listen = () => {
    if (source || document.hidden) return;
    source = new EventSource("/events?seen=" + main.dataset.live);
    source.onopen = () => { stale.hidden = true; };
    source.onmessage = (event) => {
      if (event.data === "ended") { deaf(); location.reload(); }
      if (event.data === "changed") refresh();
    };
    source.onerror = () => { stale.hidden = false; };
  };
  addEventListener("pagehide", deaf);
  addEventListener("pageshow", listen);
  document.addEventListener("visibilitychange", () => (document.hidden ? deaf() : listen()));
  listen();
})();
