"use strict";
// The picture of the page: an image, and over it the map on the right of a divider. Classes can be hidden.

for (const figure of document.querySelectorAll(".swipe")) {
  const find = (selector) => figure.querySelector(selector);
  const sheets = find(".sheets"), line = find(".line"), scale = find(".bar-m"), zoom = find("[data-zoom]");
  const layer = find("[data-layer]"), opacity = find("[data-opacity]"), divider = find("[data-divider]");
  const picture = find("[data-picture]"), map = find("[data-sheet=map]");
  const boxes = [...figure.querySelectorAll("[data-color]")];
  const canvas = document.createElement("canvas"); // the map without the hidden classes
  canvas.className = "over";
  canvas.hidden = true;
  map.after(canvas);

  function show() {
    const share = divider.value / 10;
    const cleared = boxes.some((box) => !box.checked);
    for (const sheet of figure.querySelectorAll("[data-sheet]")) sheet.hidden = sheet.dataset.sheet !== layer.value;
    canvas.hidden = map.hidden || !cleared;
    for (const sheet of figure.querySelectorAll(".over")) {
      sheet.style.opacity = opacity.value / 100;
      sheet.style.clipPath = `inset(0 0 0 ${share}%)`;
    }
    if (!canvas.hidden) map.style.opacity = 0; // stays for those who listen
    line.style.left = `${share}%`;
    divider.setAttribute("aria-valuetext", `${Math.round(share)} % image, ${Math.round(100 - share)} % map`);
    for (const legend of figure.querySelectorAll(".legend")) legend.hidden = legend.dataset.for !== layer.value;
  }

  function clear() {
    const context = canvas.getContext("2d");
    canvas.width = map.naturalWidth;
    canvas.height = map.naturalHeight;
    context.drawImage(map, 0, 0);
    const hidden = new Set(boxes.filter((box) => !box.checked).map((box) => parseInt(box.dataset.color.slice(1), 16)));
    const image = context.getImageData(0, 0, canvas.width, canvas.height), data = image.data;
    for (let i = 0; i < data.length; i += 4) {
      if (hidden.has(data[i] << 16 | data[i + 1] << 8 | data[i + 2])) data[i + 3] = 0;
    }
    context.putImageData(image, 0, 0);
    show();
  }

  function measure() {
    const metres = parseFloat(figure.dataset.metres) * picture.naturalWidth / sheets.clientWidth;
    scale.hidden = !(metres > 0);
    if (scale.hidden) return;
    const most = Math.min(sheets.clientWidth / 3, 160) * metres, power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].find((digit) => digit * power <= most) * power;
    scale.style.width = `${length / metres}px`;
    scale.textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  }

  const drag = (event) => {
    const box = sheets.getBoundingClientRect();
    divider.value = Math.round(1000 * (event.clientX - box.left) / box.width);
    show();
  };
  sheets.addEventListener("pointerdown", (event) => {
    if (event.button || figure.classList.contains("real") && event.pointerType === "touch") return;
    event.preventDefault();
    sheets.setPointerCapture(event.pointerId);
    drag(event);
  });
  sheets.addEventListener("pointermove", (event) => { if (sheets.hasPointerCapture(event.pointerId)) drag(event); });
  for (const control of [layer, opacity, divider]) control.addEventListener("input", show);
  for (const box of boxes) box.addEventListener("change", clear);
  zoom.addEventListener("click", () => {
    const real = figure.classList.toggle("real");
    zoom.setAttribute("aria-pressed", real);
    measure();
  });
  new ResizeObserver(measure).observe(sheets);
  picture.addEventListener("load", measure);
  show();
}
