"""How much another seed changes the scores: ``python -m ci.seeds HEAD seed-8 seed-9``.

Takes trainings of the same parameters with different seeds (``dvc exp run -n seed-8 -S train.seed=8``), and
writes the standard deviation of each figure to metrics/seeds.json. Once that is committed, comparisons allow
for it: a change that another seed would bring as well is noise.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ci.revisions import Revision
from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.report.scores import HEADLINE

DIGITS = 6


def main() -> None:
    """Write metrics/seeds.json."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m ci.seeds")
    parser.add_argument("revision", nargs="+", help="git revision, DVC experiment, or workspace; two or more")
    names = parser.parse_args().revision
    if len(set(names)) < max(2, len(names)):
        raise PipelineError(f"name two or more different revisions, got {', '.join(names)}")
    params.load(paths.PARAMS)  # before DVC reads it
    found = spread([Revision(name).metrics for name in names])
    files.write_json(paths.SEEDS, found)
    for city, figures in found.items():
        print(f"{city}: " + ", ".join(f"{key} ± {value:.3f}" for key, value in figures.items()))


def spread(trainings: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, float]]:
    """Standard deviation of each headline figure between trainings, by city.

    Args:
        trainings: of each, the metrics of each city; two or more.

    Returns:
        The square root of the unbiased variance, of the figures that all trainings have.

    Raises:
        PipelineError: if they have no city in common.
    """
    cities = [city for city in trainings[0] if all(city in metrics for metrics in trainings)]
    if not cities:
        raise PipelineError("the revisions have no city in common, so their scores cannot be compared")
    return {
        city: {
            key: round(statistics.stdev(metrics[city][key] for metrics in trainings), DIGITS)
            for key, *_ in HEADLINE
            if all(metrics[city].get(key) is not None for metrics in trainings)
        }
        for city in cities
    }


if __name__ == "__main__":
    guarded(main)
