"""A speckled map is drawn from larger pixels, so that memory is bounded, and a warning says so."""

import numpy as np
import pytest

import urbanseg
from tests.unit.workflows.painted import CLASSES, HEIGHT, WIDTH, grid, town, write_image
from urbanseg.classes import ClassTable, LandClass
from urbanseg.grid import Window
from urbanseg.workflows import map_frame
from urbanseg.workflows.map_coarser import Coarser

TABLE = ClassTable(tuple(LandClass(i, name, "#000000") for i, name in enumerate(CLASSES)))


class Arrays:
    """A map in memory."""

    def __init__(self, classes, confidence=None):
        self.arrays = classes, np.full_like(classes, 200) if confidence is None else confidence
        self.grid, self.table = grid(), TABLE

    def classes(self, window):
        return self.arrays[0][window.slices]

    def confidence(self, window):
        return self.arrays[1][window.slices]

    road_probability = confidence


def test_pixels_are_the_most_frequent_class_and_mean_confidence():
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    confidence = np.full((HEIGHT, WIDTH), 100, np.uint8)
    classes[:2, 2:4] = [[1, 2], [2, 255]]
    confidence[:2, 2:4] = [[10, 20], [40, 255]]
    classes[2:4, :2], confidence[2:4, :2] = 255, 255
    coarse = Coarser(Arrays(classes, confidence), 2)
    part = Window(0, 0, 2, 2)
    assert coarse.classes(part).tolist() == [[0, 2], [255, 0]]
    assert coarse.confidence(part).tolist() == [[100, 23], [255, 100]]
    assert coarse.road_probability(part).tolist() == [[100, 23], [255, 100]]


def test_windows_are_parts_of_the_whole_and_the_grid_is_that_of_the_squares():
    classes = np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH)).astype(np.uint8)
    coarse = Coarser(Arrays(classes), 5)
    assert coarse.grid.shape == (HEIGHT // 5, WIDTH // 5)
    assert coarse.grid.resolution == 5
    assert coarse.grid.transform @ (0, 0) == grid().transform @ (0, 0)
    whole = coarse.classes(Window(0, 0, *coarse.grid.shape))
    np.testing.assert_array_equal(coarse.classes(Window(3, 4, 7, 9)), whole[3:10, 4:13])


@pytest.mark.parametrize("place", [True, False])
def test_a_speckled_map_is_drawn_from_larger_pixels_and_said(model, tmp_path, monkeypatch, place):
    monkeypatch.setattr(map_frame, "LEAST_REGIONS", 500)
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH)).astype(np.uint8)
    write_image(tmp_path / "noise.tif", grid(), noise)
    if not place:
        with_no_place(tmp_path / "noise.tif")
    found = urbanseg.map_image("noise.tif", model=model)
    (said,) = [warning for warning in found.warnings if "speckled" in warning]
    assert "more than 500 separate areas" in said
    assert "4 times as large" in said
    assert found.polygons.area.sum() == pytest.approx(HEIGHT * WIDTH)
    np.testing.assert_array_equal(found.classes, noise)


def with_no_place(path):
    import rasterio  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    with rasterio.open(path) as file:
        pixels = file.read()
    path.unlink()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(path)


def test_a_map_of_a_town_is_drawn_from_its_own_pixels(model, tmp_path, monkeypatch):
    monkeypatch.setattr(map_frame, "LEAST_REGIONS", 8)
    write_image(tmp_path / "town.tif", grid())
    found = urbanseg.map_image(tmp_path / "town.tif", model=model)
    assert not found.warnings
    assert found.polygons.area.sum() == pytest.approx((town() < 4).sum())
