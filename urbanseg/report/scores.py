"""Metrics of a city as the page shows them: headline figures, class rows, roads, confusion.

The numbers come from the evaluate stage and are only formatted here, never recomputed.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urbanseg.classes import ClassTable
from urbanseg.config.evaluate import Target
from urbanseg.errors import PipelineError
from urbanseg.report.pictures import Wording, humanize

HEADLINE = (
    ("miou", "mean IoU", "overlap of map and labels, averaged over the classes"),
    ("pixel_accuracy", "pixel accuracy", "share of test pixels with the right class"),
    ("mean_f1", "mean F1", "balance of precision and recall, averaged over the classes"),
    ("mean_boundary_f1", "boundary F1", "how well the outlines of the classes are drawn"),
    ("building_f1", "building F1", "buildings found one by one, at an overlap of half at least"),
    ("road_connectivity", "road connectivity", "share of places joined by road that the map joins too"),
    ("road_apls", "road APLS", "how alike the ways along mapped and real roads are"),
    (
        "delivered_building_f1",
        "building F1, vectors",
        "the map's polygons against footprints, at an overlap of half",
    ),
    (
        "delivered_road_apls",
        "road APLS, vectors",
        "the map's road edges against the centre lines of the labels",
    ),
)
"""Key in the metrics, name and meaning of the figures at the top of a city."""
NETWORK = (
    ("length_km", "length (km)", "{:.1f}"),
    ("components", "separate parts", "{}"),
    ("components_per_km", "parts per km", "{:.2f}"),
    ("largest_component_share", "share of the largest part", "{:.3f}"),
)
"""Key, name and format of the figures of a road network."""
VECTORS = (
    ("roads", "completeness", "roads: share of the reference near the map's", "roads"),
    ("roads", "correctness", "roads: share of the map near the reference", "roads"),
    ("roads", "quality", "roads: matched length over all", "roads"),
    ("roads", "connectivity", "roads: places joined that the map joins too", "roads"),
    ("roads", "apls_pooled", "roads: APLS, all paths together", "roads"),
    ("roads", "apls_mean", "roads: APLS, mean of the test blocks", "roads"),
    ("buildings", "precision", "buildings: precision", "buildings"),
    ("buildings", "recall", "buildings: recall", "buildings"),
    ("buildings", "f1", "buildings: F1", "building_f1"),
    ("buildings", "c_iou", "buildings: C-IoU of matched ones", ""),
    ("buildings", "hausdorff_m", "buildings: Hausdorff distance (m), median", ""),
    ("buildings", "vertex_ratio", "buildings: vertices in the map for one of the reference", ""),
)
"""Part, key and name of the figures of the delivered vectors; where the same figure of the raster stands."""
GRADES = {"good": "good", "acceptable": "acceptable", "below": "below target"}
DASH = "–"


@dataclass(frozen=True)
class Figure:
    """One number with its name, what it means, its grade, if it has a target, and its 95 % interval.

    The interval says on how many cells or blocks it rests.
    """

    label: str
    value: str
    note: str
    grade: str | None
    interval: str


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class by their keys in the metrics, null where it is absent from the test area."""

    name: str
    color: str
    scores: Mapping[str, Any]
    target: Target | None
    interval: str


@dataclass(frozen=True)
class Confusion:
    """How the pixels of each labelled class (rows) were predicted (columns)."""

    names: Sequence[str]
    rows: Sequence[Sequence[tuple[int, float]]]
    """Pixels, and their share of the row, of each cell."""


def forecast(metrics: Mapping[str, Any]) -> Figure | None:
    """The mean IoU that was expected before anything was scored, beside the true one; None without one."""
    found = metrics.get("forecast") or {}
    if found.get("miou") is None:
        return None
    error = "" if found["error"] is None else f"{found['error']:+.3f} from the truth; "
    note = f"{error}from the confidence alone, expected from {found['low']:.2f} to {found['high']:.2f}"
    return Figure("mean IoU, forecast", score(found["miou"]), note, None, "")


def headline(metrics: Mapping[str, Any]) -> list[Figure]:
    """The figures at the top of a city, as far as they are defined there."""
    found = [
        Figure(
            label,
            score(metrics[key]),
            note,
            metrics.get("grade") if key == "miou" else None,
            _with_basis(interval(metrics, key), metrics.get("interval_basis", {}).get(key)),
        )
        for key, label, note in HEADLINE
        if metrics.get(key) is not None
    ]
    expected = forecast(metrics)
    return [*found[:1], expected, *found[1:]] if expected else found


def class_rows(
    metrics: Mapping[str, Any], table: ClassTable, targets: Mapping[str, Target]
) -> list[ClassRow]:
    """One row for each class, in the order of the table.

    Args:
        metrics: as the evaluate stage writes them.
        table: the classes.
        targets: acceptable and good IoU by class.

    Returns:
        Rows for the template.
    """
    scores = metrics["classes"]
    return [
        ClassRow(
            c.title or humanize(c.name),
            c.color,
            scores[c.name],
            targets.get(c.name),
            interval(metrics, f"classes.{c.name}.iou"),
        )
        for c in table
    ]


def road_rows(roads: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, and value in the labels and in the map, of each figure of the road network."""

    def said(which: str, key: str, text: str) -> str:
        value = roads[which][key]
        return DASH if value is None else text.format(value)

    rows = [
        (name, said("reference", key, text), said("prediction", key, text)) for key, name, text in NETWORK
    ]
    return [
        *rows,
        ("share near a road of the other", score(roads["completeness"]), score(roads["correctness"])),
    ]


def vector_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, and value in the raster and in the delivered vectors, of what the latter are scored by.

    Args:
        metrics: as the evaluate stage writes them.

    Returns:
        Rows of the parts that were scored; none in results of before there were any.
    """
    parts = metrics.get("delivered", {})
    rows = []
    for part, key, name, place in VECTORS:
        if (vectors := parts.get(part)) is not None:
            raster = metrics.get(place)
            value = raster.get(key) if isinstance(raster, Mapping) else raster
            rows.append((name, score(value), score(vectors[key])))
    return rows


def read_confusion(path: Path, wording: Wording = humanize) -> Confusion:
    """Read the table of the evaluate stage: a row ``actual, predicted, pixels, share`` per cell.

    The classes are named by `wording`.

    Raises:
        PipelineError: if the file is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            cells = {(row["actual"], row["predicted"]): row for row in csv.DictReader(file)}
        names = list(dict.fromkeys(actual for actual, _ in cells))
        rows = [[(int(cells[a, p]["pixels"]), float(cells[a, p]["share"])) for p in names] for a in names]
    except (KeyError, TypeError, ValueError) as error:
        raise PipelineError(f"{path} is no confusion table; run the evaluate stage again") from error
    return Confusion([wording(name) for name in names], rows)


def interval(metrics: Mapping[str, Any], name: str) -> str:
    """The 95 % interval of a figure, named by its path in the metrics; empty where there is none."""
    ends = metrics.get("intervals", {}).get(name)
    return f"{ends[0]:.2f}–{ends[1]:.2f}" if ends else ""


def _with_basis(ends: str, basis: str | None) -> str:
    return f"{ends} ({basis})" if ends and basis else ends


def score(value: float | None) -> str:
    """A score of 0–1 with three decimals, or a dash where there is none."""
    return DASH if value is None else f"{value:.3f}"


def grouped(value: float | None) -> str:
    """A number with thin spaces between the thousands; one decimal if it is small and no count."""
    if value is None:
        return DASH
    digits = 1 if isinstance(value, float) and value < 100 else 0
    return f"{value:,.{digits}f}".replace(",", "\u202f")
