// A state as the page has it when a small scene is open.

import { firstView, type State } from "../src/state";
import type { Scene } from "../src/types";

const CLASSES = ["other", "road", "water"].map((name, id) => ({
  id,
  name,
  title: null,
  color: `#00000${id}`,
}));

const SCENE: Scene = {
  id: "demo",
  title: "Demo",
  kind: "city",
  bounds: [9, 48, 10, 49],
  center: [9.5, 48.5],
  minzoom: 8,
  maxzoom: 14,
  crs: "EPSG:32632",
  placed: true,
  pixel_m: 10,
  width: 100,
  height: 100,
  license: null,
  classes: CLASSES,
  bands: [],
  composites: [{ name: "true_color", title: "True colour", bands: [3, 2, 1] }],
  layers: [
    { name: "road_edges", kind: "lines" },
    { name: "scene", kind: "raster" },
    { name: "prediction", kind: "classes" },
    { name: "confidence", kind: "share" },
    { name: "land_cover", kind: "polygons", minzoom: 12 },
  ],
  thresholds: { min_confidence: {}, clean: "none", clean_px: 1, unavailable: null },
  correctable: true,
  seq: 0,
};

export function state(changes: Partial<State> = {}): State {
  const project = {
    user: "anna",
    scenes: [],
    open: null,
    classes: CLASSES,
    ignore: 255,
    retrain: null,
    can: [],
  };
  return {
    project,
    scene: SCENE,
    views: { left: firstView(SCENE, "left"), right: firstView(SCENE, "right") },
    side: "left",
    compare: "one",
    hidden: [],
    edits: {},
    live: null,
    blocks: true,
    forecast: false,
    peek: false,
    tool: { tool: "move", class: "other", radius: 10, of: "prediction" },
    records: [],
    saving: { unsent: 0, reason: null },
    jobs: [],
    sending: [],
    panel: "layers",
    camera: { center: [0, 0], zoom: 0, bounds: [0, 0, 0, 0] },
    version: 0,
    ...changes,
  };
}
