// All maps of the page, the tables that point into them, and addresses that show a view.

const maps = new Map();
for (const figure of document.querySelectorAll("figure.map")) {
  const map = openMap(figure);
  addControls(map);
  maps.set(map.name, map);
}

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

// A failure, or a cell of a confusion table: each click on it goes to the next place that it names.
for (const button of document.querySelectorAll("[data-places]")) {
  const map = maps.get(button.closest("[data-city]").dataset.city), places = JSON.parse(button.dataset.places);
  let next = 0;
  button.addEventListener("click", () => {
    if ("actual" in button.dataset) [map.selects.left.value, map.selects.right.value] = ["labels", "prediction"];
    map.view.hidden.clear();
    map.show(places[next], "actual" in button.dataset ? [button.dataset.actual, button.dataset.mapped] : null);
    next = (next + 1) % places.length;
    map.figure.querySelector(".readout").textContent = button.closest("td")?.title ?? button.title;
    map.figure.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    map.canvas.focus({ preventScroll: true });
  });
}

function follow() {
  const parts = new URLSearchParams(location.hash.slice(1)), map = maps.get(parts.get("map"));
  if (!map) return;
  map.restore(parts);
  map.figure.scrollIntoView({ block: "start" });
}
addEventListener("hashchange", follow);
follow();

// On paper a map has the shape of its scene, and more detail.
function redraw(printing) {
  for (const { stage, resize } of maps.values()) {
    stage.classList.toggle("printing", printing);
    resize(printing ? Math.max(2, devicePixelRatio) : devicePixelRatio);
  }
}
addEventListener("beforeprint", () => redraw(true));
addEventListener("afterprint", () => redraw(false));
