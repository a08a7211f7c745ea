"""What the evaluation says: the scores of a city for `dvc metrics`, its tables for `dvc plots`.

A handful of headline figures stand at the top level, details are nested, and the names
are stable, so that `dvc metrics diff` reads well. What is undefined (the IoU of a class
that is absent) is null, never NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg.classes import ClassTable
from urbanseg.metrics.area import Areas, areas
from urbanseg.metrics.boundary import BoundaryScores, boundary_scores
from urbanseg.metrics.grading import OVERALL, Target, grade
from urbanseg.metrics.roads import Network, RoadScores
from urbanseg.metrics.segmentation import ClassScores, class_scores, mean, pixel_accuracy, present
from urbanseg.metrics.tally import Tally

DIGITS = 6
"""Decimals of a figure in the metrics file."""


@dataclass(frozen=True)
class Evaluation:
    """All scores of a city."""

    classes: ClassTable
    targets: Mapping[str, Target]
    matrix: NDArray[np.int64]
    scores: ClassScores
    boundaries: BoundaryScores
    areas: Areas
    roads: RoadScores


def evaluation(
    tally: Tally, roads: RoadScores, classes: ClassTable, targets: Mapping[str, Target]
) -> Evaluation:
    """All scores from what was counted."""
    height_m, width_m = tally.grid.pixel_m
    return Evaluation(
        classes=classes,
        targets=targets,
        matrix=tally.matrix,
        scores=class_scores(tally.matrix),
        boundaries=boundary_scores(tally.boundaries),
        areas=areas(tally.matrix, height_m * width_m),
        roads=roads,
    )


def summary(result: Evaluation) -> dict[str, Any]:
    """The scores as nested plain values, without NaN, for JSON."""
    miou = mean(result.scores.iou)
    known = present(result.matrix)
    return {
        "miou": _figure(miou),
        "grade": grade(miou, OVERALL, result.targets),
        "pixel_accuracy": _figure(pixel_accuracy(result.matrix)),
        "mean_f1": _figure(mean(result.scores.f1)),
        "mean_boundary_f1": _figure(mean(result.boundaries.f1)),
        "road_connectivity": _figure(result.roads.connectivity),
        "test_pixels": int(result.matrix.sum()),
        "absent": [c.name for c in result.classes if not known[c.id]],
        "classes": {c.name: _class(result, c.id, c.name) for c in result.classes},
        "roads": {
            "reference": _network(result.roads.reference),
            "prediction": _network(result.roads.prediction),
            "nodes": result.roads.nodes,
            "nodes_matched": result.roads.nodes_matched,
            "node_pairs": result.roads.pairs,
            "node_pairs_connected": result.roads.pairs_connected,
        },
    }


def write_tables(folder: Path, result: Evaluation) -> None:
    """Write the tables that `dvc plots` draws into a new folder.

    `confusion.csv` has a row per pair of classes with its pixels, and what share of the
    actual class they are; `classes.csv` has a row per class with its scores and targets.
    Both leave out absent classes.
    """
    folder.mkdir()
    confusion_table(result).to_csv(folder / "confusion.csv", index=False)
    class_table(result).to_csv(folder / "classes.csv", index=False)


def confusion_table(result: Evaluation) -> pd.DataFrame:
    """Rows ``actual, predicted, pixels, share``: share of the actual class, 0–1."""
    known = present(result.matrix)
    totals = np.maximum(result.matrix.sum(axis=1), 1)
    return pd.DataFrame(
        [
            {
                "actual": actual.name,
                "predicted": predicted.name,
                "pixels": int(result.matrix[actual.id, predicted.id]),
                "share": round(float(result.matrix[actual.id, predicted.id] / totals[actual.id]), DIGITS),
            }
            for actual in result.classes
            for predicted in result.classes
            if known[actual.id] and known[predicted.id]
        ]
    )


def class_table(result: Evaluation) -> pd.DataFrame:
    """Rows ``class, iou, precision, recall, f1, boundary_f1, target_acceptable, target_good``."""
    known = present(result.matrix)
    rows = []
    for c in result.classes:
        if not known[c.id]:
            continue
        figures = _class(result, c.id, c.name)
        target = result.targets.get(c.name)
        rows.append(
            {"class": c.name}
            | {name: figures[name] for name in ("iou", "precision", "recall", "f1", "boundary_f1")}
            | {
                "target_acceptable": target.acceptable if target else None,
                "target_good": target.good if target else None,
            }
        )
    return pd.DataFrame(rows)


def _class(result: Evaluation, index: int, name: str) -> dict[str, Any]:
    iou = result.scores.iou[index]
    return {
        "iou": _figure(iou),
        "grade": grade(iou, name, result.targets),
        "precision": _figure(result.scores.precision[index]),
        "recall": _figure(result.scores.recall[index]),
        "f1": _figure(result.scores.f1[index]),
        "boundary_f1": _figure(result.boundaries.f1[index]),
        "area_ratio": _figure(result.areas.ratio[index]),
        "area_error": _figure(result.areas.error[index]),
        "area_reference_ha": _figure(result.areas.reference_ha[index]),
        "area_predicted_ha": _figure(result.areas.predicted_ha[index]),
    }


def _network(network: Network) -> dict[str, Any]:
    return {
        "length_km": _figure(network.length_m / 1000),
        "components": network.components,
        "components_per_km": _figure(network.components_per_km),
        "largest_component_share": _figure(network.largest_share),
    }


def _figure(value: float) -> float | None:
    """A number as it stands in the metrics file; None for NaN."""
    return None if isnan(value) else round(float(value), DIGITS)
