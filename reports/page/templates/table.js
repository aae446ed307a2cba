"use strict";
(() => {
  const table = document.getElementById("trial-table");
  if (!table) return;
  const STEP = 12;
  const MORE = 100;
  const body = table.tBodies[0];
  const more = document.getElementById("more");
  const shown = document.getElementById("shown");
  const text = document.getElementById("filter-text");
  const outcome = document.getElementById("filter-outcome");
  const family = document.getElementById("filter-family");
  const keys = ["rank", "trial", "value", "epochs", "seconds", "base_lr"];
  let limit = STEP;
  let order = { key: "rank", down: false };

  const rows = [...body.rows].map((row) => {
    const numbers = row.dataset.v.split("|").map(Number);
    const label = (i) => row.cells[i].querySelector(".chip, .family")?.textContent.trim() ?? "";
    return {
      row,
      ...Object.fromEntries(keys.map((k, i) => [k, numbers[i]])),
      family: label(3),
      outcome: label(6),
      words: row.textContent.toLowerCase().replaceAll("\u00a0", " "),
    };
  });
  let sorted = rows;

  function matching() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    return sorted.filter((r) =>
      (!outcome.value || r.outcome === outcome.value) &&
      (!family.value || r.family === family.value) &&
      words.every((w) => r.words.includes(w)));
  }

  function render() {
    const found = matching();
    const visible = found.slice(0, limit);
    body.replaceChildren(...visible.map((r) => r.row));
    more.hidden = visible.length === found.length;
    more.textContent = `Show ${Math.min(MORE, found.length - visible.length)} more`;
    const all = `${rows.length} trial${rows.length === 1 ? "" : "s"}`;
    shown.textContent = found.length === rows.length ? all : `${found.length} of ${all}`;
  }

  function compare(a, b) {
    const [x, y] = [a[order.key], b[order.key]];
    if (!order.down || typeof x === "string") {
      const way = order.down ? -1 : 1;
      return way * (x < y ? -1 : x > y ? 1 : 0) || a.rank - b.rank;
    }
    // Trials without a value stay last both ways.
    if (Number.isFinite(x) !== Number.isFinite(y)) return Number.isFinite(x) ? -1 : 1;
    return y - x || a.rank - b.rank;
  }

  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (!button) return;
    const key = button.dataset.sort;
    order = { key, down: order.key === key && !order.down };
    sorted = [...rows].sort(compare);
    table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
    button.parentElement.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    render();
  });
  for (const control of [text, outcome, family]) {
    control.addEventListener("input", () => { limit = STEP; render(); });
  }
  text.form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { limit += MORE; render(); });

  // A click on a point shows the trial's row.
  addEventListener("trial", (event) => {
    const place = sorted.findIndex((r) => r.trial === event.detail);
    if (place < 0) return;
    [text.value, outcome.value, family.value] = ["", "", ""];
    limit = Math.max(limit, place + 1);
    render();
    rows.forEach((r) => r.row.classList.toggle("found", r === sorted[place]));
    sorted[place].row.scrollIntoView({ block: "center" });
    window.lrsearch.say(`Trial ${event.detail} in the table`);
  });

  let before = limit;
  addEventListener("beforeprint", () => { before = limit; limit = Math.max(limit, 200); render(); });
  addEventListener("afterprint", () => { limit = before; render(); });
  render();
  body.classList.remove("whole");
})();
