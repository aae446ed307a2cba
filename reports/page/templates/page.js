"use strict";
(() => {
  // The current section is marked in the navigation.
  const links = new Map([...document.querySelectorAll("nav.top a")].map((a) => [a.hash.slice(1), a]));
  const sections = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
  function mark() {
    const line = innerHeight * 0.3;
    const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    const passed = sections.filter((s) => s.getBoundingClientRect().top <= line);
    const current = end ? sections.at(-1) : passed.at(-1) ?? sections[0];
    for (const [id, link] of links) {
      if (id !== current?.id) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "true");
        link.parentElement.scrollLeft = link.offsetLeft - 60; // a narrow page shows a part of them
      }
    }
  }
  let waiting = false;
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; mark(); });
    waiting = true;
  }, { passive: true });
  mark();

  // A link to something folded away opens it.
  function unfold() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    const folded = target.matches("section") ? target.querySelector(":scope > h2 + details") : target.closest("details");
    if (folded) folded.open = true;
  }
  addEventListener("hashchange", unfold);
  document.querySelectorAll("nav.top a").forEach((a) => a.addEventListener("click", () => setTimeout(unfold)));
  unfold();

  // Paper shows everything.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((d) => { d.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((d) => { d.open = false; }));

  document.querySelectorAll("[data-unfold]").forEach((button) => {
    button.addEventListener("click", () => {
      const open = button.parentElement.classList.toggle("open");
      button.setAttribute("aria-expanded", String(open));
      button.textContent = open ? "Show less" : button.dataset.unfold;
    });
  });

  // A table that is cut says so with a shadow.
  const shade = (box) => {
    box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
    box.classList.toggle("more-left", box.scrollLeft > 2);
  };
  const boxes = [...document.querySelectorAll(".scroll")];
  const sizes = new ResizeObserver((entries) => entries.forEach((e) => shade(e.target)));
  boxes.forEach((box) => {
    sizes.observe(box);
    box.addEventListener("scroll", () => shade(box), { passive: true });
  });
})();
