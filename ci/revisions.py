"""Scores as they stood at a revision, read from git and from DVC's cache or remote without a checkout."""

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.api import DVCFileSystem
from dvc.scm import RevError

from urbanseg import paths
from urbanseg.errors import PipelineError
from urbanseg.metrics import block_counts, block_tables, bootstrap
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.metrics.bootstrap import Interval
from urbanseg.report.comparison import Change, changes
from urbanseg.report.scores import HEADLINE

WORKSPACE = "workspace"
"""Name of the files as they lie here, committed or not; DVC calls them so, too."""

OVERALL = paths.OVERALL.stem
"""Stands among the cities for all of them together."""

SEED = 0
"""Of the samples of blocks, so that a comparison says the same each time."""


class Revision:
    """The files of a revision.

    Args:
        name: anything git resolves, the name of a DVC experiment, or ``workspace``.

    Attributes:
        metrics: of each city, by its name, and of all of them together.
        seeds: standard deviation of the figures between trainings of different seeds, by city; empty
            where unknown.

    Raises:
        PipelineError: if there is no such revision, or a metrics file in it is damaged.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.files = DVCFileSystem(rev=None if name == WORKSPACE else name)
        try:
            found = self.files.glob(str(paths.metrics("*")))
        except RevError as error:
            raise PipelineError(
                f"there is no revision or experiment {name!r}; in a shallow clone, fetch it first"
            ) from error
        read = {path.rpartition("/")[2].removesuffix(".json"): self._json(path) for path in sorted(found)}
        self.metrics = {
            city: metrics for city, metrics in read.items() if any(key in metrics for key, *_ in HEADLINE)
        }

        self.seeds = spreads(read.get(paths.SEEDS.stem, {}))

    @property
    def cities(self) -> list[str]:
        """The cities that were scored."""
        return [name for name in self.metrics if name != OVERALL]

    def by_block(self, city: str) -> CountsByBlock | None:
        """Counts of the test blocks; None where they are neither here, nor cached, nor on the remote."""
        if city == OVERALL:
            parts = [self.by_block(name) for name in self.metrics[OVERALL]["cities"]]
            known = [part for part in parts if part is not None]
            return block_counts.pool(known) if known and len(known) == len(parts) else None
        with TemporaryDirectory() as folder:
            for name in (*block_tables.FILES, *block_tables.DELIVERED_FILES):
                with suppress(FileNotFoundError):
                    data = self.files.read_bytes(str(paths.evaluation_dir(city) / name))
                    Path(folder, name).write_bytes(data)
            if not all(Path(folder, name).exists() for name in block_tables.FILES):
                return None
            return block_tables.read(Path(folder))

    def _json(self, path: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.files.read_text(path)))
        except (TypeError, ValueError) as error:
            raise PipelineError(f"{path} of {self.name} is no JSON object ({error})") from error


def spreads(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Standard deviations between seeds, checked.

    Raises:
        PipelineError: if they are no numbers from 0 by figure and city.
    """
    for city, figures in found.items():
        if not isinstance(figures, dict) or not all(
            isinstance(value, int | float) and value >= 0 for value in figures.values()
        ):
            raise PipelineError(
                f"{paths.SEEDS} must hold a standard deviation of each figure by city, such as "
                f'{{"demo": {{"miou": 0.004}}}}; {city} has {figures!r}'
            )
    return found


def compare(base: Revision, new: Revision) -> list[Change]:
    """What changed between two revisions."""
    both = [city for city in base.metrics if city in new.metrics]
    paired = {city: _paired(city, base, new) for city in both}
    return changes(base.metrics, new.metrics, paired, base.seeds | new.seeds)


def _paired(city: str, base: Revision, new: Revision) -> dict[str, Interval]:
    """Interval of the change of each figure, over samples of the same test blocks on both sides."""
    before, after = base.by_block(city), new.by_block(city)
    if before is None or after is None:
        return {}
    try:
        return block_counts.differences(before, after, SEED, bootstrap.SAMPLES)
    except ValueError:  # scored on other blocks: there is nothing to pair
        return {}
