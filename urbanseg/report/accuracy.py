"""The accuracy of a map by an interpreted sample, as Markdown and as plain values.

Tables are those that Olofsson et al. 2014 recommend: the error matrix in shares of the map's
area (their equation 4, table 9), users' and producers' accuracy, and areas corrected for the map's
errors, each with its 95 % interval.
"""

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.config.names import in_markdown
from urbanseg.metrics.stratified_estimates import Z_95, AccuracyEstimates
from urbanseg.report.scores import DASH

DIGITS = 6


def accuracy_values(
    found: AccuracyEstimates, counts: NDArray[np.int64], mapped_ha: NDArray[np.float64], names: Sequence[str]
) -> dict[str, Any]:
    """Estimates with the half-widths of their 95 % intervals, null where undefined; see `accuracy_page`.

    Args:
        found: the estimates.
        counts: ``(n, n)`` int64, points by mapped class (rows) and reference class.
        mapped_ha: ``(n,)`` area of each class in the map.
        names: of the classes.

    Returns:
        Plain values for JSON.
    """

    def pair(value: float, error: float) -> dict[str, float | None]:
        return {"estimate": _plain(value), "margin": _plain(Z_95 * error)}

    return {
        "points": int(counts.sum()),
        "overall_accuracy": pair(found.overall, found.overall_error),
        "classes": {
            name: {
                "points": int(counts[i].sum()),
                "users_accuracy": pair(found.users[i], found.users_error[i]),
                "producers_accuracy": pair(found.producers[i], found.producers_error[i]),
                "mapped_ha": _plain(mapped_ha[i]),
                "adjusted_ha": pair(found.area[i], found.area_error[i]),
            }
            for i, name in enumerate(names)
        },
        "counts": {
            name: dict(zip(names, row, strict=True)) for name, row in zip(names, counts.tolist(), strict=True)
        },
    }


def accuracy_page(
    found: AccuracyEstimates,
    counts: NDArray[np.int64],
    mapped_ha: NDArray[np.float64],
    labels: Sequence[str],
    *,
    title: str,
    unknown: int,
) -> str:
    """The accuracy table as Markdown.

    Args:
        found: the estimates.
        counts: ``(n, n)`` int64, points by mapped class (rows) and reference class.
        mapped_ha: ``(n,)`` area of each class that the points were drawn from.
        labels: of the classes, as people read them.
        title: what was mapped.
        unknown: points at which the class could not be interpreted.

    Returns:
        The page, ending with a line feed.
    """
    names = [in_markdown(label) for label in labels]
    weight = mapped_ha / mapped_ha.sum()
    shares = weight[:, np.newaxis] * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left_out = f"; at {unknown} more nobody could tell, and they count nowhere" if unknown else ""
    checked = f"{counts.sum()} points, checked by eye{left_out}."
    overall = f"{_percent(found.overall, found.overall_error)} %"
    matrix = [
        [name, *(f"{100 * share:.1f}" for share in row), f"{100 * row.sum():.1f}", str(n)]
        for name, row, n in zip(names, shares, counts.sum(axis=1), strict=True)
    ]
    total = ["all", *(f"{100 * share:.1f}" for share in shares.sum(axis=0)), "100.0", str(counts.sum())]
    rows = [
        [
            name,
            _percent(found.users[i], found.users_error[i]),
            _percent(found.producers[i], found.producers_error[i]),
            f"{mapped_ha[i]:.1f}",
            _with_margin(found.area[i], found.area_error[i]),
        ]
        for i, name in enumerate(names)
    ]
    parts = [
        f"# Accuracy of {in_markdown(title)}",
        f"{checked} Overall accuracy: **{overall}**. ± is half a 95 % interval.",
        "## Shares of the area (%)",
        _table(["mapped as", *names, "all", "points"], [*matrix, total]),
        "## Classes",
        _table(
            ["class", "users' accuracy (%)", "producers' accuracy (%)", "mapped (ha)", "estimated (ha)"], rows
        ),
        "Estimated areas are the mapped ones, corrected for the map's errors (Olofsson et al. 2014).",
    ]
    return "\n\n".join(parts) + "\n"


def _percent(value: float, error: float) -> str:
    return _with_margin(100 * value, 100 * error)


def _with_margin(value: float, error: float) -> str:
    if isnan(value):
        return DASH
    return f"{value:.1f}" + ("" if isnan(error) else f" ± {Z_95 * error:.1f}")


def _plain(value: float) -> float | None:
    return None if isnan(value) else round(float(value), DIGITS)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
