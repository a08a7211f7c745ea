"""Scores as they stood at a revision, read from git and from DVC's cache or remote without a checkout."""

import json
from typing import Any

from dvc.api import DVCFileSystem
from dvc.scm import RevError

from urbanseg import paths
from urbanseg.errors import PipelineError
from urbanseg.report.comparison import Change, changes
from urbanseg.report.scores import HEADLINE

WORKSPACE = "workspace"
"""Name of the files as they lie here, committed or not; DVC calls them so, too."""


class Revision:
    """The files of a revision.

    Args:
        name: anything git resolves, the name of a DVC experiment, or ``workspace``.

    Attributes:
        metrics: of each city, by its name.

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

    def _json(self, path: str) -> dict[str, Any]:
        try:
            return dict(json.loads(self.files.read_text(path)))
        except (TypeError, ValueError) as error:
            raise PipelineError(f"{path} of {self.name} is no JSON object ({error})") from error


def compare(base: Revision, new: Revision) -> list[Change]:
    """What changed between two revisions."""
    return changes(base.metrics, new.metrics, paired={})
