"""Write the model in formats that other software runs, and compare each with the original."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages._cli import stage
from urbanseg import paths
from urbanseg.calibration import stored
from urbanseg.classes import position_lut
from urbanseg.config.params import Params
from urbanseg.config.predict import PredictParams
from urbanseg.dataset.samples import read_spread
from urbanseg.infer import backends
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
        metrics["calibration"] = _calibrate(folder, params)
        used = sorted((folder / params.predict.backend).glob("*"))  # PyTorch runs the segmenter itself
        # Of the statistics no prediction of a city depends, and the calibration has a line of its own.
        used = [path for path in used if path.name not in {domain.FILE, stored.FILE}]
        files.write_json(
            folder / paths.BACKEND.name,
            {"backend": params.predict.backend, "sha256": {path.name: files.sha256(path) for path in used}}
            | {"calibration": files.sha256(folder / stored.FILE)},
        )
    files.write_json(paths.EXPORT_METRICS, metrics)


def _by_position(read: Callable[[str, int], Samples], ids: Sequence[int], split: str, n: int) -> Samples:
    """Tiles of a split, at most `n`, with the positions of the classes in place of their pixel values."""
    return [(pixels, position_lut(ids)[labels]) for pixels, labels in read(split, n)]


def _calibrate(folder: Path, params: Params) -> dict[str, Any]:
    """Calibrate the model on the back end that will predict, by validation tiles; see `calibrate`.

    Args:
        folder: of the exported formats, each of which gets the calibration, too.
        params: of which only what the stage depends on is used.
    """
    from urbanseg.workflows.calibrate_model import Tile, apart, calibrate  # noqa: PLC0415, as above

    table, summary = tables.read(paths.DATASET), files.read_json(paths.DATASET_SUMMARY)
    rows = apart(table[table["split"] == "val"], params.export.confidence_tiles)
    samples = read_spread(
        rows, "val", len(rows), size=params.tiles.size, scene_of=paths.scene, labels_of=paths.labels
    )
    options = PredictParams(backend=params.predict.backend, threads=params.predict.threads)
    predict, spec = backends.load(paths.MODEL, folder, options)
    position = position_lut(summary.get("ids", range(len(summary["classes"]))))
    tiles = [
        Tile(pixels, position[labels], group)
        for (pixels, labels), group in zip(samples, rows["group"].tolist(), strict=True)
    ]
    calibration, figures = calibrate(
        predict, spec, tiles, summary["classes"], options=params.export, model=digest(paths.MODEL)
    )
    for place in (folder, *(made.parent for made in folder.glob(f"*/{backends.MANIFEST}"))):
        stored.write(place, calibration)
    return figures


if __name__ == "__main__":
    main()
