/* Looks for something new every second and a half while the tab is seen; the page works without it. */
"use strict";
(() => {
  const live = document.getElementById("live");
  const toggle = document.getElementById("toggle");
  const say = (text) => { if (live.textContent !== text) live.textContent = text; };
  if (document.querySelector("meta[http-equiv=refresh]")) return;
  toggle.hidden = true;
  live.hidden = false;
  say("Live");
  const parts = ["counts", "notes", "messages", "knobs"];

  const kept = (root) => ({
    open: new Set([...root.querySelectorAll("details[data-key][open]")].map((item) => item.dataset.key)),
    views: [...root.querySelectorAll(".views input:checked")].map((item) => [item.closest("article"), item.value]),
  });

  const renew = async () => {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const { open, views } = kept(document);
    const chosen = new Map(views.map(([article, value]) => [article?.querySelector(".ids")?.textContent, value]));
    for (const item of page.querySelectorAll("details[data-key]")) item.open = open.has(item.dataset.key);
    for (const article of page.querySelectorAll(".email article")) {
      const value = chosen.get(article.querySelector(".ids")?.textContent);
      const input = value && article.querySelector(`.views input.${value}`);
      if (input) input.setAttribute("checked", "");
    }
    for (const id of parts) {
      const fresh = page.getElementById(id), stale = document.getElementById(id);
      if (fresh && stale && fresh.outerHTML !== stale.outerHTML) stale.replaceWith(document.adoptNode(fresh));
    }
    document.body.dataset.revision = page.body.dataset.revision;
  };

  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch("/sandbox/revision", { cache: "no-store" });
        const { revision } = await answer.json();
        const isTyping = document.activeElement && document.activeElement.matches("input[type=search]");
        if (revision !== document.body.dataset.revision && !isTyping) await renew();
        say("Live");
      } catch { say("No contact with the sandbox; what you see may be old."); }
    }
    setTimeout(look, 1500);
  };
  setTimeout(look, 1500);
})();
