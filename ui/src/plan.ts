// Which sources and layers MapLibre shall have, computed from what is chosen: nothing here touches a map.

import type {
  ExpressionSpecification,
  FilterSpecification,
  LayerSpecification,
  RasterSourceSpecification,
  VectorSourceSpecification,
} from "maplibre-gl";
import { editedClasses, isBlind, type Side, type State } from "./state";
import type { LandClass, Scene, SceneLayer, Thresholds } from "./types";

export type TiledSource = RasterSourceSpecification | VectorSourceSpecification;

export interface Plan {
  sources: Record<string, TiledSource & { tiles: string[] }>;
  layers: LayerSpecification[];
}

/** Layers from the lowest to the highest, by kind and then by name. */
const ORDER = ["raster", "classes", "share", "errors", "split", "polygons", "lines"];

/** The query of thresholds, as tiles and areas take it; none that is 0 is named. */
export function thresholdQuery(live: Thresholds): [string, string][] {
  const minima = Object.entries(live.min_confidence).filter(([, value]) => value > 0);
  const query: [string, string][] = [["min", minima.map(([name, value]) => `${name}:${value}`).join(",")]];
  query.push(["clean", live.clean], ["clean_px", String(live.clean_px)]);
  return query.filter(([, value]) => value !== "");
}

function rasterQuery(layer: SceneLayer, state: State, scene: Scene, side: Side): [string, string][] {
  const view = state.views[side];
  const query: [string, string][] = [];
  if (layer.kind === "raster") {
    const composite = scene.composites.find((row) => row.name === view.composite);
    if (composite) query.push(["bands", composite.bands.join(",")]);
    query.push(["stretch", view.stretch]);
  }
  if (layer.kind === "classes") {
    const colors = Object.entries(state.edits).filter(([, edit]) => edit.color);
    if (state.hidden.length) query.push(["hide", state.hidden.join(",")]);
    if (colors.length)
      query.push(["colors", colors.map(([name, edit]) => `${name}:${edit.color?.slice(1)}`).join(",")]);
  }
  if (layer.name === "prediction" && state.live) query.push(...thresholdQuery(state.live));
  if (state.version) query.push(["v", String(state.version)]);
  return query;
}

/** The address of a layer's tiles. */
export function tileAddress(
  base: string,
  scene: Scene,
  layer: SceneLayer,
  query: [string, string][],
): string {
  const vectors = layer.kind === "polygons" || layer.kind === "lines";
  const path = `${base}/api/scenes/${encodeURIComponent(scene.id)}/${vectors ? "vectors" : "tiles"}/${encodeURIComponent(layer.name)}`;
  const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return `${path}/{z}/{x}/{y}.${vectors ? "pbf" : "png"}${text ? `?${text}` : ""}`;
}

/** An expression that gives the colour of the class that a feature names. */
export function colorExpression(classes: LandClass[]): ExpressionSpecification | string {
  if (!classes.length) return "#8a8a8a";
  const pairs = classes.flatMap((row) => [row.name, row.color]);
  return ["match", ["get", "class"], ...pairs, "#8a8a8a"] as unknown as ExpressionSpecification;
}

function source(
  base: string,
  scene: Scene,
  layer: SceneLayer,
  query: [string, string][],
): Plan["sources"][string] {
  const tiles = [tileAddress(base, scene, layer, query)];
  const bounds = scene.bounds;
  if (layer.kind === "polygons" || layer.kind === "lines") {
    return { type: "vector", tiles, bounds, minzoom: layer.minzoom ?? scene.minzoom, maxzoom: scene.maxzoom };
  }
  return { type: "raster", tiles, bounds, tileSize: 256, minzoom: scene.minzoom, maxzoom: scene.maxzoom };
}

function vectorLayers(layer: SceneLayer, state: State, side: Side, shown: boolean): LayerSpecification[] {
  const opacity = state.views[side].opacity[layer.name] ?? 1;
  const common = { source: layer.name, "source-layer": layer.name };
  const layout = { visibility: shown ? ("visible" as const) : ("none" as const) };
  if (layer.kind === "lines") {
    const width: ExpressionSpecification = ["interpolate", ["linear"], ["zoom"], 12, 1, 18, 4];
    const paint = { "line-color": "#d7263d", "line-width": width, "line-opacity": opacity };
    return [{ id: layer.name, type: "line", ...common, layout, paint }];
  }
  const filter: FilterSpecification = ["!", ["in", ["get", "class"], ["literal", state.hidden]]];
  const color = colorExpression(editedClasses(state));
  return [
    {
      id: layer.name,
      type: "fill",
      ...common,
      layout,
      filter,
      paint: { "fill-color": color, "fill-opacity": opacity },
    },
    {
      id: `${layer.name}-outline`,
      type: "line",
      ...common,
      layout,
      filter,
      paint: { "line-color": "#222222", "line-width": 0.6, "line-opacity": opacity },
    },
  ];
}

/** Sources and layers of one side, from the lowest to the highest. */
export function plan(base: string, state: State, side: Side): Plan {
  const scene = state.scene;
  const made: Plan = { sources: {}, layers: [] };
  if (!scene) return made;
  const view = state.views[side];
  const ordered = [...scene.layers].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  for (const layer of ordered) {
    const bare = state.peek || isBlind(state);
    const shown = (view.visible[layer.name] ?? false) && !(bare && layer.kind !== "raster");
    made.sources[layer.name] = source(base, scene, layer, rasterQuery(layer, state, scene, side));
    if (layer.kind === "polygons" || layer.kind === "lines") {
      made.layers.push(...vectorLayers(layer, state, side, shown));
      continue;
    }
    made.layers.push({
      id: layer.name,
      type: "raster",
      source: layer.name,
      layout: { visibility: shown ? "visible" : "none" },
      paint: {
        "raster-opacity": view.opacity[layer.name] ?? 1,
        "raster-resampling": "nearest",
        "raster-fade-duration": 0,
      },
    });
  }
  return made;
}
