// The shapes of the server's answers, as docs of the HTTP contract in urbanseg/review say them.

export type Position = [number, number];
export type Bounds = [number, number, number, number];

export interface LandClass {
  id: number;
  name: string;
  title: string | null;
  color: string;
}

export interface SceneEntry {
  id: string;
  title: string;
  kind: "city" | "image" | "upload";
}

export interface Project {
  user: string;
  scenes: SceneEntry[];
  open: string | null;
  classes: LandClass[];
  ignore: number;
  retrain: string | null;
  can: string[];
}

export type LayerKind = "raster" | "classes" | "share" | "errors" | "split" | "polygons" | "lines";

export interface LegendEntry {
  label: string;
  color: string;
}

export interface SceneLayer {
  name: string;
  kind: LayerKind;
  title?: string;
  minzoom?: number;
  legend?: LegendEntry[] | [number, string][];
}

export interface Thresholds {
  min_confidence: Record<string, number>;
  clean: string;
  clean_px: number;
}

export interface Scene {
  id: string;
  title: string;
  kind: SceneEntry["kind"];
  bounds: Bounds;
  center: Position;
  minzoom: number;
  maxzoom: number;
  crs: string | null;
  placed: boolean;
  pixel_m: number | null;
  width: number;
  height: number;
  license: string | null;
  /** Those of its map, which another model may have made. */
  classes: LandClass[];
  bands: { index: number; name: string }[];
  composites: { name: string; title: string; bands: number[] }[];
  layers: SceneLayer[];
  thresholds: Thresholds & { unavailable: string | null };
  correctable: boolean;
  seq: number;
}

export interface Values {
  row: number;
  col: number;
  x: number;
  y: number;
  inside: boolean;
  scene?: number[] | null;
  labels?: string | null;
  prediction?: string | null;
  confidence?: number | null;
  entropy?: number | null;
  probabilities?: Record<string, number> | null;
  split?: string | null;
}

export interface Block {
  id: string;
  split: string | null;
  pixels: number;
  wrong: number | null;
  confidence: number | null;
  forecast: number | null;
  classes: Record<string, number>;
  bounds: Bounds;
}

export interface Geometry {
  type: "Polygon" | "MultiPolygon";
  coordinates: Position[][] | Position[][][];
}

export type Tool = "brush" | "polygon" | "region" | "reassign" | "unknown";

export interface CorrectionRecord {
  seq: number;
  id: string;
  action: "add" | "undo" | "redo";
  of: string | null;
  geometry: Geometry | null;
  class: string;
  class_before?: string | null;
  tool?: Tool;
  user: string;
  time?: string;
  split?: string | null;
  area_ha?: number | null;
}

export interface Region {
  geometry: Geometry;
  class: string;
  area_ha: number;
}

export interface Areas {
  classes: Record<string, { hectares: number; before: number }>;
  approximate: boolean;
  scores: { miou: number; before: number; iou: Record<string, number | null> } | null;
}

export interface Comparison {
  before: number;
  after: number;
  difference: number;
  /** Ends of the 95 % interval of the difference; null where the test blocks are too few for one. */
  low: number | null;
  high: number | null;
  verdict: "better" | "worse" | "noise" | "unknown";
}

export interface RetrainResult {
  experiment: string;
  cities: Record<string, { miou?: Comparison }>;
  curves: { epoch: number; loss?: number; miou?: number }[];
  decision?: "kept" | "dropped";
}

export interface Job {
  id: string;
  kind: "map" | "retrain";
  title: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  progress: number | null;
  step: string | null;
  place: number | null;
  error: string | null;
  files: { name: string; bytes: number }[];
  scene: string | null;
  result: RetrainResult | null;
}

/** A pixel that somebody checks, and what is said to be there. */
export interface CheckPoint {
  point: number;
  reference: string | null;
  bounds: Bounds;
}

export interface Estimate {
  estimate: number | null;
  margin: number | null;
}

export interface Accuracy {
  points: number;
  overall_accuracy: Estimate;
  classes: Record<
    string,
    { users_accuracy: Estimate; producers_accuracy: Estimate; adjusted_ha: Estimate; mapped_ha: number }
  >;
}

export interface Suggestion {
  id: string;
  bounds: Bounds;
  score: number;
  entropy: number;
  distance: number;
  split: string | null;
}
