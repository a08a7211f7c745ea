"""Write the model in formats that other software runs, and compare each with the original."""

import logging
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stages._cli import stage
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import Params
from urbanseg.dataset import tiles
from urbanseg.infer import export
from urbanseg.infer.backends.pixels import as_input
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.io import files, raster, tables
from urbanseg.learn.data import pad
from urbanseg.metrics.agreement import agreement, require_agreement
from urbanseg.model import segmenter

log = logging.getLogger(__name__)
logging.getLogger("onnx_ir").setLevel(logging.WARNING)  # it tells of each constant that it folds


@stage(writes=paths.EXPORT)
def main(params: Params) -> None:
    network, spec = segmenter.load(paths.MODEL)
    table = tables.read(paths.DATASET)
    size, threads, options = params.tiles.size, params.predict.threads, params.export
    formats = [*options.formats, params.predict.backend]
    metrics: dict[str, Any] = {}

    with files.atomic(paths.EXPORT, [f"{name}/*" for name in paths.EXPORT_FILES]) as folder:
        folder.mkdir()
        export.write(
            folder,
            formats,
            paths.MODEL,
            network,
            spec,
            calibration=lambda: [p for p, _ in _read(table, "train", options.calibration_tiles, size)],
        )
        checked = [name for name in paths.EXPORT_FILES if name in formats and name != "torch"]
        validation = _read(table, "val", options.check_tiles, size) if checked else []
        labels = [labels for _, labels in validation]
        torch_predict = TorchPredictor(network, spec, torch.device("cpu"), threads, "float32")
        original = [export.classes_of(torch_predict, pixels) for pixels, _ in validation]
        for name in checked:
            predict = export.predictor(folder / name, threads)
            found = [export.classes_of(predict, pixels) for pixels, _ in validation]
            agreed = agreement(original, found, labels, len(spec.classes))
            log.info("%s: %.4f %% of pixels as torch, mIoU %.4f", name, 100 * agreed.equal, agreed.miou)
            require_agreement(name, agreed, min_equal=options.min_equal, max_miou_loss=options.max_miou_loss)
            metrics[name] = asdict(agreed)

    files.write_json(paths.EXPORT_METRICS, {"tiles": len(validation), **metrics})


def _read(
    table: pd.DataFrame, split: str, at_most: int, size: int
) -> list[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Pixels ``(1, bands, size, size)`` and labels ``(size, size)`` of tiles spread over a split."""
    rows = table[table["split"] == split].reset_index(drop=True)
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(at_most, len(rows)), dtype=int))]
    pairs = []
    for city, window in zip(chosen["city"], tiles.windows_of(chosen), strict=True):
        with raster.reading(paths.scene(city)) as scene, raster.reading(paths.labels(city)) as labels:
            pixels = pad(scene.read(window), size, mode="reflect")
            known = pad(labels.read_band(window), size, mode="constant", constant_values=IGNORE)
        pairs.append((as_input(pixels[None]), known))
    return pairs


if __name__ == "__main__":
    main()
