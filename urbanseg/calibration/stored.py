"""A model's calibration as it is kept: ``calibration.json`` beside the model, or beside its map."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from urbanseg.calibration.forecast import BINS, Forecast
from urbanseg.errors import PipelineError
from urbanseg.io import files

FILE = "calibration.json"

DIGITS = 5

OF_MODEL = "segmenter_sha256"
"""Key of the digest of the segmenter that a calibration is of."""


@dataclass(frozen=True)
class Calibration:
    """How a model's probabilities become ones that can be believed.

    Attributes:
        classes: names of its classes, in order.
        temperatures: of each class that is predicted, see `urbanseg.calibration.temperature`.
        coverage: share of the pixels of each class whose set shall hold it.
        difficulty: scale of the scores of sets, see `urbanseg.calibration.conformal`.
        thresholds: of each class.
        forecast: of the mean IoU of a map.
        model: SHA-256 of the segmenter.
    """

    classes: tuple[str, ...]
    temperatures: tuple[float, ...]
    coverage: float
    difficulty: float
    thresholds: tuple[float, ...]
    forecast: Forecast
    model: str

    def for_classes(self, names: Sequence[str]) -> "Calibration":
        """The same for classes in another order; one that the model doesn't know is in no set.

        Args:
            names: of the classes, in the order that is wanted, all of the model's among them.
        """
        if tuple(names) == self.classes:
            return self
        own = [self.classes.index(name) if name in self.classes else None for name in names]
        n = len(names)
        table = np.zeros((n, BINS, n))
        known = [i for i, at in enumerate(own) if at is not None]
        theirs = [at for at in own if at is not None]
        found = np.array(self.forecast.table)
        table[np.ix_(known, range(BINS), known)] = found[np.ix_(theirs, range(BINS), theirs)]
        for i in set(range(n)) - set(known):
            table[i, :, i] = 1
        line = self.forecast
        return Calibration(
            tuple(names),
            tuple(1.0 if at is None else self.temperatures[at] for at in own),
            self.coverage,
            self.difficulty,
            tuple(-1.0 if at is None else self.thresholds[at] for at in own),
            Forecast(_plain(table), line.offset, line.slope, line.margin),
            self.model,
        )


def _plain(table: Any) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(float(share) for share in row) for row in rows) for rows in table)


def make_forecast(table: Any, offset: float, slope: float, margin: float) -> Forecast:
    """A forecast with the digits that are kept of it.

    Args:
        table: of `forecast.shares_of`.
        offset: of the line.
        slope: of the line.
        margin: of the interval.
    """
    return Forecast(
        _plain(np.round(table, DIGITS)), round(offset, DIGITS), round(slope, DIGITS), round(margin, DIGITS)
    )


def write(folder: Path, calibration: Calibration) -> None:
    """Write ``calibration.json``; equal calibrations give equal bytes."""
    line = calibration.forecast
    head = {
        OF_MODEL: calibration.model,
        "coverage": calibration.coverage,
        "difficulty": calibration.difficulty,
        "forecast": {"offset": line.offset, "slope": line.slope, "margin": line.margin},
    }
    rows = zip(calibration.classes, calibration.temperatures, calibration.thresholds, line.table, strict=True)
    classes = {
        name: {
            "temperature": temperature,
            "threshold": None if math.isinf(threshold) else threshold,
            "actual": table,
        }
        for name, temperature, threshold, table in rows
    }
    # A class a line, so that two of them can be compared.
    said = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    told = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in classes.items()]
    text = ",\n".join([*said, ' "classes": {\n' + ",\n".join(told) + "\n }"])
    files.write_text(folder / FILE, "{\n" + text + "\n}\n")


def read(folder: Path) -> Calibration | None:
    """The calibration that lies in a folder; None if there is none.

    Raises:
        PipelineError: if it makes no sense.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    content = files.read_json(path)
    try:
        found = _parsed(content)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{path} is no calibration of a model; remove it, or run the stage that makes it again"
        ) from error
    return found


def _parsed(content: Any) -> Calibration:
    """A calibration from JSON; errors of any kind where it is none."""
    classes = content["classes"]
    n = len(classes)
    rows = list(classes.values())
    table = np.array([row["actual"] for row in rows], float)
    limits = [math.inf if row["threshold"] is None else float(row["threshold"]) for row in rows]
    temperatures = [float(row["temperature"]) for row in rows]
    line = {key: float(content["forecast"][key]) for key in ("offset", "slope", "margin")}
    scale = float(content["difficulty"])
    numbers = [*temperatures, *line.values(), float(content["coverage"]), scale]
    if table.shape != (n, BINS, n) or not np.isfinite(table).all() or not np.isfinite(numbers).all():
        raise ValueError("numbers are missing")
    if min(temperatures) <= 0 or scale < 0 or not 0 < content["coverage"] < 1 or any(map(math.isnan, limits)):
        raise ValueError("numbers are out of their range")
    return Calibration(
        tuple(classes),
        tuple(temperatures),
        float(content["coverage"]),
        scale,
        tuple(limits),
        Forecast(_plain(table), **line),
        str(content[OF_MODEL]),
    )
