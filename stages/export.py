"""Write the model in formats that other software runs, and compare each with the original."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages._cli import stage
from urbanseg import paths
from urbanseg.classes import position_lut
from urbanseg.config.params import Params
from urbanseg.dataset.samples import read_spread
from urbanseg.infer.backends import digest
from urbanseg.io import files, tables
from urbanseg.model import domain

Samples = list[tuple[NDArray[Any], NDArray[np.uint8]]]
"""Tiles: pixels and labels of each."""


@stage(writes=paths.EXPORT)
def main(params: Params) -> None:
    from urbanseg.workflows.training_statistics import training_statistics  # noqa: PLC0415, PyTorch takes seconds

    read = partial(
        read_spread,
        tables.read(paths.DATASET),
        size=params.tiles.size,
        scene_of=paths.scene,
        labels_of=paths.labels,
    )
    with files.atomic(paths.EXPORT, paths.EXPORT_PATTERNS) as folder:
        folder.mkdir()
        known = training_statistics(
            paths.MODEL,
            tables.read(paths.DATASET),
            params.tiles.size,
            threads=params.predict.threads,
            scene_of=paths.scene,
            labels_of=paths.labels,
        )
        if known:
            domain.write(folder, {"segmenter_sha256": digest(paths.MODEL)} | known)
        metrics: dict[str, Any] = {"tiles": 0}
        if {*params.export.formats, params.predict.backend} != {"torch"}:
            from urbanseg.workflows.export_model import export_and_compare  # noqa: PLC0415, PyTorch takes seconds

            summary = files.read_json(paths.DATASET_SUMMARY)
            classes = summary["classes"]
            metrics = export_and_compare(
                folder,
                paths.MODEL,
                params.export,
                params.predict,
                read if "ids" not in summary else partial(_by_position, read, summary["ids"]),
                classes,
                known=known,
            )
        used = sorted((folder / params.predict.backend).glob("*"))  # PyTorch runs the segmenter itself
        used = [path for path in used if path.name != domain.FILE]  # of which no prediction of a city depends
        files.write_json(
            folder / paths.BACKEND.name,
            {"backend": params.predict.backend, "sha256": {path.name: files.sha256(path) for path in used}},
        )
    files.write_json(paths.EXPORT_METRICS, metrics)


def _by_position(read: Callable[[str, int], Samples], ids: Sequence[int], split: str, n: int) -> Samples:
    """Tiles of a split, at most `n`, with the positions of the classes in place of their pixel values."""
    return [(pixels, position_lut(ids)[labels]) for pixels, labels in read(split, n)]


if __name__ == "__main__":
    main()
