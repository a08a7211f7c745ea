// The two maps, left and right: one alone, one above the other with a divider, or side by side. They move together.

import type { GeoJSONSource } from "maplibre-gl";
import type { Api } from "./api";
import { h } from "./dom";
import { MapLibreMap, setWorkerUrl } from "./libraries";
import { overlayLayers, OVERLAYS, type Overlay } from "./overlays";
import { plan, type Plan } from "./plan";
import { SIDES, sideTitle, type Side, type State, type Store } from "./state";
import type { Bounds, Position } from "./types";

export interface Pane {
  side: Side;
  map: MapLibreMap;
  box: HTMLElement;
  caption: HTMLElement;
}

const EMPTY = { type: "FeatureCollection" as const, features: [] };
const HOME_PADDING = 24;

function makePane(side: Side, api: Api): Pane {
  const box = h("div", { class: `pane ${side}` });
  const map = new MapLibreMap({
    container: box,
    style: { version: 8, sources: {}, layers: [] },
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxPitch: 0,
    maxZoom: 24,
    renderWorldCopies: false,
    fadeDuration: 0,
    transformRequest: (url) => ({ url, headers: api.headers(url) }),
    locale: { "Map.Title": side === "left" ? "Map" : "Map, right side" },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  const caption = h("div", { class: "caption" });
  box.append(caption);
  return { side, map, box, caption };
}

/** Bring a map's sources and layers to what the plan says, with as few changes as it takes. */
function apply(map: MapLibreMap, wanted: Plan, shown: Map<string, string>): void {
  for (const layer of wanted.layers) {
    const source = "source" in layer ? layer.source : "";
    const tiles = wanted.sources[source]?.tiles[0] ?? "";
    if (!map.getSource(source)) map.addSource(source, wanted.sources[source]!);
    else if (shown.get(source) !== tiles) {
      (map.getSource(source) as unknown as { setTiles: (tiles: string[]) => void }).setTiles([tiles]);
    }
    shown.set(source, tiles);
    const said = JSON.stringify(layer);
    const same = shown.get(`layer ${layer.id}`) === said;
    shown.set(`layer ${layer.id}`, said);
    if (!map.getLayer(layer.id)) map.addLayer(layer, OVERLAYS[0]);
    if (same) continue;
    const { paint = {}, layout = {} } = layer as { paint?: object; layout?: object };
    for (const [name, value] of Object.entries(paint))
      map.setPaintProperty(layer.id, name as "fill-color", value);
    for (const [name, value] of Object.entries(layout))
      map.setLayoutProperty(layer.id, name as "visibility", value);
    if ("filter" in layer && layer.filter) map.setFilter(layer.id, layer.filter);
  }
}

export class Panes {
  readonly panes: Record<Side, Pane>;
  private readonly shown: Record<Side, Map<string, string>> = { left: new Map(), right: new Map() };
  private readonly overlays: Record<Overlay, GeoJSON.FeatureCollection>;
  private readonly divider: HTMLElement;
  private share = 0.5;
  private moving = false;
  private ready: Side[] = [];

  constructor(
    readonly box: HTMLElement,
    private readonly api: Api,
    private readonly store: Store,
    private readonly failed: () => void,
  ) {
    setWorkerUrl(new URL("map-worker.js", document.baseURI).href);
    this.panes = { left: makePane("left", api), right: makePane("right", api) };
    this.overlays = { forecast: EMPTY, blocks: EMPTY, corrections: EMPTY, focus: EMPTY };
    this.divider = this.makeDivider();
    box.append(this.panes.left.box, this.panes.right.box, this.divider);
    for (const pane of this.list()) {
      pane.map.on("load", () => this.loaded(pane.side));
      pane.map.on("error", () => this.failed());
      pane.map.on("move", () => this.follow(pane.side));
    }
    store.subscribe((state, before) => this.changed(state, before));
    this.arrange(store.state);
  }

  list(): Pane[] {
    return SIDES.map((side) => this.panes[side]);
  }

  /** The map that has the keyboard, or else the left one. */
  focused(): Pane {
    return this.list().find((pane) => pane.box.contains(document.activeElement)) ?? this.panes.left;
  }

  show(bounds: Bounds, animate = true): void {
    const [west, south, east, north] = bounds;
    const box: [Position, Position] = [
      [west, south],
      [east, north],
    ];
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.panes.left.map.fitBounds(box, { padding: HOME_PADDING, animate: animate && !calm, duration: 500 });
  }

  /** Put features above the layers of the scene, on both sides. */
  overlay(name: Overlay, data: GeoJSON.FeatureCollection): void {
    this.overlays[name] = data;
    for (const side of this.ready) (this.panes[side].map.getSource(name) as GeoJSONSource).setData(data);
  }

  private loaded(side: Side): void {
    const { map } = this.panes[side];
    for (const layer of overlayLayers()) {
      const name = (layer as { source: string }).source as Overlay;
      if (!map.getSource(name)) map.addSource(name, { type: "geojson", data: this.overlays[name] });
      map.addLayer(layer);
    }
    this.ready.push(side);
    this.sync(this.store.state, side);
  }

  private changed(state: State, before: State): void {
    if (state.scene?.id !== before.scene?.id) this.forget();
    for (const side of this.ready) this.sync(state, side);
    for (const { side, caption } of this.list()) caption.textContent = sideTitle(state, side);
    if (state.compare !== before.compare) this.arrange(state);
  }

  private sync(state: State, side: Side): void {
    if (side === "right" && state.compare === "one") return;
    apply(this.panes[side].map, plan(this.api.base, state, side), this.shown[side]);
  }

  /** Take the layers of the scene away, but not what lies above them. */
  private forget(): void {
    for (const side of this.ready) {
      const { map } = this.panes[side];
      const own = new Set<string>(Object.keys(this.overlays));
      for (const layer of map.getStyle().layers) {
        if ("source" in layer && !own.has(layer.source as string)) map.removeLayer(layer.id);
      }
      for (const name of Object.keys(map.getStyle().sources)) if (!own.has(name)) map.removeSource(name);
      this.shown[side].clear();
    }
  }

  private follow(side: Side): void {
    if (this.moving || this.store.state.compare === "one") return;
    this.moving = true;
    const { map } = this.panes[side];
    const other = this.panes[side === "left" ? "right" : "left"].map;
    other.jumpTo({ center: map.getCenter(), zoom: map.getZoom() });
    this.moving = false;
  }

  private arrange(state: State): void {
    this.box.dataset.compare = state.compare;
    this.panes.right.box.inert = state.compare === "one";
    this.divider.hidden = state.compare !== "swipe";
    this.divide(this.share);
    for (const pane of this.list()) pane.map.resize();
    const { left, right } = this.panes;
    right.map.jumpTo({ center: left.map.getCenter(), zoom: left.map.getZoom() });
    if (this.ready.includes("right")) this.sync(state, "right");
  }

  /** The divider of the swipe: it is dragged, or moved by the arrow keys. */
  private makeDivider(): HTMLElement {
    const divider = h("div", {
      class: "divider",
      role: "slider",
      tabindex: 0,
      "aria-label": "Divider between the left and the right map",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    });
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      divider.focus();
      event.preventDefault();
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = this.box.getBoundingClientRect();
      this.divide((event.clientX - box.left) / box.width);
    });
    divider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.divide(this.share + step);
    });
    return divider;
  }

  private divide(share: number): void {
    this.share = Math.min(1, Math.max(0, share));
    const text = `${100 * this.share}%`;
    this.divider.style.left = text;
    this.divider.setAttribute("aria-valuenow", String(Math.round(100 * this.share)));
    const clip = this.store.state.compare === "swipe" ? `inset(0 0 0 ${text})` : "none";
    this.panes.right.box.style.clipPath = clip;
  }
}
