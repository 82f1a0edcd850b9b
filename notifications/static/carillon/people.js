/* Copies what is to be copied, and keeps what is under way up to date; every page works without it. */
"use strict";
(() => {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    button.hidden = !source;
    button.addEventListener("click", async () => {
      source.select();
      try { await navigator.clipboard.writeText(source.value); } catch { document.execCommand("copy"); }
      button.textContent = button.dataset.done;
    });
  }

  // A part with data-live="2" is fetched anew every two seconds until what is under way is over. Not in a hidden tab.
  const follow = (part) => {
    const lost = document.createElement("p");
    lost.className = "carillon-warning";
    lost.setAttribute("role", "alert");
    lost.textContent = part.dataset.lost;
    const look = async () => {
      if (!document.hidden) {
        try {
          const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.getElementById(part.id);
          if (!answer.ok || !fresh) throw new Error(String(answer.status));
          lost.remove();
          if (!fresh.dataset.live) { location.reload(); return; }
          part.replaceChildren(...fresh.childNodes);
        } catch { part.before(lost); }
      }
      setTimeout(look, 1000 * Number(part.dataset.live));
    };
    setTimeout(look, 1000 * Number(part.dataset.live));
  };
  document.querySelectorAll("[data-live]").forEach(follow);
})();
