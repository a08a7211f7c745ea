"""Reliability of a map, its precision and recall by confidence, and its worst cells."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from urbanseg.classes import ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.metrics import block_tables
from urbanseg.report import failures
from urbanseg.report.curves import NO_COLORS, Series, chart, keys
from urbanseg.report.failures import Failure
from urbanseg.report.pictures import Rgb, Wording, wording
from urbanseg.report.views import RasterFiles

Chart = tuple[str, Sequence[tuple[str, str | int]], Markup]
UNIT = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Ticks of both axes."""


@dataclass(frozen=True)
class Quality:
    """What the page shows of a city's map beside its scores.

    Attributes:
        charts: title, name and stroke of each line (`curves.keys`), and the drawing.
        failures: the worst cells of the test area, worst first.
        sheet: their pictures, ``(height, width, 3)`` uint8; None if there are none.
        confused: where each class is mostly taken for each other, by their ids.
        shape: rows and columns of the scene, which the windows count.
    """

    charts: Sequence[Chart]
    failures: Sequence[Failure]
    sheet: Rgb | None
    confused: Mapping[tuple[int, int], Sequence[Window]]
    shape: tuple[int, int]


def read_quality(folder: Path, files: RasterFiles, grid: Grid, table: ClassTable) -> Quality:
    """Read what the evaluate stage wrote of a city, and draw it.

    Args:
        folder: the tables of the evaluate stage.
        files: the city's rasters.
        grid: of the rasters.
        table: the classes.

    Returns:
        Charts, worst cells and their image.

    Raises:
        PipelineError: if a table is missing or damaged.
    """
    reliability = _series(folder / "reliability.csv", "confidence", "accuracy")
    by_class = _series(folder / "precision_recall.csv", "recall", "precision", "class", wording(table))
    diagonal = {"ideal": [(0.0, 0.0), (1.0, 1.0)]}
    by_block = block_tables.read(folder)
    found = failures.worst_cells(by_block, grid, wording=wording(table))
    colors = {wording(table)(c.name): c.color for c in table}
    return Quality(
        charts=[
            _chart(
                "share of right pixels by confidence",
                ("confidence", "share of right pixels"),
                {"map": reliability[""], **diagonal},
            ),
            _chart(
                "precision by recall, as less confident pixels are left blank",
                ("recall", "precision"),
                by_class,
                colors,
            ),
        ],
        failures=found,
        sheet=failures.sheet(files, table, found) if found else None,
        confused=failures.confused_cells(by_block),
        shape=grid.shape,
    )


def _chart(
    title: str, axes: tuple[str, str], series: Mapping[str, Series], colors: Mapping[str, str] = NO_COLORS
) -> Chart:
    drawn = chart(title, series, by=axes[0], up=axes[1], colors=colors, xs=UNIT, ys=UNIT)
    return title, keys(series, colors), drawn


def _series(path: Path, x: str, y: str, key: str | None = None, wording: Wording = str) -> dict[str, Series]:
    """Points of a table, by the value of the column `key`, in words."""
    found: dict[str, list[tuple[float, float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                name = wording(row[key]) if key else ""
                found.setdefault(name, []).append((float(row[x]), float(row[y])))
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise PipelineError(f"{path} is no table of {x} and {y}; run the evaluate stage again") from error
    return dict(found)
