"""Masks that cover another part of the Earth than their images."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.labels import MaskLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io.image_sheet import SheetImage
from urbanseg.labels import mask_files

CLASSES = ClassTable(tuple(LandClass(i, name, "#808080") for i, name in enumerate(["other", "water"])))


def write(path: Path, bands: np.ndarray, west: float, north: float, metres: float) -> Path:
    size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    placed = {"crs": "EPSG:32633", "transform": from_origin(west, north, metres, metres)}
    with rasterio.open(path, "w", driver="GTiff", **size, **placed) as out:
        out.write(bands)
    return path


def labelled(mask: Path, image: Path, shape: tuple[int, int] = (8, 8), **params: object) -> np.ndarray:
    found = SheetImage("a", "train", Window(0, 0, *shape), ("name",))
    source = MaskLabels.model_validate(
        {"source": "masks", "masks": "{name}.tif", "by_place": True, "max_unknown_share": 1} | params
    )
    ((_, made),) = mask_files.masks([found], {"a": mask}, source, CLASSES, places={"a": image})
    return made


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Eight pixels of 10 m, from 500 000 east and 5 400 000 north."""
    return write(tmp_path / "image.tif", np.ones((1, 8, 8), np.uint16), 500_000, 5_400_000, 10)


def test_a_mask_is_read_where_its_image_lies_and_what_it_lacks_is_ignored(tmp_path, image):
    values = np.zeros((1, 8, 8), np.uint8)
    values[0, :, 4:] = 1
    mask = write(tmp_path / "mask.tif", values, 499_980, 5_400_000, 10)  # two pixels further west
    made = labelled(mask, image, remap={0: "other", 1: "water"})
    assert made[0].tolist() == [0, 0, 1, 1, 1, 1, IGNORE, IGNORE]
    finer = labelled(mask, image, (16, 16), remap={0: "other", 1: "water"})
    assert finer[0].tolist() == [0] * 4 + [1] * 8 + [IGNORE] * 4


def test_a_larger_mask_of_colours_and_other_pixels_is_cut_to_its_image(tmp_path, image):
    colors = np.zeros((3, 40, 60), np.uint8)
    colors[2, :, 30:] = 255
    mask = write(tmp_path / "mask.tif", colors, 499_940, 5_400_020, 4)  # blue from 500 060 east
    made = labelled(mask, image, remap={"#000000": "other", "#0000ff": "water"})
    assert made.tolist() == [[0] * 6 + [1] * 2] * 8


def test_a_mask_that_lies_nowhere_is_refused(tmp_path, image):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(PipelineError, match=r"mask\.png does not say where it lies, which labels\.by_place"):
        labelled(tmp_path / "mask.png", image, remap={0: "other"})


def test_a_band_is_named_where_a_mask_has_others(tmp_path, image):
    mask = write(
        tmp_path / "mask.tif",
        np.stack([np.ones((8, 8)), np.full((8, 8), 67)]).astype(np.uint8),
        500_000,
        5_400_000,
        10,
    )
    assert set(np.unique(labelled(mask, image, remap={1: "water"}, band=1))) == {1}
    with pytest.raises(PipelineError, match=r"2 bands, which are colours.* or name the band by labels\.band"):
        labelled(mask, image, remap={1: "water"})
    with pytest.raises(PipelineError, match=r"mask\.tif has \d bands, but labels\.band asks for band 9"):
        labelled(mask, image, remap={1: "water"}, band=9)
