// Looks at the page as a reader would, and writes what it finds into an attribute that `--dump-dom` prints.
const box = (element) => element.getBoundingClientRect();
const apart = (boxes) => boxes.every((a, i) => boxes.slice(i + 1).every((b) =>
  a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top));
const shown = (elements) => [...elements].map(box).filter((b) => b.width > 0);
const plots = [...document.querySelectorAll(".plot .frame")].map((frame) => {
  const area = box(frame);
  const lines = [...frame.querySelectorAll("path.series")].map(box);
  frame.dispatchEvent(new PointerEvent("pointermove", { clientX: area.left + area.width / 2, clientY: area.top + 5 }));
  const tip = frame.querySelector(".tip");
  return {
    width: area.width,
    height: area.height,
    lines: lines.length,
    drawn: Math.max(0, ...lines.map((b) => b.width / area.width)),
    inside: lines.every((b) => b.left >= area.left - 2 && b.right <= area.right + 2 && b.top >= area.top - 2 && b.bottom <= area.bottom + 2),
    x_names: shown(frame.querySelectorAll(".xticks span")).length,
    y_names: shown(frame.querySelectorAll(".yticks span")).length,
    x_apart: apart(shown(frame.querySelectorAll(".xticks span"))),
    y_apart: apart(shown(frame.querySelectorAll(".yticks span"))),
    on_page: shown(frame.querySelectorAll(".xticks span, .yticks span")).every((b) => b.left >= 0 && b.right <= innerWidth),
    tip: tip.hidden ? "" : tip.textContent,
    tip_on_page: box(tip).left >= 0 && box(tip).right <= innerWidth,
    spoken: frame.getAttribute("aria-label"),
  };
});
const style = getComputedStyle(document.body);
document.documentElement.dataset.found = encodeURIComponent(JSON.stringify({
  width: innerWidth,
  scrolls_sideways: document.documentElement.scrollWidth > innerWidth,
  faults: window.faults,
  plots,
  bars: shown(document.querySelectorAll(".bars .fill")).length,
  bars_apart: apart(shown(document.querySelectorAll(".bars .name, .bars .value, .bars svg"))),
  figures: shown(document.querySelectorAll(".figures dd")).length,
  paper: style.backgroundColor,
  ink: style.color,
}));
