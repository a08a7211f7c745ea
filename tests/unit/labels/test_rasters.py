"""Classified rasters keep their classes on their way to the scene's grid."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from tests.conftest import shipped_params
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config import remaps
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import cog, raster
from urbanseg.labels import rasters

NAMES = ["other", "building", "road", "vegetation"]
CLASSES = ClassTable(tuple(LandClass(i, name, "#808080") for i, name in enumerate(NAMES)))
TABLE = {0: "other", 7: "building", 9: "ignore", 42: "road", 200: "vegetation"}
GRID = Grid(CRS.from_epsg(32635), Affine(10, 0, 385_000, 0, -10, 6_673_000), 40, 50)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_remap_ignores_what_the_table_lacks(dtype: str) -> None:
    values = np.array([[7, 9, 0], [42, 7, 3]], dtype)
    made = rasters.remap(values, {7: "building", 9: "other", 42: "ignore", 3: "road"}, CLASSES)
    assert made.dtype == np.uint8
    assert made.tolist() == [[1, 0, 255], [255, 1, 2]]


def write(path: Path, values: np.ndarray, grid: Grid, nodata: float | None = None) -> Path:
    with cog.writing(path, grid, dtype=values.dtype, nodata=nodata) as file:
        file.write(values)
    return path


def labelled(path: Path, grid: Grid, windows: list[Window] | None = None) -> np.ndarray:
    result = np.full(grid.shape, 99, np.uint8)
    with raster.reading(path) as source, rasters.classified(source, grid, TABLE, CLASSES) as label:
        for window in windows or [Window(0, 0, *grid.shape)]:
            result[window.slices] = label(window)
    return result


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    epsg=st.sampled_from([4326, 3857, 32634, 3067]),
    pixel_m=st.sampled_from([0.7, 4.0, 10.0, 30.0, 170.0]),
)
def test_each_pixel_has_the_class_of_the_pixel_its_centre_lies_in(
    tmp_path_factory: pytest.TempPathFactory, seed: int, epsg: int, pixel_m: float
) -> None:
    rng = np.random.default_rng(seed)
    small = Grid(GRID.crs, GRID.transform @ Affine.scale(pixel_m / 20), 40, 50)
    to_other = Transformer.from_crs(small.crs, epsg, always_xy=True)
    left, _, right, top = to_other.transform_bounds(*small.bounds)
    size = (right - left) / 31
    # somewhat beside the scene, so that a strip of it is not covered
    other = Grid(CRS.from_epsg(epsg), Affine(size, 0, left + 3.3 * size, 0, -size, top - 1.7 * size), 34, 40)
    values = rng.choice([0, 7, 9, 42, 200, 33], other.shape).astype(np.uint8)
    path = write(tmp_path_factory.mktemp("lc") / "lc.tif", values, other, nodata=rng.choice([None, 0, 42]))

    made = labelled(path, small, [Window(0, 0, 17, 50), Window(17, 0, 23, 21), Window(17, 21, 23, 29)])

    rows, cols = np.mgrid[: small.height, : small.width] + 0.5
    x, y = to_other.transform(*(small.transform @ (cols, rows)))
    col, row = ~other.transform @ (x, y)
    inside = (col >= 0) & (col < other.width) & (row >= 0) & (row < other.height)
    taken = values[
        np.clip(row, 0, other.height - 1).astype(int), np.clip(col, 0, other.width - 1).astype(int)
    ]
    expected = rasters.remap(taken, TABLE, CLASSES)
    expected[~inside] = IGNORE
    on_an_edge = (np.abs(col - np.round(col)) < 1e-3) | (np.abs(row - np.round(row)) < 1e-3)
    np.testing.assert_array_equal(made[~on_an_edge], expected[~on_an_edge])
    assert (made == IGNORE).any()
    assert inside.any()


def test_a_raster_on_the_grid_itself_or_a_larger_one_is_taken_as_it_is(tmp_path: Path) -> None:
    larger = Grid(GRID.crs, GRID.transform @ Affine.translation(-7, -11), 60, 70)
    values = np.random.default_rng(0).choice([0, 7, 9, 42, 200], larger.shape).astype(np.uint8)
    expected = rasters.remap(values[11:51, 7:57], TABLE, CLASSES)
    np.testing.assert_array_equal(labelled(write(tmp_path / "lc.tif", values, larger), GRID), expected)


def test_values_above_a_byte_survive_the_warp(tmp_path: Path) -> None:
    finer = GRID.finer(2)
    values = np.where(np.arange(finer.width) < 50, 12_210, 50_000).astype(np.uint16)
    path = write(tmp_path / "ua.tif", np.tile(values, (finer.height, 1)), finer)
    with (
        raster.reading(path) as source,
        rasters.classified(source, GRID, {12_210: "road", 50_000: "building"}, CLASSES) as label,
    ):
        assert label(Window(0, 0, 1, 50)).tolist() == [[2] * 25 + [1] * 25]


def test_values_that_the_table_lacks_are_named_and_nodata_is_none_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.full(GRID.shape, 7, np.uint8)
    values[:10], values[10:12], values[12:20] = 33, 66, 255
    path = write(tmp_path / "lc.tif", values, GRID, nodata=255)
    tally = rasters.Tally(TABLE)
    with raster.reading(path) as source, rasters.classified(source, GRID, TABLE, CLASSES, tally) as label:
        label(Window(0, 0, *GRID.shape))
    tally.check(1.0)
    assert (
        "lc.tif: 37.50% of the label pixels have values that remap lacks: 33 (31.25%), 66 (6.25%)"
        in caplog.text
    )
    with pytest.raises(PipelineError, match="add them to remap"):
        tally.check(0.3)


def test_a_raster_without_any_value_of_the_table_is_one_sentence(tmp_path: Path) -> None:
    tally = rasters.Tally({1: "road"})
    tally.add(np.array([0, 255]), tmp_path / "lc.tif")
    with pytest.raises(PipelineError, match=r"lc.tif: 100.00% .* 0 \(50.00%\), 255 \(50.00%\)"):
        tally.check(1.0)


def test_a_picture_is_no_classified_raster(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, *GRID.shape), np.uint8)
    with rasterio.open(
        tmp_path / "rgb.tif", "w", height=GRID.height, width=GRID.width, count=3, dtype="uint8",
        crs=GRID.crs.to_wkt(), transform=GRID.transform, photometric="RGB",
    ) as file:  # fmt: skip
        file.write(pixels)
    with pytest.raises(PipelineError, match=r"rgb.tif is a picture in red, green and blue"):
        labelled(tmp_path / "rgb.tif", GRID)


def test_a_raster_beside_the_antimeridian_overlaps_a_scene_across_it(tmp_path: Path) -> None:
    x, y = Transformer.from_crs(4326, 32760, always_xy=True).transform(180, -17)
    grid = Grid(CRS.from_epsg(32760), Affine(10, 0, x - 250, 0, -10, y + 200), 40, 50)
    east = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 179.9, 0, -0.001, -16.9), 200, 100)
    made = labelled(write(tmp_path / "lc.tif", np.full(east.shape, 7, np.uint8), east), grid)
    assert (made[:, :24] == 1).all()
    assert (made[:, 26:] == IGNORE).all()


def test_a_raster_of_another_place_is_one_sentence(tmp_path: Path) -> None:
    elsewhere = Grid(CRS.from_epsg(4326), Affine(0.1, 0, 5, 0, -0.1, 50), 20, 20)
    path = write(tmp_path / "lc.tif", np.ones(elsewhere.shape, np.uint8), elsewhere)
    with pytest.raises(PipelineError, match=r"lc.tif lies elsewhere: it covers 5, 48, 7, 50 "):
        labelled(path, GRID)


@pytest.mark.parametrize("name", remaps.TABLES)
def test_the_tables_that_ship_name_the_classes_of_params_yaml(name: str) -> None:
    names = set(shipped_params().classes) | {"ignore"}
    assert set(remaps.TABLES[name].values()) <= names
