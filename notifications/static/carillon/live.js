/* What changes while a page is open: asked for again and again, but not while nobody looks; the page works without it. */
(() => {
  "use strict";
  const board = document.querySelector("[data-live]");
  if (!board) return;
  const lost = board.querySelector("[data-live-lost]");
  const since = board.querySelector("[data-live-since]");
  const patience = 10000;
  let last = new Date(), timer = 0, misses = 0, asking = false;

  const replace = (fresh) => {
    for (const part of fresh.querySelectorAll("[data-live-part]")) {
      const old = board.querySelector(`[data-live-part="${part.dataset.livePart}"]`);
      // A form holds a token that is new each time: it is no reason to take what somebody has the focus in away.
      const text = (node) => node.outerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
      if (!old || text(old) === text(part)) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      old.replaceWith(part);
      if (focused) [...part.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focused)?.focus();
    }
  };

  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(board.dataset.live + location.search, { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(patience) });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      last = new Date();
      misses = 0;
      lost.hidden = true;
    } catch {
      misses += 1;
      since.textContent = last.toLocaleTimeString();
      lost.hidden = false;
    } finally {
      asking = false;
    }
    wait();
  };

  const wait = () => {
    clearTimeout(timer);
    if (document.hidden) return;
    const seconds = Number(board.dataset.liveEvery) || 5;
    timer = setTimeout(ask, 1000 * Math.min(60, seconds * 2 ** Math.min(misses, 5)));
  };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) ask();
  });
  wait();
})();
