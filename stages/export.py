"""Write the model in formats that other software runs, and compare each with the original."""

from functools import partial
from typing import Any

from stages._cli import stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.dataset.samples import read_spread
from urbanseg.io import files, tables


@stage(writes=paths.EXPORT)
def main(params: Params) -> None:
    read = partial(
        read_spread,
        tables.read(paths.DATASET),
        size=params.tiles.size,
        scene_of=paths.scene,
        labels_of=paths.labels,
    )
    with files.atomic(paths.EXPORT, paths.EXPORT_PATTERNS) as folder:
        folder.mkdir()
        metrics: dict[str, Any] = {"tiles": 0}
        if {*params.export.formats, params.predict.backend} != {"torch"}:
            from urbanseg.workflows.export_model import export_and_compare  # noqa: PLC0415, PyTorch takes seconds

            classes = files.read_json(paths.DATASET_SUMMARY)["classes"]
            metrics = export_and_compare(folder, paths.MODEL, params.export, params.predict, read, classes)
        used = sorted((folder / params.predict.backend).glob("*"))  # PyTorch runs the segmenter itself
        files.write_json(
            folder / paths.BACKEND.name,
            {"backend": params.predict.backend, "sha256": {path.name: files.sha256(path) for path in used}},
        )
    files.write_json(paths.EXPORT_METRICS, metrics)


if __name__ == "__main__":
    main()
