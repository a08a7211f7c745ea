"""Tables that `dvc plots` draws: confusion, classes, outlines, reliability, precision and recall.

Each is a small CSV whose columns its template under .dvc/plots names. Lines of classes have the
classes' own colours, which stand in a column, as a template knows no parameter.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from urbanseg.classes import CONFIDENCE_SCALE
from urbanseg.metrics import calibration
from urbanseg.metrics.boundary import boundary_scores
from urbanseg.metrics.sections import DIGITS
from urbanseg.metrics.segmentation import present
from urbanseg.metrics.summary import Evaluation, class_figures

CONFIDENCES = np.arange(0, calibration.LEVELS, 12)
"""Stored confidences at which precision and recall are computed: about every 5 %."""

CLASS_COLUMNS = ("iou", "precision", "recall", "f1", "boundary_f1", "boundary_iou")


def write_tables(folder: Path, result: Evaluation) -> None:
    """Write all tables into a folder that exists."""
    for name, table in (
        ("confusion", confusion_table(result)),
        ("classes", class_table(result)),
        ("outlines", outline_table(result)),
        ("reliability", reliability_table(result)),
        ("precision_recall", precision_recall_table(result)),
    ):
        table.round(DIGITS).to_csv(folder / f"{name}.csv", index=False)


def confusion_table(result: Evaluation) -> pd.DataFrame:
    """Rows ``actual, predicted, pixels, share, share_of_predicted``, absent classes left out.

    `share` is of the actual class (its recall on the diagonal), `share_of_predicted` of the
    predicted one (its precision on the diagonal), both 0–1.
    """
    known = np.flatnonzero(present(result.matrix)).tolist()
    actual, predicted = (np.maximum(result.matrix.sum(axis=axis), 1) for axis in (1, 0))
    names = result.classes.names
    return pd.DataFrame(
        [
            {
                "actual": names[row],
                "predicted": names[column],
                "pixels": int(result.matrix[row, column]),
                "share": result.matrix[row, column] / actual[row],
                "share_of_predicted": result.matrix[row, column] / predicted[column],
            }
            for row in known
            for column in known
        ]
    )


def class_table(result: Evaluation) -> pd.DataFrame:
    """A row per present class: its scores, the interval of its IoU, and its targets."""
    known = present(result.matrix)
    rows = []
    for i, c in enumerate(result.classes):
        if not known[i]:
            continue
        figures = class_figures(result, i, c.name)
        interval = result.intervals[f"classes.{c.name}.iou"]
        target = result.targets.get(c.name)
        rows.append(
            {"class": c.name}
            | {name: figures[name] for name in CLASS_COLUMNS}
            | {
                "iou_low": interval.low,
                "iou_high": interval.high,
                "target_acceptable": target.acceptable if target else None,
                "target_good": target.good if target else None,
            }
        )
    return pd.DataFrame(rows)


def outline_table(result: Evaluation) -> pd.DataFrame:
    """Rows ``class, color, tolerance, tolerance_m, precision, recall, f1`` of the boundary."""
    rows = []
    for (name, counts), metres in zip(
        result.counts.tolerances.items(), result.counts.tolerances_m.values(), strict=True
    ):
        scores = boundary_scores(counts)
        rows += [
            {
                "class": c.name,
                "color": c.color,
                "tolerance": name,
                "tolerance_m": metres,
                "precision": scores.precision[i],
                "recall": scores.recall[i],
                "f1": scores.f1[i],
            }
            for i, c in enumerate(result.classes)
            if not np.isnan(scores.f1[i])
        ]
    return pd.DataFrame(rows)


def reliability_table(result: Evaluation) -> pd.DataFrame:
    """Rows ``low, high, confidence, accuracy, pixels`` of the bins that hold pixels."""
    found = calibration.reliability(result.counts.confidence)
    table = pd.DataFrame(
        {
            "low": found.low,
            "high": found.high,
            "confidence": found.confidence,
            "accuracy": found.accuracy,
            "pixels": found.pixels,
        }
    )
    return table[table["pixels"] > 0]


def precision_recall_table(result: Evaluation) -> pd.DataFrame:
    """Rows ``class, color, confidence, precision, recall``: less confident pixels are left blank."""
    precision, recall = calibration.precision_recall(
        result.counts.confidence, result.matrix.sum(axis=1), CONFIDENCES
    )
    return pd.DataFrame(
        [
            {
                "class": c.name,
                "color": c.color,
                "confidence": level / CONFIDENCE_SCALE,
                "precision": precision[k, i],
                "recall": recall[k, i],
            }
            for k, c in enumerate(result.classes)
            for i, level in enumerate(CONFIDENCES.tolist())
            if not np.isnan(precision[k, i] + recall[k, i])
        ]
    )
