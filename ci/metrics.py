"""The headline scores of each city as a table: ``python -m ci.metrics``, or ``make metrics``."""

from collections.abc import Mapping
from typing import Any

from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.report.scores import HEADLINE


def main() -> None:
    """Print the table of the metrics in the working tree."""
    found = {path.stem: files.read_json(path) for path in sorted(paths.OVERALL.parent.glob("*.json"))}
    scored = {name: values for name, values in found.items() if any(key in values for key, *_ in HEADLINE)}
    if not scored:
        raise PipelineError(f"{paths.OVERALL.parent} holds no scores yet; run make repro")
    print(table(scored))


def table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Rows of scores with the 95 % interval of each and what it rests on, and a column for each city.

    >>> print(table({"demo": {"miou": 0.5, "intervals": {"miou": [0.4, 0.6]}}, "oasis": {}}))
              demo               oasis
    mean IoU  0.500 0.400–0.600  -
    """
    rows = [["", *metrics]]
    for key, title, _ in HEADLINE:
        cells = [_cell(values, key) for values in metrics.values()]
        if set(cells) != {"-"}:
            rows.append([title, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _cell(values: Mapping[str, Any], key: str) -> str:
    if (score := values.get(key)) is None:
        return "-"
    interval = values.get("intervals", {}).get(key)
    basis = values.get("interval_basis", {}).get(key)
    ends = f" {interval[0]:.3f}–{interval[1]:.3f}" if interval else ""
    return f"{score:.3f}{ends}" + (f" ({basis})" if basis else "")


if __name__ == "__main__":
    guarded(main)
