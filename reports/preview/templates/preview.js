"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [left, right, top, bottom] = data.margin;

  function decode(text) {
    const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Uint16Array(raw.buffer);
  }

  document.querySelectorAll("[data-group]").forEach((box, place) => {
    const group = data.groups[place];
    const curves = decode(group.curves);
    const rate = box.querySelector("[data-rate]");
    const sliders = [...box.querySelectorAll("input:not([data-rate])")];
    const lines = [...box.querySelectorAll("svg")].map((drawing) => {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("class", "curve");
      drawing.append(line);
      return line;
    });

    function path(line, values) {
      const { width, height } = line.ownerSVGElement.viewBox.baseVal;
      const x = (i) => left + ((width - left - right) * i) / (data.points - 1);
      const y = (v) => top + (height - top - bottom) * (1 - v / data.scale / data.top);
      return values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
    }

    function tell(input, text) {
      input.setAttribute("aria-valuetext", text);
      input.nextElementSibling.textContent = text;
    }

    function render() {
      const base = Number((10 ** Number(rate.value)).toPrecision(2));
      tell(rate, String(base));
      sliders.forEach((s, i) => tell(s, group.labels[i][s.value]));
      const row = sliders.reduce((sum, s, i) => sum * group.sizes[i] + Number(s.value), 0);
      const values = curves.subarray(row * data.points, (row + 1) * data.points);
      const note = box.querySelector(".note");
      if (values[0] === data.impossible) {
        lines.forEach((line) => line.setAttribute("d", ""));
        note.textContent = "There is no such schedule: move a slider.";
        return;
      }
      lines.forEach((line) => line.setAttribute("d", path(line, [...values])));
      const shown = (v) => Number(((base * v) / data.scale).toPrecision(3));
      const middle = shown(values[(data.points - 1) / 2]);
      note.textContent = `Upright: lr as a share of base_lr. Begins at ${shown(values[0])}, ${middle} half-way, ends at ${shown(values.at(-1))}.`;
    }
    [rate, ...sliders].forEach((input) => input.addEventListener("input", render));
    render();
  });
})();
