// Shows the values of a chart at the pointer. The page needs this script for nothing else.
for (const area of document.querySelectorAll("[data-series]")) {
  const { names, points } = JSON.parse(area.dataset.series);
  const made = [];
  const clear = () => made.splice(0).forEach((element) => element.remove());
  const make = (className) => {
    const element = document.createElement("div");
    element.className = className;
    area.append(element);
    made.push(element);
    return element;
  };
  const show = (event) => {
    clear();
    if (points.length === 0) return;
    const box = area.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 1000;
    const near = points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best));
    const [left, step, epoch, values] = near;
    make("cursor").style.left = `${left / 10}%`;
    for (const [top] of values) {
      if (top === null) continue;
      const spot = make("spot");
      spot.style.left = `${left / 10}%`;
      spot.style.top = `${top / 10}%`;
    }
    const tip = make("tip");
    values.forEach(([, text], at) => {
      const line = document.createElement("b");
      line.textContent = names[at] ? `${names[at]} ${text}` : text;
      tip.append(line);
    });
    tip.append(`step ${step}, epoch ${epoch}`);
    tip.style[left > 500 ? "right" : "left"] = `calc(${left > 500 ? 100 - left / 10 : left / 10}% + 12px)`;
  };
  area.addEventListener("pointermove", show);
  area.addEventListener("pointerdown", show);
  area.addEventListener("pointerleave", clear);
}
