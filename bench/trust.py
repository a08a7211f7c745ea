"""How far what a model says of itself is from the truth: confidence, sets, and the forecast of the mIoU.

``python -m bench.trust [CITY …]``

Predicts the cities of the project in this folder (all of them, if none is named) once, and compares on their
test pixels, which nothing was fitted on; those of a city with the role `holdout` are of a place that the
model has never seen. Needs what `make repro` makes up to the export. Prints a Markdown table: the mean IoU,
its forecast with interval and error, the expected calibration error (ECE) without and with the calibration,
and coverage and mean size of the prediction sets. The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg import paths
from urbanseg.calibration.stored import Calibration
from urbanseg.config.params import Params, load
from urbanseg.errors import PipelineError
from urbanseg.infer import backends
from urbanseg.infer.decode import DecodedLayers, Decoder
from urbanseg.infer.images import select_bands
from urbanseg.infer.scene import window_grid
from urbanseg.infer.stitching import Strip, predict_strips
from urbanseg.io import raster
from urbanseg.metrics import segmentation
from urbanseg.metrics.calibration import LEVELS, confidence_counts, expected_calibration_error
from urbanseg.metrics.forecasts import forecast_figures
from urbanseg.metrics.sets import set_counts, set_figures


class Both(Decoder):
    """Layers with the calibration, and ``before``, the confidence without it."""

    def __call__(self, scores: NDArray[np.float32]) -> DecodedLayers:
        """Decode sums of probabilities ``(classes, height, width)``."""
        before = Decoder()(scores.copy())["confidence"]
        return super().__call__(scores) | {"before": before}


def predicted(city: str, params: Params, calibration: Calibration) -> Iterator[Strip]:
    """Strips of a city's scene, with the layers of `Both`."""
    predict, spec = backends.load(paths.MODEL, paths.EXPORT, params.predict, tuple(params.classes))
    with raster.reading(paths.scene(city)) as scene:
        bands = select_bands(scene.info.descriptions, spec, str(paths.scene(city)))
        yield from predict_strips(
            window_grid(scene.grid.shape, params.predict),
            read=lambda window: scene.read(window, bands),
            valid=lambda window: scene.valid(window, bands),
            predict=predict,
            classes=len(spec.classes),
            batch_size=params.predict.batch_size,
            decoder=Both(extras=("set",), calibration=calibration),
        )


def score(city: str, params: Params, calibration: Calibration) -> dict[str, Any]:
    """The figures of a city; see the module."""
    n = len(params.classes)
    matrix, sets = np.zeros((n, n), np.int64), np.zeros((n, 2, n + 1), np.int64)
    counts = {name: np.zeros((n, LEVELS, 2), np.int64) for name in ("before", "confidence")}
    with raster.reading(paths.labels(city)) as labels, raster.reading(paths.split(city)) as split:
        for strip in predicted(city, params, calibration):
            actual, layers = labels.read_band(strip.window), strip.layers
            inside = segmentation.counted(actual, layers["classes"], split.read_band(strip.window))
            own, mapped = params.class_table.position_lut[actual[inside]], layers["classes"][inside]
            matrix += segmentation.confusion(own, mapped, n)
            sets += set_counts(own, layers["set"][:, inside], n)
            for name in counts:
                counts[name] += confidence_counts(own, mapped, layers[name][inside], n)
    miou = segmentation.mean(segmentation.class_scores(matrix).iou)
    figures, by_class = set_figures(sets, n)
    return {
        "miou": round(miou, 4),
        "forecast": forecast_figures(calibration.forecast, counts["confidence"], miou),
        "ece_before": round(expected_calibration_error(counts["before"]), 4),
        "ece_after": round(expected_calibration_error(counts["confidence"]), 4),
        "sets": figures | {"classes": dict(zip(params.classes, by_class, strict=True))},
    }


def row(city: str, found: dict[str, Any]) -> str:
    """A line of the table."""
    told, sets = found["forecast"], found["sets"]
    return (
        f"| {city} | {found['miou']:.3f} | {told['miou']:.3f} ({told['low']:.2f}–{told['high']:.2f}) "
        f"| {told['error']:+.3f} | {found['ece_before']:.3f} | {found['ece_after']:.3f} "
        f"| {sets['coverage']:.3f} | {sets['worst_coverage']:.3f} | {sets['mean_size']:.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cities", nargs="*")
    params = load(Path(paths.PARAMS))
    cities = parser.parse_args().cities or list(params.cities)
    calibration = backends.calibration(paths.MODEL, paths.EXPORT)
    if calibration is None:
        raise PipelineError(f"{paths.EXPORT} holds no calibration of {paths.MODEL}; run the export stage")
    known = calibration.for_classes(list(params.classes))
    print(
        "| city | mIoU | forecast | error | ECE before | after | coverage | of the worst class | set size |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    report = {}
    for city in cities:
        report[city] = score(city, params, known)
        print(row(city, report[city]))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
