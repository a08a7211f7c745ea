"""Quality against overlap: which windows a scene needs, measured on the test blocks.

``python -m bench.overlap <city> [--sizes 256 512] [--overlaps 0 32 64 128] [--blends hann]``

The city is one of params.yaml that has been trained and labelled. Only windows that reach
a test block are predicted. Prints a table in Markdown: windows per scene, the network's
work as a multiple of the scene's own area, and the mIoU. The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from urbanseg import paths
from urbanseg.grid import SPLITS
from urbanseg.infer.images import select_bands
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.infer.stitching import Predictor, predict_strips
from urbanseg.infer.windows import WindowGrid
from urbanseg.io import raster
from urbanseg.metrics.segmentation import class_scores, confusion, counted, mean
from urbanseg.model import segmenter

TEST = SPLITS.index("test")


def test_miou(
    city: str, predict: Predictor, bands: list[int], classes: int, window_grid: WindowGrid
) -> float:
    """Mean IoU on the test blocks of a city, predicted by the windows of a grid."""
    with raster.reading(paths.scene(city)) as scene, raster.reading(paths.split(city)) as split:
        found = predict_strips(
            window_grid,
            read=lambda window: scene.read(window, bands),
            valid=lambda window: split.read_band(window) == TEST,
            predict=predict,
            classes=classes,
            batch_size=4,
        )
        predicted = np.concatenate([strip.layers["classes"] for strip in found])
    return miou(city, predicted, classes)


def miou(city: str, predicted: NDArray[np.uint8], classes: int) -> float:
    """Mean IoU of a whole map on the test blocks of its city."""
    with raster.reading(paths.labels(city)) as labels, raster.reading(paths.split(city)) as split:
        reference, splits = labels.read_band(), split.read_band()
    at = counted(reference, predicted, splits)
    return mean(class_scores(confusion(reference[at], predicted[at], classes)).iou)


def trials(asked: argparse.Namespace, shape: tuple[int, int]) -> Iterator[WindowGrid]:
    """The grids of windows to try; where no window overlaps, blending is nothing."""
    for size in asked.sizes:
        for overlap in asked.overlaps:
            for blend in asked.blends if overlap else ["flat"]:
                if overlap < size:
                    yield WindowGrid(shape, size, overlap, blend)


def main() -> None:
    """Predict by each grid of windows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("city")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="pixels")
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 32, 64, 128], help="pixels")
    parser.add_argument("--blends", nargs="+", default=["hann", "cosine", "flat"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    asked = parser.parse_args()
    network, spec = segmenter.load(paths.MODEL)
    predict = TorchPredictor(network, spec, torch.device("cpu"), torch.get_num_threads(), asked.precision)
    info = raster.describe(paths.scene(asked.city))
    bands = select_bands(info.descriptions, spec, asked.city)

    rows = []
    print("| window | overlap | blend | windows | work | mIoU |\n|---|---|---|---|---|---|")
    for window_grid in trials(asked, info.grid.shape):
        score = test_miou(asked.city, predict, bands, len(spec.classes), window_grid)
        windows = len(window_grid.rows) * len(window_grid.cols)
        work = windows * window_grid.window[0] * window_grid.window[1] / (info.grid.height * info.grid.width)
        print(
            f"| {window_grid.size} | {window_grid.overlap} | {window_grid.blend} | {windows} "
            f"| {work:.2f} | {score:.4f} |",
            flush=True,
        )
        rows.append({"size": window_grid.size, "overlap": window_grid.overlap, "blend": window_grid.blend,
                     "windows": windows, "work": round(work, 3), "miou": round(score, 5)})  # fmt: skip
    print(json.dumps({"city": asked.city, "precision": asked.precision, "trials": rows}))


if __name__ == "__main__":
    main()
