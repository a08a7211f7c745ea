"""What lies beside rasters for people: QGIS styles of a scene's files, and small pictures."""

from pathlib import Path

import numpy as np
from PIL import Image

from urbanseg.classes import ClassTable
from urbanseg.display.raster_styles import scl_qml, true_color_qml
from urbanseg.display.stretch import rgb_bands, stretch_of, stretched
from urbanseg.io.files import write_text
from urbanseg.io.raster import reading

THUMBNAIL_PX = 512
"""Longest side of a thumbnail."""


def present_scene(folder: Path) -> None:
    """Write the QGIS styles of a scene's rasters, and ``thumbnail.png``, into its folder."""
    with reading(folder / "scene.tif") as scene:
        bands = rgb_bands(scene.info.descriptions)
        values = scene.decimated(THUMBNAIL_PX, bands, "average")
    valid = np.asarray(~np.ma.getmaskarray(values).all(axis=0))
    stretch = stretch_of(values.data, valid)
    write_text(folder / "scene.qml", true_color_qml(bands, stretch))
    if (folder / "scl.tif").exists():
        write_text(folder / "scl.qml", scl_qml())
    Image.fromarray(stretched(values.data, valid, stretch)).save(folder / "thumbnail.png")


def present_classes(folder: Path, classes: ClassTable) -> None:
    """Write ``thumbnail.png`` of the ``classes.tif`` in a folder; unknown pixels are transparent."""
    with reading(folder / "classes.tif") as raster:
        values = raster.decimated(THUMBNAIL_PX, resampling="mode")[0].data
    colors = np.zeros((256, 4), np.uint8)
    colors[classes.ids] = [(*each.rgb, 255) for each in classes]
    Image.fromarray(colors[values.astype(np.uint8)]).save(folder / "thumbnail.png", optimize=True)
