"""Training curves as files that `dvc plots` reads: a table of steps and values for each metric."""

import json
from collections.abc import Sequence
from typing import Any

VALIDATION = "val_"


def curve_files(history: Sequence[dict[str, float]]) -> dict[str, str]:
    """Texts by paths: ``plots/metrics/<train or val>/<metric>.tsv``, and metrics.json with the last values.

    Args:
        history: the metrics of each epoch, of validation those whose names begin with ``val_``.

    Returns:
        Tables with the columns ``step`` (from 0) and the metric, and JSON in which a value that is not
        finite is NaN.
    """
    tables: dict[str, list[str]] = {}
    last: dict[str, Any] = {}
    for step, row in enumerate(history):
        for name, value in row.items():
            split, metric = (
                ("val", name[len(VALIDATION) :]) if name.startswith(VALIDATION) else ("train", name)
            )
            table = tables.setdefault(f"plots/metrics/{split}/{metric}.tsv", [f"step\t{metric}\n"])
            table.append(f"{step}\t{value}\n")
            last.setdefault(split, {})[metric] = value
    summary = json.dumps(last | {"step": len(history) - 1}, indent=4) + "\n"
    return {path: "".join(lines) for path, lines in tables.items()} | {"metrics.json": summary}
