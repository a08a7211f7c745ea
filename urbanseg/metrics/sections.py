"""Sections of the metrics file: buildings and roads, in the raster and as they are delivered."""

from collections.abc import Mapping
from math import isnan
from typing import Any

import numpy as np

from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.metrics.delivered_buildings import BUILDING_COUNTS
from urbanseg.metrics.objects import Detections, precision_recall_f1
from urbanseg.metrics.road_counts import NETWORK_COUNTS
from urbanseg.metrics.roads import NetworkSize, RoadScores

DIGITS = 6
"""Decimals of a figure in the metrics file."""


def figure(value: float) -> float | None:
    """A number rounded for the metrics file; None for NaN."""
    return None if isnan(value) else round(float(value), DIGITS)


def nested(parent: str, figures: Mapping[str, float]) -> dict[str, Any]:
    """Figures whose paths start with `parent`, by the rest of their paths."""
    return {
        name.removeprefix(f"{parent}."): figure(value)
        for name, value in figures.items()
        if name.startswith(f"{parent}.")
    }


def buildings(found: Detections) -> dict[str, Any]:
    """Buildings in the rasters, one by one."""
    precision, recall, _ = precision_recall_f1(found)
    return {
        "precision": figure(precision),
        "recall": figure(recall),
        "reference": int(found.reference.sum()),
        "predicted": int(found.predicted.sum()),
        "matched": int(found.reference_matched.sum()),
    }


def roads(found: RoadScores, figures: Mapping[str, float]) -> dict[str, Any]:
    """Both road networks in the rasters, and how they compare.

    Args:
        found: of all test blocks.
        figures: the headline figures by their paths in the metrics.

    Returns:
        Plain values by their keys, null where undefined.
    """
    return nested("roads", figures) | {
        "apls_reference_to_prediction": figure(found.paths.reference_to_prediction),
        "apls_prediction_to_reference": figure(found.paths.prediction_to_reference),
        "reference": _network(found.reference),
        "prediction": _network(found.prediction),
        "nodes": found.nodes,
        "nodes_matched": found.nodes_matched,
        "node_pairs": found.pairs,
        "node_pairs_connected": found.pairs_connected,
    }


def _network(network: NetworkSize) -> dict[str, Any]:
    return {
        "length_km": figure(network.length_m / 1000),
        "components": network.components,
        "components_per_km": figure(network.components_per_km),
        "largest_component_share": figure(network.largest_share),
    }


def delivered(
    found: CountsByBlock,
    figures: Mapping[str, float],
    basis: Mapping[str, str] | None = None,
    hausdorff_m: float | None = None,
) -> dict[str, Any]:
    """The road edges and building polygons of the map against the vectors of the labels.

    Args:
        found: the counts by block.
        figures: computed from them, by their paths in the metrics.
        basis: what each part is held against, or why against nothing; by default, in how many cities it is.
        hausdorff_m: median of the matched footprints, where it is known.

    Returns:
        Plain values by their keys, null where undefined; a part that is not scored is null.
    """
    return {
        "roads": _delivered_roads(found, figures),
        "buildings": _delivered_buildings(found, figures, hausdorff_m),
        "basis": dict(basis) if basis is not None else _scored_cities(found),
    }


def _delivered_roads(found: CountsByBlock, figures: Mapping[str, float]) -> dict[str, Any] | None:
    if found.delivered_roads is None:
        return None
    total = dict(zip(NETWORK_COUNTS, found.delivered_roads.sum(axis=0).tolist(), strict=True))
    return nested("delivered.roads", figures) | {
        "reference_km": figure(total["reference_m"] / 1000),
        "delivered_km": figure(total["predicted_m"] / 1000),
    }


def _delivered_buildings(
    found: CountsByBlock, figures: Mapping[str, float], hausdorff_m: float | None
) -> dict[str, Any] | None:
    if found.delivered_buildings is None:
        return None
    total = dict(zip(BUILDING_COUNTS, found.delivered_buildings.sum(axis=0).tolist(), strict=True))
    distance = {} if hausdorff_m is None else {"hausdorff_m": figure(hausdorff_m)}
    return (
        nested("delivered.buildings", figures)
        | distance
        | {
            "reference": int(total["reference"]),
            "delivered": int(total["delivered"]),
            "matched": int(total["reference_matched"]),
        }
    )


def _scored_cities(found: CountsByBlock) -> dict[str, str]:
    parts = {"roads": (found.delivered_roads, 1), "buildings": (found.delivered_buildings, 0)}
    said = {}
    for part, (counts, which) in parts.items():
        ends = np.cumsum([len(windows) for windows in found.by_city(which)])
        by_city = [] if counts is None else np.split(counts, ends[:-1])
        said[part] = f"{sum(bool(each.any()) for each in by_city)} of {len(ends)} cities"
    return said
