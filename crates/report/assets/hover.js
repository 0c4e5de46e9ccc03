// Shows the values of a plot under the pointer, or where the arrow keys lead.
for (const frame of document.querySelectorAll(".frame")) {
  const { series, bands } = JSON.parse(frame.querySelector("script").textContent);
  const cursor = frame.querySelector(".cursor"), tip = frame.querySelector(".tip");
  const places = [...new Set(series.flatMap((one) => one.points.map((point) => point[0])))].sort((a, b) => a - b);
  let chosen = -1;
  const line = (name, text) => {
    const row = document.createElement("div");
    for (const part of [name, text]) row.append(Object.assign(document.createElement("span"), { textContent: part }));
    return row;
  };
  const show = (index) => {
    chosen = Math.max(0, Math.min(places.length - 1, index));
    const at = places[chosen];
    const head = document.createElement("b"), rows = [];
    for (const { name, points } of series) {
      const point = points.find((point) => point[0] === at);
      if (!point) continue;
      head.textContent = point[2];
      rows.push(line(name, point[3]));
    }
    const band = bands.find(([from, to]) => from <= at && at <= to);
    if (band) head.textContent += " · " + band[2];
    tip.replaceChildren(head, ...rows);
    cursor.hidden = tip.hidden = false;
    cursor.style.left = at * 100 + "%";
    // Beside the line, where there is room, and never beyond the page.
    const area = frame.getBoundingClientRect(), x = at * area.width, width = tip.offsetWidth;
    const beside = at > 0.5 ? x - 10 - width : x + 10;
    tip.style.left = Math.max(4 - area.left, Math.min(beside, innerWidth - 4 - width - area.left)) + "px";
  };
  const nearest = (at) => places.reduce((best, place, index) => (Math.abs(place - at) < Math.abs(places[best] - at) ? index : best), 0);
  const hide = () => { cursor.hidden = tip.hidden = true; };
  frame.addEventListener("pointermove", (event) => {
    const box = frame.getBoundingClientRect();
    show(nearest((event.clientX - box.left) / box.width));
  });
  frame.addEventListener("pointerleave", hide);
  frame.addEventListener("blur", hide);
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { show(chosen + step); event.preventDefault(); }
    if (event.key === "Escape") hide();
  });
}
