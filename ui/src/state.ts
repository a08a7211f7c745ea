// What the user has chosen, and who is told when it changes. The server's data is kept beside it, unchanged.

import type {
  Bounds,
  CorrectionRecord,
  Job,
  LandClass,
  Position,
  Project,
  Scene,
  SceneLayer,
  Thresholds,
} from "./types";

export type Side = "left" | "right";
export const SIDES: Side[] = ["left", "right"];
export type Compare = "one" | "swipe" | "split";

/** How one side of the map shows its layers. */
export interface SideView {
  visible: Record<string, boolean>;
  opacity: Record<string, number>;
  composite: string;
  stretch: "2-98" | "min-max";
}

export interface ClassEdit {
  color?: string;
  title?: string;
}

export type ToolChoice = "move" | "brush" | "polygon" | "region" | "reassign";

/** The tool of correction and what it draws. */
export interface ToolState {
  tool: ToolChoice;
  class: string;
  radius: number; // of the brush, in screen pixels
  of: "prediction" | "superpixel"; // what a region is a part of
}

/** A file on its way to the server. */
export interface Sending {
  name: string;
  share: number;
  cancel: () => void;
}

/** How many corrections the server has not confirmed, and why where it does not answer. */
export interface Saving {
  unsent: number;
  reason: string | null;
}

/** Where the map is: degrees, a zoom of MapLibre, and what is in view. */
export interface Camera {
  center: Position;
  zoom: number;
  bounds: Bounds;
}

export interface State {
  project: Project;
  scene: Scene | null;
  views: Record<Side, SideView>;
  side: Side; // whose layers the panel shows
  compare: Compare;
  hidden: string[]; // names of classes that are switched off
  edits: Record<string, ClassEdit>; // of classes, not saved yet
  live: Thresholds | null; // thresholds that are tried; null: as delivered
  blocks: boolean; // outlines of blocks are shown
  forecast: boolean; // and the IoU that is expected in each
  peek: boolean; // all layers but the scene are hidden for a moment
  tool: ToolState;
  records: CorrectionRecord[]; // of the open scene, and at the end what is not confirmed yet
  saving: Saving;
  jobs: Job[];
  sending: Sending[];
  panel: string; // the panel that is open
  camera: Camera;
  version: number; // changes when tiles of the same address show something else
}

export type Listener = (state: State, before: State) => void;

export class Store {
  private listeners: Listener[] = [];

  constructor(private current: State) {}

  get state(): State {
    return this.current;
  }

  set(patch: Partial<State>): void {
    const before = this.current;
    this.current = { ...before, ...patch };
    for (const listener of [...this.listeners]) listener(this.current, before);
  }

  /** Change how a side shows its layers. */
  setView(side: Side, patch: Partial<SideView>): void {
    const views = this.current.views;
    this.set({ views: { ...views, [side]: { ...views[side], ...patch } } });
  }

  /** Be told of changes, until the returned function is called. */
  subscribe(listener: Listener): () => void {
    this.listeners.push(listener);
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
    };
  }
}

const FIRST: Record<Side, string[]> = {
  left: ["scene", "prediction"],
  right: ["scene", "labels", "confidence"],
};
const OPACITY: Record<string, number> = { scene: 1, labels: 0.7, prediction: 0.6, land_cover: 0.6 };

/** What a side shows of a scene at first; the right one shows what is compared, or the bare scene. */
export function firstView(scene: Scene, side: Side): SideView {
  const names = scene.layers.map((layer) => layer.name);
  const wanted = FIRST[side].filter((name) => names.includes(name)).slice(0, 2);
  return {
    visible: Object.fromEntries(names.map((name) => [name, wanted.includes(name)])),
    opacity: Object.fromEntries(names.map((name) => [name, OPACITY[name] ?? 0.8])),
    composite: scene.composites[0]?.name ?? "",
    stretch: "2-98",
  };
}

const TITLES: Record<string, string> = {
  scene: "Scene",
  labels: "Labels",
  prediction: "Prediction",
  confidence: "Confidence",
  entropy: "Entropy",
  errors: "Errors",
  split: "Split",
  land_cover: "Polygons",
  road_edges: "Roads",
};

/** A layer's name for people. */
export function layerTitle(layer: SceneLayer): string {
  return layer.title ?? TITLES[layer.name] ?? layer.name;
}

/** What a side shows, for people: its layers above the scene, or else the scene. */
export function sideTitle(state: State, side: Side): string {
  const shown = isBlind(state) || state.peek ? [] : (state.scene?.layers ?? []);
  const above = shown.filter((layer) => layer.kind !== "raster" && state.views[side].visible[layer.name]);
  return above.map(layerTitle).join(", ") || "Scene";
}

/** The open scene's classes, with the edits that are not saved yet. */
export function editedClasses(state: State): LandClass[] {
  return (state.scene ?? state.project).classes.map((row) => ({ ...row, ...state.edits[row.name] }));
}

/** A class's title, or else its name, for people. */
export function titleOf(state: State, name: string): string {
  if (name === "ignore") return "unknown";
  return editedClasses(state).find((row) => row.name === name)?.title || name;
}

/** A class's colour; grey for what is unknown. */
export function colorOf(state: State, name: string): string {
  return editedClasses(state).find((row) => row.name === name)?.color ?? "#8a8a8a";
}

/** Whether the server has what `name` stands for. */
export function can(state: State, name: string): boolean {
  return state.project.can.includes(name);
}

/** Whether points of the open scene's map can be checked. */
export function checkable(state: State): boolean {
  const { scene } = state;
  const mapped = scene?.layers.some((layer) => layer.name === "prediction") ?? false;
  return can(state, "check") && scene?.kind === "city" && mapped;
}

/** Whether the map must not show what it says: while somebody checks it. */
export function isBlind(state: State): boolean {
  return state.panel === "check" && checkable(state);
}
