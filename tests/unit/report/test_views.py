from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyproj import CRS

from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io.cog import writing
from urbanseg.io.raster import reading
from urbanseg.paths import PREVIEW_FILES
from urbanseg.report.views import RasterFiles, read_views, rgb_bands, write_previews

PREVIEWS = {"scene", "labels", "prediction", "errors", "confidence", "split", "overlay", "overview"}


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 3000))
def test_a_shrunk_grid_covers_the_same_area_in_few_enough_pixels(height: int, width: int, side: int) -> None:
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 5e5, 0, -10, 5e6), height, width)
    small = grid.shrunk(side)
    assert max(small.shape) == min(side, max(grid.shape))
    assert small.bounds == pytest.approx(grid.bounds)
    if side >= max(grid.shape):
        assert small.same_as(grid)


@pytest.mark.parametrize(
    ("descriptions", "bands"),
    [
        (("B02", "B03", "B04", "B08"), (3, 2, 1)),
        (("nir", "Red", "Green", "Blue"), (2, 3, 4)),
        (("", "", "", ""), (1, 2, 3)),
        (("pan",), (1,)),
        (("a", "b"), (1,)),
    ],
)
def test_red_green_and_blue_are_found_by_name(descriptions: tuple[str, ...], bands: tuple[int, ...]) -> None:
    assert rgb_bands(descriptions) == bands


def test_a_decimated_read_averages_what_is_valid_and_masks_what_is_not(tmp_path: Path, grid: Grid) -> None:
    values = np.full((1, *grid.shape), 100, dtype=np.uint16)
    values[0, :, 1::2] = 300
    values[0, :20, :20] = 0
    with writing(tmp_path / "a.tif", grid, dtype="uint16", nodata=0, resampling="average") as raster:
        raster.write(values)
    with reading(tmp_path / "a.tif") as raster:
        small = raster.decimated(30, [1], "average")
    assert small.shape == (1, 20, 30)
    assert small.mask[0, :10, :10].all()
    assert not small.mask[0, 10:].any()
    assert (small.data[0, 10:] == 200).all()


def test_views_at_full_size_say_what_the_rasters_hold(rasters: RasterFiles, params: Params) -> None:
    views = read_views(rasters, params.class_table)
    with reading(rasters.labels) as raster:
        labels = raster.read_band()
    assert views.scene.shape == (*labels.shape, 3)
    known = labels < len(params.classes)
    assert np.array_equal(views.layers["labels"].index[known], labels[known])
    assert set(views.pictures) == PREVIEWS - {"overlay", "overview"}


def test_views_of_a_large_scene_are_small_and_of_one_shape(rasters: RasterFiles, params: Params) -> None:
    views = read_views(rasters, params.class_table, max_side=20)
    assert views.grid.shape == (13, 20)
    assert {picture.index.shape for picture in views.layers.values()} == {(13, 20)}
    assert views.scene.shape == (13, 20, 3)


def test_a_raster_on_another_grid_is_refused_by_name(
    rasters: RasterFiles, grid: Grid, params: Params
) -> None:
    with writing(rasters.split, grid.finer(2), dtype="uint8") as raster:
        raster.write(np.zeros(grid.finer(2).shape, np.uint8))
    with pytest.raises(PipelineError, match=r"split\.tif .* different grids"):
        read_views(rasters, params.class_table)


def test_a_picture_of_somebody_else_is_not_removed(
    tmp_path: Path, rasters: RasterFiles, params: Params
) -> None:
    (tmp_path / "previews").mkdir()
    (tmp_path / "previews" / "holiday.png").touch()
    with pytest.raises(PipelineError, match=r"holds holiday\.png"):
        write_previews(tmp_path / "previews", read_views(rasters, params.class_table))
    assert [path.name for path in (tmp_path / "previews").iterdir()] == ["holiday.png"]


def test_every_picture_has_its_place_among_the_outputs() -> None:
    assert {f"{name}.png" for name in PREVIEWS} <= set(PREVIEW_FILES)


def test_previews_are_the_same_bytes_each_time(tmp_path: Path, rasters: RasterFiles, params: Params) -> None:
    views = read_views(rasters, params.class_table)
    folder = tmp_path / "previews"
    write_previews(folder, views)
    first = {path.stem: path.read_bytes() for path in folder.iterdir()}
    (folder / "failures.png").touch()  # of an earlier run, in which there were some
    write_previews(folder, views)
    assert {path.stem: path.read_bytes() for path in folder.iterdir()} == first
    assert set(first) == PREVIEWS
    with Image.open(folder / "errors.png") as image:
        assert image.size == (60, 40)


def test_the_real_scene_of_dubai_is_shown_in_its_own_colours(shared: Path) -> None:
    with reading(shared / "dubai_scene" / "scene.tif") as raster:
        small = raster.decimated(256, [1, 2, 3], "average")
        whole = raster.read()
    assert small.shape == (3, 197, 256)
    assert not np.ma.getmaskarray(small).any()
    assert small.data.mean(axis=(1, 2)) == pytest.approx(whole.mean(axis=(1, 2)), abs=1)
