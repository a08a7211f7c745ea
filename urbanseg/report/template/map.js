// A map: a canvas shows the scene, over it one layer on either side of a divider, and the roads over both.

const MOST = 24; // screen pixels a picture's pixel can grow to
const STEP = 1.5; // zoom of a key or a button

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value, digits) => value.toLocaleString("en", {
  minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false,
});

function openMap(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const find = (selector) => figure.querySelector(selector);
  const all = (selector) => [...figure.querySelectorAll(selector)];
  const stage = find(".stage"), canvas = find("canvas"), divider = find(".divider");
  const context = canvas.getContext("2d");
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  probe.canvas.width = probe.canvas.height = 1;
  const images = Object.fromEntries(all("[data-show]").map((button) => [button.dataset.show, button.querySelector("img")]));
  const rasters = rastersOf(images, data);
  const classes = all("[data-class]").map((button) => button.dataset.class);
  const vectors = data.vectors && vectorsOf(data.vectors, all("[data-class] i").map((swatch) => swatch.style.backgroundColor));
  const selects = { left: find("[data-side=left]"), right: find("[data-side=right]") };
  const opacity = find("[data-opacity]"), roads = find("[data-roads]");

  // The middle of the view in pixels of the picture, screen pixels per pixel, and the divider as a share of the width.
  const view = { x: data.width / 2, y: data.height / 2, scale: 0, divider: 0.5, hidden: new Set(), box: null, confused: null };
  let width = 0, height = 0, crosshair = false, waiting = false, focus = null, moved = () => {};
  const least = () => Math.min(width / data.width, height / data.height);
  const most = () => Math.max(MOST, 4 * least());

  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function settle() {
    view.scale = clamp(view.scale, least(), most());
    const halfX = width / view.scale / 2, halfY = height / view.scale / 2;
    view.x = halfX * 2 >= data.width ? data.width / 2 : clamp(view.x, halfX, data.width - halfX);
    view.y = halfY * 2 >= data.height ? data.height / 2 : clamp(view.y, halfY, data.height - halfY);
    redraw();
  }

  function paint(name, box) {
    if (name === "polygons") {
      const numbers = new Set(classes.flatMap((text, i) => (view.hidden.has(text) ? [i] : [])));
      vectors.drawPolygons(context, box, view.scale, numbers);
    } else {
      context.drawImage(rasters.without(name, view.hidden), 0, 0, data.width, data.height);
    }
  }

  function draw() {
    waiting = false;
    if (!width || !height) return;
    const ratio = canvas.width / width, scale = view.scale * ratio;
    const [left, top] = [width / 2 - view.x * view.scale, height / 2 - view.y * view.scale];
    const edge = view.divider * width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, left * ratio, top * ratio);
    context.imageSmoothingEnabled = scale < 1;
    context.imageSmoothingQuality = "high";
    context.globalAlpha = 1;
    paint("scene");
    const places = [["left", under(0, 0), under(edge, height)], ["right", under(edge, 0), under(width, height)]];
    for (const [side, [x, y], [right, bottom]] of places) {
      if (selects[side].value === "scene" || right <= x) continue;
      context.save();
      context.beginPath();
      context.rect(x, y, right - x, bottom - y);
      context.clip();
      context.globalAlpha = opacity.value / 100;
      paint(selects[side].value, { left: x, top: y, right, bottom });
      context.restore();
    }
    if (focus) context.drawImage(focus, 0, 0);
    if (roads?.getAttribute("aria-pressed") === "true") {
      const [x, y] = under(0, 0), [right, bottom] = under(width, height);
      vectors.drawRoads(context, { left: x, top: y, right, bottom }, view.scale, data.metresPerPixel);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (view.box) drawBox(left, top);
    if (crosshair) drawCrosshair();
    furnish(edge);
    moved();
  }

  function drawBox(left, top) {
    const [row, col, high, wide] = view.box.map((value, i) => value * (i % 2 ? data.width / data.cols : data.height / data.rows) * view.scale);
    for (const [color, thickness, dash] of [["#fff", 4, []], ["#000", 2, [7, 5]]]) {
      context.strokeStyle = color;
      context.lineWidth = thickness;
      context.setLineDash(dash);
      context.strokeRect(left + col, top + row, wide, high);
    }
    context.setLineDash([]);
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
    const share = (length) => `${100 * length / width}%`; // lasts on paper, which has another width
    divider.style.left = share(edge);
    divider.setAttribute("aria-valuenow", Math.round(view.divider * 100));
    for (const side of ["left", "right"]) {
      const label = find(`.side.${side}`);
      label.textContent = selects[side].value;
      label.style.left = share(edge);
    }
    const widest = Math.min(width / 3, 160) / view.scale * data.metresPerPixel;
    const power = 10 ** Math.floor(Math.log10(widest));
    const metres = [5, 2, 1].find((digit) => digit * power <= widest) * power;
    const scale = find(".scale");
    scale.style.width = share(metres / data.metresPerPixel * view.scale);
    scale.textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
    const shown = [selects.left.value, selects.right.value];
    for (const legend of all(".legend")) legend.hidden = !legend.dataset.for.split(" ").some((name) => name === "all" || shown.includes(name));
    for (const button of all("[data-show]")) button.setAttribute("aria-pressed", button.dataset.show === selects.right.value);
    for (const button of all("[data-class]")) button.setAttribute("aria-pressed", !view.hidden.has(button.dataset.class));
  }

  // The place of a screen point in the picture.
  const under = (px, py) => [view.x + (px - width / 2) / view.scale, view.y + (py - height / 2) / view.scale];

  // Zoom so that what lies under a screen point stays there.
  function zoom(factor, px = width / 2, py = height / 2) {
    const [x, y] = under(px, py);
    view.scale = clamp(view.scale * factor, least(), most());
    view.x = x - (px - width / 2) / view.scale;
    view.y = y - (py - height / 2) / view.scale;
    settle();
  }

  function pan(dx, dy) {
    view.x -= dx / view.scale;
    view.y -= dy / view.scale;
    settle();
  }

  function fit() {
    view.scale = 0;
    view.box = view.confused = focus = null;
    settle();
  }

  // Show a window of the scene (row, column, height, width in its pixels), and pixels of one class taken for another.
  function show(box, confused = null) {
    const [row, col, high, wide] = box;
    const across = data.width / data.cols, down = data.height / data.rows;
    Object.assign(view, { box, confused, x: (col + wide / 2) * across, y: (row + high / 2) * down });
    view.scale = 0.7 * Math.min(width / (wide * across), height / (high * down));
    focus = confused && rasters.confused(...confused);
    settle();
  }

  const [a, b, c, d, e, f] = data.transform;
  const project = (x, y) => [a * x + b * y + c, d * x + e * y + f];
  const unproject = (east, north) => {
    const [u, v] = [east - c, north - f], size = a * e - b * d;
    return [(e * u - b * v) / size, (a * v - d * u) / size];
  };
  const digits = clamp(Math.ceil(1 - Math.log10(Math.hypot(a, d))), 0, 9);

  // The view as the part of an address after the #, and back.
  function address() {
    const [east, north] = project(view.x, view.y);
    const parts = { map: data.name, at: [east, north].map((value) => round(value, digits)).join(), zoom: round(view.scale / least(), 3),
      left: selects.left.value, right: selects.right.value, divider: round(view.divider, 2), opacity: opacity.value };
    if (roads) parts.roads = roads.getAttribute("aria-pressed");
    if (view.hidden.size) parts.hide = [...view.hidden].map((text) => classes.indexOf(text)).join();
    if (view.box) parts.box = view.box.join();
    if (view.confused) parts.confused = view.confused.map((text) => classes.indexOf(text)).join();
    return Object.entries(parts).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
  }

  function restore(parts) {
    const list = (name) => (parts.get(name) ?? "").split(",").filter(Boolean).map(Number);
    const numbers = (name, count) => (list(name).length === count && list(name).every(Number.isFinite) ? list(name) : null);
    const named = (name) => list(name).map((i) => classes[i]).filter((text) => text !== undefined);
    for (const [side, select] of Object.entries(selects)) {
      if ([...select.options].some((option) => option.value === parts.get(side))) select.value = parts.get(side);
    }
    if (numbers("opacity", 1)) opacity.value = numbers("opacity", 1)[0];
    if (numbers("divider", 1)) view.divider = clamp(numbers("divider", 1)[0], 0, 1);
    roads?.setAttribute("aria-pressed", parts.get("roads") === "true");
    view.hidden = new Set(named("hide"));
    fit();
    if (numbers("box", 4)) show(numbers("box", 4), named("confused").length === 2 ? named("confused") : null);
    if (numbers("at", 2)) [view.x, view.y] = unproject(...numbers("at", 2));
    if (numbers("zoom", 1)) view.scale = least() * numbers("zoom", 1)[0];
    settle();
  }

  // What a layer says at a pixel, by the colour that stands there; null where it is transparent.
  function meaning(name, x, y) {
    probe.setTransform(1, 0, 0, 1, 0, 0);
    probe.clearRect(0, 0, 1, 1);
    probe.drawImage(images[name], x, y, 1, 1, 0, 0, 1, 1);
    const [r, g, b, alpha] = probe.getImageData(0, 0, 1, 1).data;
    if (!alpha) return null;
    const distance = (color) => (color[0] - r) ** 2 + (color[1] - g) ** 2 + (color[2] - b) ** 2;
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

  // Coordinates and layers at a screen point, as names and values.
  function read(px, py) {
    const [x, y] = under(px, py);
    if (x < 0 || y < 0 || x >= data.width || y >= data.height) return null;
    const [longitude, latitude] = data.crs ? geographic(x, y) : [];
    const items = [data.crs ? ["", `${round(latitude, 5)}°, ${round(longitude, 5)}°`] : ["pixel", `${Math.floor(y)}, ${Math.floor(x)}`]];
    if (data.crs && data.metric) items.push([data.crs, project(x, y).map((value) => round(value, 0)).join(" ")]);
    for (const name of ["labels", "prediction", "confidence", "split"]) items.push([name, meaning(name, Math.floor(x), Math.floor(y)) ?? "–"]);
    const polygon = vectors?.at(probe, x, y);
    if (polygon) items.push(["polygon", `${classes[polygon[0]] ?? "–"}, ${round(polygon[1] / 1e4, 2)} ha, confidence ${polygon[2]} %`]);
    return items;
  }

  return {
    name: data.name, figure, stage, canvas, divider, view, selects, opacity, roads, images, least,
    redraw, settle, zoom, pan, fit, show, read, address, restore,
    onMoved: (call) => { moved = call; },
    showCrosshair: (whether) => { crosshair = whether; redraw(); },
    size: () => [width, height],
    resize(ratio) {
      const whole = view.scale <= least() * 1.001, former = least();
      width = stage.clientWidth;
      height = stage.clientHeight;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      view.scale = whole ? 0 : view.scale * least() / former;
      settle();
      draw(); // at once: a canvas whose size is set is empty, and no frame comes before paper
    },
  };
}
