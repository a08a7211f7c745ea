"use strict";
// The maps of the page: a canvas for each city shows the scene, and over it one layer on either side of a divider.

const MOST = 24; // screen pixels a picture's pixel can grow to
const STEP = 1.5; // zoom of a key or a button

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value, digits) => value.toLocaleString("en", {
  minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false,
});

function openMap(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const find = (selector) => figure.querySelector(selector);
  const stage = find(".stage"), canvas = find("canvas"), divider = find(".divider"), readout = find(".readout");
  const context = canvas.getContext("2d");
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  probe.canvas.width = probe.canvas.height = 1;
  const images = Object.fromEntries(
    [...figure.querySelectorAll("[data-show]")].map((button) => [button.dataset.show, button.querySelector("img")]),
  );
  const selects = { left: find("[data-side=left]"), right: find("[data-side=right]") };
  const opacity = find("[data-opacity]");

  // The middle of the view in pixels of the picture, screen pixels per pixel, and the divider as a share of the width.
  const view = { x: data.width / 2, y: data.height / 2, scale: 0, divider: 0.5 };
  let width = 0, height = 0, crosshair = false, waiting = false;
  const least = () => Math.min(width / data.width, height / data.height);

  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function settle() {
    view.scale = clamp(view.scale, least(), Math.max(MOST, least()));
    const halfX = width / view.scale / 2, halfY = height / view.scale / 2;
    view.x = halfX * 2 >= data.width ? data.width / 2 : clamp(view.x, halfX, data.width - halfX);
    view.y = halfY * 2 >= data.height ? data.height / 2 : clamp(view.y, halfY, data.height - halfY);
    canvas.classList.toggle("zoomed", view.scale > least() * 1.001);
    redraw();
  }

  function draw() {
    waiting = false;
    const ratio = canvas.width / width;
    const left = width / 2 - view.x * view.scale, top = height / 2 - view.y * view.scale;
    const edge = view.divider * width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = view.scale * ratio < 1;
    context.imageSmoothingQuality = "high";
    const paint = (name) => context.drawImage(images[name], left, top, data.width * view.scale, data.height * view.scale);
    paint("scene");
    for (const [side, from, to] of [["left", 0, edge], ["right", edge, width]]) {
      if (selects[side].value === "scene") continue;
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, height);
      context.clip();
      context.globalAlpha = opacity.value / 100;
      paint(selects[side].value);
      context.restore();
    }
    if (crosshair) drawCrosshair();
    furnish(edge);
  }

  function drawCrosshair() {
    for (const [color, thickness] of [["#000", 3], ["#fff", 1]]) {
      context.strokeStyle = color;
      context.lineWidth = thickness;
      context.beginPath();
      context.moveTo(width / 2 - 9, height / 2);
      context.lineTo(width / 2 + 9, height / 2);
      context.moveTo(width / 2, height / 2 - 9);
      context.lineTo(width / 2, height / 2 + 9);
      context.stroke();
    }
  }

  // What stands on the map beside its pixels: divider, names of the sides, scale bar, legends.
  function furnish(edge) {
    divider.style.left = `${edge}px`;
    divider.setAttribute("aria-valuenow", Math.round(view.divider * 100));
    for (const side of ["left", "right"]) {
      const label = find(`.side.${side}`);
      label.textContent = selects[side].value;
      label.style.left = `${edge}px`;
    }
    const widest = Math.min(width / 3, 160) / view.scale * data.metresPerPixel;
    const power = 10 ** Math.floor(Math.log10(widest));
    const metres = [5, 2, 1].find((digit) => digit * power <= widest) * power;
    const scale = find(".scale");
    scale.style.width = `${metres / data.metresPerPixel * view.scale}px`;
    scale.textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
    const shown = [selects.left.value, selects.right.value];
    for (const legend of figure.querySelectorAll(".legend")) {
      legend.hidden = !legend.dataset.for.split(" ").some((name) => shown.includes(name));
    }
    for (const button of figure.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", button.dataset.show === selects.right.value);
    }
  }

  // The place of a screen point in the picture, and back to a zoom that keeps it in place.
  const under = (px, py) => [view.x + (px - width / 2) / view.scale, view.y + (py - height / 2) / view.scale];

  function zoom(factor, px = width / 2, py = height / 2) {
    const [x, y] = under(px, py);
    view.scale = clamp(view.scale * factor, least(), Math.max(MOST, least()));
    view.x = x - (px - width / 2) / view.scale;
    view.y = y - (py - height / 2) / view.scale;
    settle();
  }

  function pan(dx, dy) {
    view.x -= dx / view.scale;
    view.y -= dy / view.scale;
    settle();
  }

  // What a layer says at a pixel, by the colour that stands there; null where it is transparent.
  function meaning(name, x, y) {
    probe.clearRect(0, 0, 1, 1);
    probe.drawImage(images[name], x, y, 1, 1, 0, 0, 1, 1);
    const [r, g, b, alpha] = probe.getImageData(0, 0, 1, 1).data;
    if (!alpha) return null;
    const distance = (c) => (c[0] - r) ** 2 + (c[1] - g) ** 2 + (c[2] - b) ** 2;
    return data.colors[name].reduce((best, color) => (distance(color) < distance(best) ? color : best))[3];
  }

  // Longitude and latitude, interpolated in the lattice of known ones.
  function geographic(x, y) {
    const side = Math.sqrt(data.lonlat.length) - 1;
    const u = x / data.width * side, v = y / data.height * side;
    const col = clamp(Math.floor(u), 0, side - 1), row = clamp(Math.floor(v), 0, side - 1);
    const at = (r, c, axis) => data.lonlat[r * (side + 1) + c][axis];
    return [0, 1].map((axis) => {
      const upper = at(row, col, axis) * (1 - u + col) + at(row, col + 1, axis) * (u - col);
      const lower = at(row + 1, col, axis) * (1 - u + col) + at(row + 1, col + 1, axis) * (u - col);
      return upper * (1 - v + row) + lower * (v - row);
    });
  }

  function tell(px, py) {
    const [x, y] = under(px, py);
    if (x < 0 || y < 0 || x >= data.width || y >= data.height) return;
    const [a, b, c, d, e, f] = data.transform;
    const digits = data.metric ? 0 : 5;
    const [longitude, latitude] = geographic(x, y);
    const items = [["", `${round(latitude, 5)}°, ${round(longitude, 5)}°`]];
    if (data.metric) items.push([data.crs, `${round(a * x + b * y + c, digits)} ${round(d * x + e * y + f, digits)}`]);
    for (const name of ["labels", "prediction", "confidence", "split"]) {
      items.push([name, meaning(name, Math.floor(x), Math.floor(y)) ?? "–"]);
    }
    readout.replaceChildren(...items.map(([name, value]) => {
      const item = document.createElement("span"), strong = document.createElement("b");
      strong.textContent = value;
      item.append(name ? `${name} ` : "", strong);
      return item;
    }));
  }

  const actions = {
    in: () => zoom(STEP),
    out: () => zoom(1 / STEP),
    fit: () => { view.scale = 0; settle(); },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : figure.requestFullscreen?.()),
  };
  for (const button of figure.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do]());
  }
  for (const [name, image] of Object.entries(images)) {
    image.parentElement.addEventListener("click", () => { selects.right.value = name; redraw(); });
    image.addEventListener("load", redraw);
  }
  for (const control of [selects.left, selects.right, opacity]) control.addEventListener("input", redraw);

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const fingers = new Map();
  const spread = ([[ax, ay], [bx, by]]) => [(ax + bx) / 2, (ay + by) / 2, Math.hypot(ax - bx, ay - by)];

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    canvas.classList.add("dragged");
    crosshair = false;
    tell(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    if (!fingers.has(event.pointerId)) return tell(px, py);
    const before = [...fingers.values()];
    const [lastX, lastY] = fingers.get(event.pointerId);
    fingers.set(event.pointerId, [px, py]);
    if (fingers.size === 1) return pan(px - lastX, py - lastY);
    const [oldX, oldY, oldSize] = spread(before), [x, y, size] = spread([...fingers.values()]);
    pan(x - oldX, y - oldY);
    zoom(size / Math.max(1, oldSize), x, y);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) canvas.classList.remove("dragged");
    });
  }
  canvas.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && view.scale <= least() * 1.001) return; // nothing left to zoom out: the page scrolls on
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...place(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(STEP ** 2, ...place(event)));
  canvas.addEventListener("keydown", (event) => {
    const step = 60;
    const keys = {
      "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.fit,
      ArrowLeft: () => pan(step, 0), ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step), ArrowDown: () => pan(0, -step),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    crosshair = true;
    keys[event.key]();
    tell(width / 2, height / 2);
  });

  const divide = (share) => { view.divider = clamp(share, 0, 1); redraw(); };
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) divide(place(event)[0] / width);
  });
  divider.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    divide(view.divider + by);
  });

  new ResizeObserver(() => {
    const whole = view.scale <= least() * 1.001;
    width = stage.clientWidth;
    height = stage.clientHeight;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    if (whole) view.scale = 0;
    settle();
  }).observe(stage);
}

for (const figure of document.querySelectorAll(".map")) openMap(figure);
