// What lies above the layers of the scene, on both maps: blocks, corrections, and the block that is looked at.

import type { LayerSpecification } from "maplibre-gl";
import type { CorrectionRecord, Block, Bounds, Geometry } from "./types";

export type Overlay = "forecast" | "blocks" | "corrections" | "focus";

/** Ids of these layers from the lowest to the highest. */
export const OVERLAYS = [
  "forecast",
  "blocks",
  "corrections",
  "corrections-edge",
  "corrections-unknown",
  "focus",
];

/** Colours of shares from 0 to 1, as those of the server's rasters. */
export const RAMP: [number, string][] = [
  [0, "#440154"],
  [0.25, "#3b528b"],
  [0.5, "#21918c"],
  [0.75, "#5ec962"],
  [1, "#fde725"],
];

/** Their styles; a correction's colour is its property `color`. */
export function overlayLayers(): LayerSpecification[] {
  const shade = RAMP.flatMap(([share, color]) => [share, color]);
  return [
    {
      id: "forecast",
      type: "fill",
      source: "forecast",
      paint: {
        "fill-color": ["interpolate", ["linear"], ["get", "forecast"], ...shade] as unknown as string,
        "fill-opacity": 0.65,
      },
    },
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

/** The blocks of which a mean IoU is expected. */
export function forecastFeatures(blocks: Block[]): GeoJSON.FeatureCollection {
  const features = blocks.flatMap(({ bounds, forecast }) =>
    forecast === null ? [] : [feature(rectangle(bounds), { forecast })],
  );
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
