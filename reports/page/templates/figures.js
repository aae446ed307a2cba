"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const night = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const drawn = new Map(); // element -> the figure as drawn, in light colours
  let printing = false;
  let plotly = null;

  function say(text) {
    document.getElementById("said").textContent = text;
  }
  window.lrsearch = { say, copy };

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea"); // pages opened from disk may lack the clipboard
      area.value = text;
      area.style.position = "fixed";
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const before = button.textContent;
    if (before !== "Copied") button.dataset.said = before;
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => { button.textContent = before === "Copied" ? button.dataset.said ?? "Copy" : before; }, 1500);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-code]");
    if (!button) return;
    const place = button.dataset.copy ? document.getElementById(button.dataset.copy) : button.parentElement;
    copy(button.dataset.code ?? place.querySelector("code").textContent, button);
  });

  // Runs as a file of its own, so that browsers compile it beside the page and not in its way.
  async function inflate(id) {
    const raw = atob(document.getElementById(id).textContent);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const hint = "//# allFunctionsCalledOnLoad\n"; // compile once: nearly all of it runs at the start
    return new Blob([hint, await new Response(stream).arrayBuffer()], { type: "text/javascript" });
  }

  function load() {
    plotly ??= inflate("plotly").then((source) => new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = URL.createObjectURL(source);
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    }));
    return plotly;
  }

  // Colours of the light theme become those of the dark one; everything else stays.
  function themed(value) {
    if (!night.matches || printing) return value;
    if (typeof value === "string") return data.dark[value] ?? value;
    if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map(themed);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v)]));
    }
    return value;
  }

  function surroundings() {
    const style = getComputedStyle(document.documentElement);
    const pick = (name) => style.getPropertyValue(name).trim();
    return { bgcolor: pick("--card"), bordercolor: pick("--line"), font: { color: pick("--ink"), size: 13 } };
  }

  function paint(element) {
    const figure = drawn.get(element);
    const layout = { ...themed(figure.layout) };
    layout.hoverlabel = { ...layout.hoverlabel, ...surroundings() };
    const config = { responsive: !printing, displaylogo: false, displayModeBar: false };
    if (printing) Object.assign(layout, { autosize: false, width: element.closest(".grid") ? 320 : 680 });
    showLegend(element, figure);
    return window.Plotly.react(element, themed(figure.data), layout, config);
  }

  // Only what is switched on stands in the legend.
  function showLegend(element, figure) {
    const groups = new Set(figure.data.filter((t) => t.visible !== false).map((t) => t.meta?.group));
    element.parentElement.querySelectorAll(".legend [data-group]").forEach((chip) => {
      chip.hidden = !groups.has(chip.dataset.group);
    });
  }

  function prepare(element) {
    const figure = structuredClone(data.figures[element.dataset.figure]);
    if (coarse) figure.layout.dragmode = false; // a finger scrolls the page
    if (element.clientWidth < 420) Object.assign(figure.layout.margin, { l: 44, r: 8 });
    drawn.set(element, figure);
  }

  async function draw(element) {
    if (element.dataset.drawn) return;
    if (!drawn.has(element)) prepare(element);
    try {
      await load();
      await paint(element);
      element.dataset.drawn = "yes";
      element.removeAllListeners?.("plotly_click");
      element.on("plotly_click", (event) => {
        const trial = event.points.find((p) => Number.isInteger(p.customdata))?.customdata;
        if (trial !== undefined) dispatchEvent(new CustomEvent("trial", { detail: trial }));
      });
    } catch (error) {
      element.textContent = "This browser cannot draw the figure; the tables hold the same facts.";
      element.classList.add("empty");
    }
  }

  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watch.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  plots.forEach((p) => watch.observe(p));
  if (plots.length) addEventListener("load", () => setTimeout(() => load().catch(() => {}), 50));

  function repaint() {
    for (const element of drawn.keys()) if (element.dataset.drawn) paint(element);
  }
  night.addEventListener("change", repaint);
  // Paper has a width of its own. What is not drawn yet is drawn at once, if Plotly is there.
  addEventListener("beforeprint", () => {
    printing = true;
    for (const element of plots) {
      if (!drawn.has(element)) prepare(element);
      if (!window.Plotly) { draw(element); continue; }
      paint(element);
      element.dataset.drawn = "yes";
    }
  });
  addEventListener("afterprint", () => { printing = false; repaint(); });

  // The switches of the explorer.
  document.querySelectorAll(".controls").forEach((bar) => {
    const element = bar.parentElement.querySelector(".plot");
    bar.addEventListener("click", async (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      await draw(element);
      const { layout, data: traces } = drawn.get(element);
      const on = button.getAttribute("aria-pressed") !== "true";
      if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(on));
      if (button.dataset.axis) {
        const axis = layout[button.dataset.axis];
        if (on) Object.assign(axis, layout.meta[button.dataset.axis]);
        else Object.assign(axis, { type: "linear", dtick: null });
        delete axis.range;
      }
      if (button.dataset.group) traces.forEach((t) => { if (t.meta.group === button.dataset.group) t.visible = on; });
      if ("reset" in button.dataset) {
        const { range } = data.figures[element.dataset.figure].layout.xaxis;
        const rows = Object.keys(layout).filter((key) => key.startsWith("yaxis"));
        const whole = Object.fromEntries(rows.map((key) => [`${key}.autorange`, true]));
        return window.Plotly.relayout(element, { "xaxis.range": [...range], ...whole });
      }
      layout.xaxis.range = [...element.layout.xaxis.range];
      paint(element);
    });
  });
})();
