// What lies above the layers of the scene, on both maps: blocks, corrections, and the block that is looked at.

import type { LayerSpecification } from "maplibre-gl";
import type { CorrectionRecord, Block, Bounds, Geometry } from "./types";

export type Overlay = "blocks" | "corrections" | "focus";

/** Ids of these layers from the lowest to the highest. */
export const OVERLAYS = ["blocks", "corrections", "corrections-edge", "corrections-unknown", "focus"];

/** Their styles; a correction's colour is its property `color`. */
export function overlayLayers(): LayerSpecification[] {
  return [
    {
      id: "blocks",
      type: "line",
      source: "blocks",
      paint: {
        "line-color": ["match", ["get", "split"], "test", "#ffb000", "val", "#00a5e0", "#9aa5b1"],
        "line-width": ["match", ["get", "split"], "test", 2, 1],
        "line-dasharray": [3, 2],
      },
    },
    {
      id: "corrections",
      type: "fill",
      source: "corrections",
      paint: { "fill-color": ["get", "color"], "fill-opacity": ["case", ["get", "unknown"], 0.35, 0.75] },
    },
    {
      id: "corrections-edge",
      type: "line",
      source: "corrections",
      filter: ["!", ["get", "unknown"]],
      paint: { "line-color": "#ffffff", "line-width": 1.5 },
    },
    {
      id: "corrections-unknown",
      type: "line",
      source: "corrections",
      filter: ["get", "unknown"],
      paint: { "line-color": "#ffffff", "line-width": 1.5, "line-dasharray": [2, 2] },
    },
    { id: "focus", type: "line", source: "focus", paint: { "line-color": "#ff2bd6", "line-width": 3 } },
  ];
}

/** A rectangle as a ring. */
export function rectangle([west, south, east, north]: Bounds): Geometry {
  return {
    type: "Polygon",
    coordinates: [
      [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
      ],
    ],
  };
}

function feature(geometry: Geometry, properties: Record<string, unknown>): GeoJSON.Feature {
  return { type: "Feature", geometry: geometry as GeoJSON.Geometry, properties };
}

export function blockFeatures(blocks: Block[]): GeoJSON.FeatureCollection {
  const features = blocks
    .filter((block) => block.split !== null)
    .map((block) => feature(rectangle(block.bounds), { id: block.id, split: block.split }));
  return { type: "FeatureCollection", features };
}

export function focusFeature(bounds: Bounds | null): GeoJSON.FeatureCollection {
  return { type: "FeatureCollection", features: bounds ? [feature(rectangle(bounds), {})] : [] };
}

/** Corrections that count, coloured by class; what was marked as unknown is grey and dashed. */
export function correctionFeatures(
  records: CorrectionRecord[],
  color: (name: string) => string,
): GeoJSON.FeatureCollection {
  const features = records.flatMap((record) =>
    record.geometry
      ? [
          feature(record.geometry, {
            id: record.id,
            color: color(record.class),
            unknown: record.class === "ignore",
          }),
        ]
      : [],
  );
  return { type: "FeatureCollection", features };
}
