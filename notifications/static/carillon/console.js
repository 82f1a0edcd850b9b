/* Keys for those who want them, times in the reader's own zone, and copying. Without it, all of the console works. */
(() => {
  "use strict";
  const STORED = "carillon-keys";
  const kept = {
    get: () => { try { return localStorage.getItem(STORED) !== "off"; } catch { return true; } },
    set: (on) => { try { localStorage.setItem(STORED, on ? "on" : "off"); } catch { /* it holds for this page alone */ } },
  };
  let on = kept.get();
  const ROWS = "#result_list tbody tr, .carillon-table tbody tr, .carillon-entry, .carillon-card, .carillon-list li";

  /* Times: hovering tells the reader's own zone too, which only the browser knows. */
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const tell = (root) => {
    for (const node of root.querySelectorAll("[data-carillon-needs-script]")) node.hidden = false;
    for (const time of root.querySelectorAll("time.carillon-time:not([data-told])")) {
      time.dataset.told = "";
      const at = new Date(time.dateTime);
      if (zone && !time.title.includes(`(${zone})`)) time.title += ` · ${at.toLocaleString(document.documentElement.lang)} (${zone})`;
    }
  };
  tell(document);

  /* Lists: on a phone a row is a card, in which each value needs its column's name. */
  const list = document.getElementById("result_list");
  const names = [...(list?.tHead?.rows[0]?.cells || [])].map((cell) => cell.querySelector(".text:not(:has(input))")?.textContent.trim());
  for (const row of list?.tBodies[0]?.rows || []) {
    [...row.cells].forEach((cell, place) => { if (cell.tagName === "TD" && names[place] && !cell.dataset.label) cell.dataset.label = names[place]; });
  }

  /* What took the place of a part that was read anew: what somebody had opened stays open. */
  const keepOpen = (fresh, gone) => {
    const old = [...gone].find((node) => node.nodeType === 1 && node.dataset.livePart && node.dataset.livePart === fresh.dataset.livePart);
    const now = [...fresh.querySelectorAll("details")];
    old?.querySelectorAll("details").forEach((details, place) => { if (details.open && now[place]) now[place].open = true; });
  };
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) {
        if (node.nodeType !== 1) continue;
        tell(node);
        keepOpen(node, change.removedNodes);
      }
    }
  }).observe(document.body, { childList: true, subtree: true });

  /* Copying: the text is on the page; this only saves the selecting. */
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-carillon-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.carillonCopy);
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      button.textContent = button.dataset.carillonDone;
    } catch {
      if (source.select) source.select(); else getSelection().selectAllChildren(source);
    }
  });

  /* Keys. */
  const dialog = document.getElementById("carillon-keys");
  const box = dialog?.querySelector("[data-carillon-keys-on]");
  if (box) {
    box.checked = on;
    box.addEventListener("change", () => { on = box.checked; kept.set(on); });
    document.querySelector("[data-carillon-keys]")?.addEventListener("click", () => dialog.showModal());
  }

  const step = (by) => {
    const rows = [...document.querySelectorAll(ROWS)].filter((row) => row.offsetParent !== null);
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + by))];
    const target = next.querySelector("a[href], button, input:not([type=hidden]), summary") || next;
    if (target === next) next.tabIndex = -1;
    target.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("keydown", (event) => {
    if (!on || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || dialog?.open) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key === "/") {
      const search = document.querySelector("#searchbar, #content input[type=search], #content [role=search] input:not([type=hidden]), #content [role=search] select");
      if (!search) return;
      search.focus();
    } else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "?" && dialog) dialog.showModal();
    else return;
    event.preventDefault();
  });
})();
