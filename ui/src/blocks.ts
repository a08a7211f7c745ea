// The blocks of a scene: squares that are wholly for training, validation or testing.

import type { App } from "./app";
import { blockFeatures, forecastFeatures } from "./overlays";
import { isBlind } from "./state";
import type { Block, Bounds, Position } from "./types";

type Collection = GeoJSON.FeatureCollection<GeoJSON.Polygon, Omit<Block, "bounds">>;

/** The box around a ring. */
export function boundsOf(ring: Position[]): Bounds {
  const xs = ring.map((point) => point[0]);
  const ys = ring.map((point) => point[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** Outline the blocks and colour them by their forecast, or take that away. */
export function drawBlocks(app: App): void {
  const { state } = app.store;
  const forecast = state.forecast && !state.peek && !isBlind(state);
  app.panes.overlay("blocks", blockFeatures(state.blocks ? app.blocks : []));
  app.panes.overlay("forecast", forecastFeatures(forecast ? app.blocks : []));
}

/** Ask for the blocks of a scene and outline them; a scene may have none. */
export async function loadBlocks(app: App, id: string): Promise<void> {
  app.blocks = [];
  const path = `/api/scenes/${encodeURIComponent(id)}/blocks`;
  const answer = await app.attempt(() => app.api.call<Collection>(path));
  app.blocks = (answer?.features ?? []).map(({ properties, geometry }) => ({
    ...properties,
    bounds: boundsOf(geometry.coordinates[0] as Position[]),
  }));
  drawBlocks(app);
}
