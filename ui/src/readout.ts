// The line below the map: coordinates and values under the pointer, or under the cross when the keyboard moves.

import { scenePath, type App } from "./app";
import { debounce, h, replace } from "./dom";
import { degrees, metresPerPixel, percent, scaleBar } from "./measure";
import { colorOf, isBlind, titleOf, type State } from "./state";
import type { Values } from "./types";

const BAR_PX = 110;

/** What the values at a place say, part by part. */
export function describe(values: Values, state: State, place: string): [string, string][] {
  const parts: [string, string][] = [["at", place]];
  if (!values.inside) return [...parts, ["", "outside of the scene"]];
  parts.push(["pixel", `${values.col}, ${values.row}`]);
  if (isBlind(state)) return parts;
  if (values.prediction) parts.push(["map", titleOf(state, values.prediction)]);
  if (typeof values.confidence === "number") parts.push(["confidence", percent(values.confidence)]);
  if (values.labels) parts.push(["labels", titleOf(state, values.labels)]);
  if (typeof values.entropy === "number") parts.push(["entropy", percent(values.entropy)]);
  if (values.split) parts.push(["split", values.split]);
  if (values.scene)
    parts.push(["bands", values.scene.map((value) => Number(value.toPrecision(4))).join(" ")]);
  return parts;
}

/** A place as people of the scene's kind read it: degrees and the scene's own coordinates, or pixels alone. */
export function placeText(placed: boolean, lon: number, lat: number, values: Values | null): string {
  if (!placed) return "";
  const own = values ? ` (${values.x.toFixed(1)}, ${values.y.toFixed(1)})` : "";
  return degrees(lon, lat) + own;
}

function part(state: State, values: Values, [name, text]: [string, string]): HTMLElement | null {
  if (!text) return null;
  const named = name === "map" ? values.prediction : name === "labels" ? values.labels : null;
  const swatch = named ? h("i", { class: "swatch", style: { background: colorOf(state, named) } }) : null;
  return h("span", { class: `value ${name}` }, name ? h("b", {}, name) : null, swatch, text);
}

/** Fill the line when the pointer moves over a map, or when a map that has the focus moves. */
export function watchPointer(app: App, line: HTMLElement): void {
  let running: AbortController | null = null;
  const ask = debounce(60, (lon: number, lat: number) => {
    const { scene } = app.store.state;
    if (!scene) return;
    running?.abort();
    running = new AbortController();
    const path = `${scenePath(app)}/values?lon=${lon.toFixed(8)}&lat=${lat.toFixed(8)}`;
    app.api
      .call<Values>(path, { signal: running.signal })
      .then((values) => {
        const state = app.store.state;
        const parts = describe(values, state, placeText(scene.placed, lon, lat, values));
        replace(line, ...parts.map((row) => part(state, values, row)));
      })
      .catch((error: Error) => {
        if (error.name !== "AbortError") replace(line, error.message);
      });
  });
  for (const { map, box } of app.panes.list()) {
    map.on("mousemove", (event) => ask(event.lngLat.lng, event.lngLat.lat));
    map.on("click", (event) => ask(event.lngLat.lng, event.lngLat.lat));
    map.on("moveend", () => {
      if (!box.querySelector("canvas:focus-visible")) return;
      const { lng, lat } = map.getCenter();
      ask(lng, lat);
    });
  }
}

/** The scale bar and the licence of the scene, in the corner of the map. */
export function scaleCorner(app: App): HTMLElement {
  const bar = h("span", { class: "bar" });
  const license = h("span", { class: "license" });
  const draw = () => {
    const { scene, camera } = app.store.state;
    if (!scene) return;
    const metres = metresPerPixel(camera.center[1], camera.zoom);
    const { text, pixels } = scaleBar(metres, BAR_PX, { placed: scene.placed, metres: scene.pixel_m });
    bar.textContent = text;
    bar.style.width = `${pixels}px`;
    license.textContent = scene.license ?? "";
  };
  app.store.subscribe((state, before) => {
    if (state.camera !== before.camera || state.scene !== before.scene) draw();
  });
  return h("div", { class: "corner" }, bar, license);
}
