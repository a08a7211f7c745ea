"""What people look at after a repair of labels: the report, the objects in doubt, a picture of the shifts."""

from pathlib import Path

import numpy as np

from urbanseg.classes import ClassTable
from urbanseg.display.raster_styles import classes_qml
from urbanseg.display.stretch import rgb_bands
from urbanseg.io import files, raster
from urbanseg.mapping.vector_layers import reproducible_writing, write_layer
from urbanseg.paths import REPAIRED_FILES
from urbanseg.report import label_shifts, pictures
from urbanseg.workflows.city_blocks import Labelled
from urbanseg.workflows.repair_labels import Repair

REPORT, _, _, STYLE, DOUBTS, PICTURE, _ = REPAIRED_FILES

PICTURE_PX = 1200
"""Longest side of the picture."""


def write(folder: Path, found: Repair, labelled: Labelled, classes: ClassTable, max_px: int) -> None:
    """Write the files beside the repaired labels.

    Args:
        folder: where they are written.
        found: what the repair found.
        labelled: the city.
        classes: the class table, for the style of the labels.
        max_px: farthest shift that was looked for.

    Raises:
        OSError: naming a file, if the disk is full.
        PipelineError: if GDAL cannot write for another reason.
    """
    files.write_json(folder / REPORT, found.to_json(labelled.blocks.laid))
    files.write_text(folder / STYLE, classes_qml(classes))
    if found.doubts is not None:
        with reproducible_writing(folder / DOUBTS):
            write_layer(found.doubts, folder / DOUBTS, "doubts", geometry_type="MultiPolygon")
    if found.offsets:
        (folder / PICTURE).write_bytes(pictures.png(picture(found, labelled, max_px)))


def picture(found: Repair, labelled: Labelled, max_px: int) -> pictures.Rgb:
    """The scene with an arrow on each block whose labels are moved, ``(height, width, 3)`` uint8.

    Args:
        found: what the repair found.
        labelled: the city.
        max_px: farthest shift that was looked for.
    """
    with raster.reading(labelled.scene) as scene:
        values = scene.decimated(PICTURE_PX, rgb_bands(scene.info.descriptions), "average")
        scale = values.shape[1] / scene.grid.height
    valid = np.asarray(~np.ma.getmaskarray(values).all(axis=0))
    shown = pictures.true_color(values.data, valid)
    training = {number: labelled.blocks.laid[number] for number in found.offsets}
    return label_shifts.draw(shown, training, found.offsets, scale, max_px)
