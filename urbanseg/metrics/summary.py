"""The metrics file: the scores of a city, or of all cities together, for `dvc metrics`.

A few headline figures are at the top level, details are nested, and the names
are stable, so that `dvc metrics diff` reads well. What is undefined (the IoU of a class
that is absent) is null, never NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import ClassTable
from urbanseg.metrics import block_counts, bootstrap, calibration
from urbanseg.metrics.accumulate import SceneCounts
from urbanseg.metrics.area import HECTARE_M2, Areas, areas
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.metrics.bootstrap import Interval
from urbanseg.metrics.boundary import BoundaryScores, boundary_iou, boundary_scores
from urbanseg.metrics.delivered import Delivered
from urbanseg.metrics.roads import RoadScores
from urbanseg.metrics.sections import DIGITS, buildings, delivered, figure, nested, roads
from urbanseg.metrics.segmentation import ClassScores, class_scores, mean, present
from urbanseg.metrics.stratified_estimates import adjusted_area
from urbanseg.metrics.targets import OVERALL, Target, grade_score


@dataclass(frozen=True)
class Evaluation:
    """All scores of a city.

    Attributes:
        classes: their table.
        targets: acceptable and good IoU by class, and overall.
        counts: what was counted on the scene.
        delivered: what was counted of the delivered vectors.
        by_block: the counts by block.
        figures: headline figures and class IoUs by their paths in the metrics.
        intervals: their 95 % intervals, and those of the adjusted areas.
        matrix: ``(n, n)`` int64 confusion of all test pixels, rows are the reference.
        scores: of each class.
        boundaries: of each class at the headline tolerance.
        areas: of each class on the test pixels, in hectares.
        mapped_ha: ``(n,)`` area of each class in the whole map.
        adjusted_ha: ``(n,)`` the same, corrected for the errors on the test pixels.
    """

    classes: ClassTable
    targets: Mapping[str, Target]
    counts: SceneCounts
    delivered: Delivered
    by_block: CountsByBlock
    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    matrix: NDArray[np.int64]
    scores: ClassScores
    boundaries: BoundaryScores
    areas: Areas
    mapped_ha: NDArray[np.float64]
    adjusted_ha: NDArray[np.float64]


def evaluation(
    found: SceneCounts,
    classes: ClassTable,
    targets: Mapping[str, Target],
    *,
    seed: int,
    samples: int,
    delivered: Delivered | None = None,
) -> Evaluation:
    """Compute all scores from the counts, and their intervals by block bootstrap.

    Args:
        found: the counts of the scene.
        classes: their table.
        targets: acceptable and good IoU by class, and overall.
        seed: of the bootstrap samples.
        samples: number of bootstrap samples.
        delivered: what was counted of the delivered vectors, if anything.

    Returns:
        All scores of the city.
    """
    vectors = delivered or Delivered()
    height_m, width_m = found.grid.pixel_m
    pixel_ha = height_m * width_m / HECTARE_M2
    matrix = found.pixels.sum(axis=0)
    mapped_ha = found.mapped.astype(np.float64) * pixel_ha
    by_cell = block_counts.from_scene(found, classes.names, vectors)

    def adjusted(total: NDArray[np.int64]) -> NDArray[np.float64]:
        return adjusted_area(total.T, mapped_ha)

    sure = bootstrap.estimate(found.pixels, adjusted, [found.cells], seed, samples)
    areas_ha = [f"classes.{c.name}.area_adjusted_ha" for c in classes]
    return Evaluation(
        classes=classes,
        targets=targets,
        counts=found,
        delivered=vectors,
        by_block=by_cell,
        figures=block_counts.figures(by_cell),
        intervals=block_counts.intervals(by_cell, seed, samples)
        | sure.intervals(areas_ha, "cells", 0.0, float(mapped_ha.sum())),
        matrix=matrix,
        scores=class_scores(matrix),
        boundaries=boundary_scores(found.outlines.total()),
        areas=areas(matrix, height_m * width_m),
        mapped_ha=mapped_ha,
        adjusted_ha=adjusted(matrix),
    )


def summary(result: Evaluation) -> dict[str, Any]:
    """The scores as nested plain values, without NaN, for JSON."""
    found = result.counts
    return (
        headline(result.by_block, result.figures, result.classes, result.targets)
        | {
            "agreement": nested("agreement", result.figures),
            "boundary": _boundary(result),
            "calibration": {
                "ece": figure(calibration.expected_calibration_error(found.confidence)),
                "mean_confidence": figure(calibration.mean_confidence(found.confidence)),
            },
            "classes": {c.name: class_figures(result, i, c.name) for i, c in enumerate(result.classes)},
            "buildings": buildings(found.buildings),
            "roads": roads(sum(found.roads, RoadScores()), result.figures),
            "delivered": delivered(
                result.by_block, result.figures, result.delivered.basis, result.delivered.hausdorff_m
            ),
        }
        | intervals(result.intervals)
    )


def pooled_summary(
    found: CountsByBlock,
    classes: ClassTable,
    targets: Mapping[str, Target],
    *,
    seed: int,
    samples: int,
) -> dict[str, Any]:
    """The scores of several cities together: headline, class IoUs, and their intervals.

    Args:
        found: the counts by block of all cities.
        classes: their table.
        targets: acceptable and good IoU by class, and overall.
        seed: of the bootstrap samples.
        samples: number of bootstrap samples.

    Returns:
        Nested plain values, without NaN, for JSON.
    """
    figures = block_counts.figures(found)
    return (
        headline(found, figures, classes, targets)
        | {
            "agreement": nested("agreement", figures),
            "classes": {
                c.name: {
                    "iou": figure(figures[f"classes.{c.name}.iou"]),
                    "grade": grade_score(figures[f"classes.{c.name}.iou"], c.name, targets),
                }
                for c in classes
            },
            "roads": nested("roads", figures),
            "delivered": delivered(found, figures),
        }
        | intervals(block_counts.intervals(found, seed, samples))
    )


def headline(
    found: CountsByBlock, figures: Mapping[str, float], classes: ClassTable, targets: Mapping[str, Target]
) -> dict[str, Any]:
    """The headline figures, at the top level of the metrics.

    Args:
        found: the counts by block.
        figures: the figures computed from them, by their paths.
        classes: their table.
        targets: acceptable and good IoU by class, and overall.

    Returns:
        Plain values by their keys, null where undefined.
    """
    known = present(found.pixels.sum(axis=0))
    return {
        "miou": figure(figures["miou"]),
        "grade": grade_score(figures["miou"], OVERALL, targets),
        "pixel_accuracy": figure(figures["pixel_accuracy"]),
        "mean_f1": figure(figures["mean_f1"]),
        "mean_boundary_f1": figure(figures["mean_boundary_f1"]),
        "building_f1": figure(figures["building_f1"]),
        "road_connectivity": figure(figures["road_connectivity"]),
        "road_apls": figure(figures["road_apls"]),
        "delivered_building_f1": figure(figures.get("delivered_building_f1", nan)),
        "delivered_road_apls": figure(figures.get("delivered_road_apls", nan)),
        "test_pixels": int(found.pixels.sum()),
        "absent": [c.name for c, is_known in zip(classes, known, strict=True) if not is_known],
    }


def intervals(found: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    """Intervals as ``[low, high]`` by the path of their figure, null where there is none; what they rest on.

    Args:
        found: the intervals by the paths of their figures.

    Returns:
        `intervals`; and `interval_basis`, in words: on how many cells or blocks each rests, and how
        many independent ones they are worth, or why there is none.
    """
    return {
        "intervals": {
            name: None if isnan(one.low) else [round(one.low, DIGITS), round(one.high, DIGITS)]
            for name, one in found.items()
        },
        "interval_basis": {name: one.basis for name, one in found.items()},
    }


def class_figures(result: Evaluation, index: int, name: str) -> dict[str, Any]:
    """All scores of one class.

    Args:
        result: all scores of the city.
        index: position of the class.
        name: of the class.

    Returns:
        Plain values by their keys, null where undefined.
    """
    iou = result.scores.iou[index]
    bands = boundary_iou(result.counts.bands)
    return {
        "iou": figure(iou),
        "grade": grade_score(iou, name, result.targets),
        "precision": figure(result.scores.precision[index]),
        "recall": figure(result.scores.recall[index]),
        "f1": figure(result.scores.f1[index]),
        "boundary_f1": figure(result.boundaries.f1[index]),
        "boundary_iou": figure(bands[index]),
        "area_ratio": figure(result.areas.ratio[index]),
        "area_error": figure(result.areas.error[index]),
        "area_reference_ha": figure(result.areas.reference_ha[index]),
        "area_predicted_ha": figure(result.areas.predicted_ha[index]),
        "area_mapped_ha": figure(result.mapped_ha[index]),
        "area_adjusted_ha": figure(result.adjusted_ha[index]),
    }


def _boundary(result: Evaluation) -> dict[str, Any]:
    """Means over the classes: boundary IoU, and boundary F1 at each tolerance."""
    return {"iou": figure(mean(boundary_iou(result.counts.bands)))} | {
        f"f1_{name}": figure(mean(boundary_scores(counts).f1))
        for name, counts in result.counts.tolerances.items()
    }
