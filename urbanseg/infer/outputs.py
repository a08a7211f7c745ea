"""The rasters of a prediction: one cloud-optimised GeoTIFF for each layer, filled strip by strip."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from urbanseg.calibration import conformal
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.predict import PredictParams
from urbanseg.display.raster_styles import classes_qml, share_qml, sizes_qml
from urbanseg.grid import Grid
from urbanseg.infer import instances
from urbanseg.infer.decode import CORE_PROBABILITY, ROAD_PROBABILITY
from urbanseg.infer.majority_filter import majority_filtered
from urbanseg.infer.stitching import Strip
from urbanseg.io import cog, raster
from urbanseg.io.files import write_text
from urbanseg.io.prefetch import prefetch


def write(
    folder: Path,
    grid: Grid,
    strips: Iterable[Strip],
    classes: ClassTable,
    options: PredictParams,
    *,
    cores: bool = False,
) -> None:
    """Write ``classes.tif``, ``confidence.tif``, ``road_probability.tif`` if roads are a class, and what
    `options.rasters` names besides into `folder`, each with its QGIS style. With `cores`, which the strips
    then hold, also ``core_probability.tif`` and ``instances.tif``, in which each building has a number.

    The strips are filtered as the options say and prefetched in a thread of their own, ahead of
    the writing. The files appear when all are complete.

    Args:
        folder: an existing folder.
        grid: of the scene.
        strips: top to bottom, without a gap.
        classes: the model's classes.
        options: the `predict` section.
        cores: whether buildings are told apart.

    Raises:
        PipelineError: if the disk is full.
    """
    layers = {folder / f"{name}.tif": layer for name, layer in _layers(classes, options, cores).items()}
    with (
        cog.writing_all(grid, layers) as writers,
        tqdm(desc="predict", unit="row", total=grid.height) as bar,
    ):
        for strip in prefetch(majority_filtered(strips, options.clean, options.clean_px, len(classes))):
            for path, writer in writers.items():
                layer = strip.layers[path.stem]
                writer.write(classes.id_lut[layer] if path.stem == "classes" else layer, strip.window)
            bar.update(strip.window.height)
    for path in layers:
        styles = {"classes": lambda: classes_qml(classes), "set": lambda: sizes_qml(len(classes))}
        write_text(path.with_suffix(".qml"), styles.get(path.stem, share_qml)())
    if cores:
        buildings = [c.id for c in classes.of_kind("building")]
        with (
            raster.reading(folder / "classes.tif") as found,
            raster.reading(folder / f"{CORE_PROBABILITY}.tif") as insides,
        ):
            instances.write(folder / "instances.tif", found, insides, buildings)


def _layers(classes: ClassTable, options: PredictParams, cores: bool) -> dict[str, cog.RasterProfile]:
    """What each raster is made of."""
    share: cog.RasterProfile = {"dtype": "uint8", "nodata": IGNORE, "resampling": "average"}
    layers = {"classes": share | {"resampling": "mode", "classes": classes}, "confidence": share}
    if classes.of_kind("road"):
        layers[ROAD_PROBABILITY] = share
    if cores:
        layers[CORE_PROBABILITY] = share
    for name in options.rasters:
        layers[name] = share
    if "probabilities" in layers:
        layers["probabilities"] = share | {"count": len(classes), "descriptions": classes.names}
    if "set" in layers:
        names = conformal.descriptions(classes.names)
        layers["set"] = share | {"resampling": "nearest", "count": len(names), "descriptions": names}
    return layers
