"""The rasters of a prediction: one cloud-optimised GeoTIFF for each layer, filled strip by strip."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from urbanseg import raster
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid
from urbanseg.infer.ahead import ahead
from urbanseg.infer.cleaning import cleaned
from urbanseg.infer.strips import Strip
from urbanseg.predict_params import PredictParams


def write(
    folder: Path, grid: Grid, strips: Iterable[Strip], classes: ClassTable, options: PredictParams
) -> None:
    """Write ``classes.tif``, ``confidence.tif`` and what `options.rasters` names besides into `folder`.

    The strips are cleaned as the options say and made in a thread of their own, ahead of
    the writing. The files appear when all are complete.

    Raises:
        PipelineError: if the disk is full.
    """
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                raster.writing(folder / f"{name}.tif", grid, dtype="uint8", nodata=IGNORE, **details)
            )
            for name, details in _layers(classes, options).items()
        }
        bar = stack.enter_context(tqdm(desc=folder.name, unit="row", total=grid.height))
        for strip in ahead(cleaned(strips, options.clean, options.clean_px, len(classes))):
            for name, writer in writers.items():
                writer.write(strip.layers[name], strip.window)
            bar.update(strip.window.height)


def _layers(classes: ClassTable, options: PredictParams) -> dict[str, dict[str, Any]]:
    """What is particular about each raster."""
    layers: dict[str, dict[str, Any]] = {
        "classes": {"resampling": "mode", "classes": classes},
        "confidence": {"resampling": "average"},
    }
    for name in options.rasters:
        layers[name] = {"resampling": "average"}
    if "probabilities" in layers:
        layers["probabilities"] |= {"count": len(classes), "descriptions": classes.names}
    return layers
