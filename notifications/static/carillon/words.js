/* The preview follows what is written. Without a script, "Show" does the same. */
(() => {
  "use strict";
  const form = document.getElementById("carillon-words-form");
  const show = document.getElementById("carillon-show");
  if (!form || !show) return;
  let timer = 0, count = 0;

  const follow = () => {
    const old = form.querySelector("iframe.carillon-preview:not([hidden])");
    const top = old.contentWindow ? old.contentWindow.scrollY : 0;
    // A frame of its own each time: what is sent into one that is there would make an entry in the history.
    const next = document.createElement("iframe");
    count += 1;
    next.className = old.className;
    next.title = old.title;
    next.name = `carillon-preview-${count}`;
    next.hidden = true;
    for (const stale of form.querySelectorAll("iframe.carillon-preview[hidden]")) stale.remove();
    old.after(next);
    next.addEventListener("load", () => {
      if (!next.isConnected || next.contentWindow.location.href === "about:blank") return;
      next.hidden = false;
      next.contentWindow.scrollTo(0, top);
      old.remove();
    });
    show.setAttribute("formtarget", next.name);
    form.requestSubmit(show);
  };

  form.addEventListener("input", (event) => {
    if (event.target.name === "reason") return;
    clearTimeout(timer);
    timer = setTimeout(follow, 500);
  });
})();
