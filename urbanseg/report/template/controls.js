// Mouse, fingers, keys and buttons of a map.

const HINT = {
  mouse: "Hold Ctrl (or ⌘) while you turn the wheel to zoom the map",
  touch: "Move the map with two fingers",
};

function addControls(map) {
  const { figure, stage, canvas, divider, view } = map;
  const find = (selector) => figure.querySelector(selector);
  const isFull = () => document.fullscreenElement === figure;
  const hint = find(".hint");
  let hiding = 0;

  function say(text) {
    hint.textContent = text;
    hint.classList.add("shown");
    clearTimeout(hiding);
    hiding = setTimeout(() => hint.classList.remove("shown"), 1500);
  }

  function tell(px, py) {
    const items = map.read(px, py);
    if (!items) return;
    find(".readout").replaceChildren(...items.map(([name, value]) => {
      const item = document.createElement("span"), strong = document.createElement("b");
      strong.textContent = value;
      item.append(name ? `${name} ` : "", strong);
      return item;
    }));
  }

  const actions = {
    in: () => map.zoom(STEP),
    out: () => map.zoom(1 / STEP),
    fit: map.fit,
    full: () => (isFull() ? document.exitFullscreen() : figure.requestFullscreen?.()),
    picture: () => {
      map.redraw();
      requestAnimationFrame(() => canvas.toBlob((blob) => {
        const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${map.name}.png` });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      }));
    },
  };
  for (const button of figure.querySelectorAll("[data-do]")) button.addEventListener("click", () => actions[button.dataset.do]());
  for (const [name, image] of Object.entries(map.images)) {
    image.parentElement.addEventListener("click", () => { map.selects.right.value = name; map.redraw(); });
    image.addEventListener("load", map.redraw);
  }
  for (const button of figure.querySelectorAll("[data-class]")) {
    button.addEventListener("click", () => {
      const { hidden } = view, name = button.dataset.class;
      if (!hidden.delete(name)) hidden.add(name);
      map.redraw();
    });
  }
  map.roads?.addEventListener("click", () => {
    map.roads.setAttribute("aria-pressed", map.roads.getAttribute("aria-pressed") !== "true");
    map.redraw();
  });
  for (const control of [map.selects.left, map.selects.right, map.opacity]) control.addEventListener("input", map.redraw);

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
    map.showCrosshair(false);
    tell(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    if (!fingers.has(event.pointerId)) return tell(px, py);
    const before = [...fingers.values()];
    const [lastX, lastY] = fingers.get(event.pointerId);
    fingers.set(event.pointerId, [px, py]);
    if (fingers.size === 1) {
      if (event.pointerType !== "touch" || isFull()) map.pan(px - lastX, py - lastY);
      return;
    }
    const [oldX, oldY, oldSize] = spread(before), [x, y, size] = spread([...fingers.values()]);
    map.pan(x - oldX, y - oldY);
    map.zoom(size / Math.max(1, oldSize), x, y);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) canvas.classList.remove("dragged");
      if (kind === "pointercancel" && event.pointerType === "touch") say(HINT.touch); // the page scrolls instead
    });
  }
  // The wheel scrolls the page, as everywhere; a pinch on a touchpad comes as a wheel with Ctrl.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !isFull()) return say(HINT.mouse);
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.004)), ...place(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => map.zoom(STEP ** 2, ...place(event)));
  canvas.addEventListener("keydown", (event) => {
    const step = 60, [width, height] = map.size();
    const keys = {
      "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.fit,
      ArrowLeft: () => map.pan(step, 0), ArrowRight: () => map.pan(-step, 0),
      ArrowUp: () => map.pan(0, step), ArrowDown: () => map.pan(0, -step),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    map.showCrosshair(true);
    keys[event.key]();
    tell(width / 2, height / 2);
  });

  const divide = (share) => { view.divider = clamp(share, 0, 1); map.redraw(); };
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) divide(place(event)[0] / map.size()[0]);
  });
  divider.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    divide(view.divider + by);
  });

  const link = find(".permalink");
  map.onMoved(() => { link.href = `#${map.address()}`; });
  const measure = () => {
    if (!matchMedia("print").matches) map.resize(devicePixelRatio);
  };
  new ResizeObserver(measure).observe(stage);
  measure();
}
