import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.cli.main import execute
from urbanseg.config.change import ChangeParams
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, blocks
from urbanseg.io import cog, raster
from urbanseg.mapping.change import UNKNOWN, DatedMap, change_codes, count_changes, filter_changes

UTM = CRS.from_epsg(26914)


def grid_of(shape, shift=0.0):
    return Grid(UTM, Affine(10, 0, 500_000 + shift, 0, -10, 5_000_000 - shift), *shape)


def write(folder, classes, confidence=None, shift=0.0):
    folder.mkdir()
    for name, values in (("classes.tif", classes), ("confidence.tif", confidence)):
        if values is not None:
            with cog.writing(
                folder / name, grid_of(values.shape, shift), dtype=np.uint8, nodata=IGNORE
            ) as file:
                file.write(values)


def sure(classes):
    return np.ones(classes.shape, bool)


@pytest.fixture
def land():
    """A lake in a meadow, and a corner that no date knows."""
    classes = np.full((60, 80), 3, np.uint8)
    classes[20:30, 20:40] = 4
    classes[:5, :5] = IGNORE
    return classes


def test_the_same_map_twice_has_no_change(land):
    codes = filter_changes(land, land, sure(land), 1, 4)
    assert set(np.unique(codes)) == {0, UNKNOWN}


@pytest.mark.parametrize("by", [(0, 1), (1, 0), (1, 1), (-1, 1)])
def test_a_map_displaced_by_a_pixel_has_no_change(land, by):
    land[land == IGNORE] = 3
    assert not filter_changes(land, np.roll(land, by, (0, 1)), sure(land), 1, 1).any()


def test_a_lake_that_grows_is_found_with_its_codes_and_its_area(land):
    after = land.copy()
    after[20:30, 40:46] = 4
    codes = filter_changes(land, after, sure(land), 1, 20)
    assert (codes == 3 * 256 + 4).sum() == 60
    matrix = count_changes(land, codes, 6)
    assert matrix[3, 4] == 60
    assert matrix.sum() == land.size - 25
    assert matrix.sum(axis=0)[4] == 260


def test_what_one_date_is_not_sure_of_and_what_is_small_is_no_change(land):
    after = land.copy()
    after[40:44, 60:64] = 1
    assert (filter_changes(land, after, sure(land), 1, 16) > 0).sum() - 25 == 16
    assert not (filter_changes(land, after, sure(land), 1, 17) % UNKNOWN).any()
    assert not (filter_changes(land, after, np.zeros(land.shape, bool), 1, 1) % UNKNOWN).any()


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.integers(0, 2))
def test_codes_do_not_depend_on_the_windows(tmp_path_factory, seed, side, shift):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("windows")
    maps = [np.kron(rng.integers(0, 3, (20, 25)), np.ones((3, 3))).astype(np.uint8) for _ in range(2)]
    rules = ChangeParams(min_confidence=0.5, shift_px=shift, min_area_m2=1200)
    for name, classes in zip("ab", maps, strict=True):
        write(folder / name, classes)
    with (
        raster.reading(folder / "a/classes.tif") as a,
        raster.reading(folder / "b/classes.tif") as b,
    ):
        before, after = DatedMap(a, None), DatedMap(b, None)
        whole = change_codes(before, after, Window(0, 0, *a.grid.shape), rules)[1]
        for block in blocks(a.grid.shape, side):
            assert (change_codes(before, after, block, rules)[1] == whole[block.slices]).all()
    assert (whole == filter_changes(*maps, sure(maps[0]), shift, 12)).all()


def compare(before, after, out, monkeypatch, *options):
    """Run the command."""
    monkeypatch.chdir(ROOT)
    execute(["change", str(before), str(after), str(out), *options])


def test_the_stage_writes_raster_matrix_and_polygons_of_maps_on_different_grids(land, tmp_path, monkeypatch):
    after = land.copy()
    after[20:30, 40:46] = 4
    full = np.full(land.shape, 254, np.uint8)
    write(tmp_path / "old", land, full)
    write(tmp_path / "new", after, full, shift=1.0)
    compare(tmp_path / "old", tmp_path / "new", tmp_path / "out", monkeypatch)
    matrix = pd.read_csv(tmp_path / "out/matrix_ha.csv", index_col="before")
    assert matrix.loc["vegetation", "water"] == pytest.approx(0.6)
    [polygon] = gpd.read_file(tmp_path / "out/change.gpkg").itertuples()
    assert (polygon.before, polygon.after) == ("vegetation", "water")
    assert polygon.area_ha == pytest.approx(0.6)
    assert raster.describe(tmp_path / "out/change.tif").grid.same_as(grid_of(land.shape))


def test_maps_without_a_change_give_an_empty_layer_of_the_same_fields(land, tmp_path, monkeypatch):
    write(tmp_path / "map", land)
    compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)
    layer = pyogrio.read_info(tmp_path / "out/change.gpkg", layer="change")
    assert layer["features"] == 0
    assert layer["geometry_type"] == "Polygon"
    fields = zip(layer["fields"], layer["ogr_types"], strict=True)
    assert dict(fields) == {"before": "OFTString", "after": "OFTString", "area_ha": "OFTReal"}


def test_two_runs_write_the_same_bytes(land, tmp_path, monkeypatch):
    write(tmp_path / "old", land)
    write(tmp_path / "new", np.roll(land, 20, axis=1))
    for out in ("one", "two"):
        compare(tmp_path / "old", tmp_path / "new", tmp_path / out, monkeypatch)
    for one in (tmp_path / "one").iterdir():
        assert one.read_bytes() == (tmp_path / "two" / one.name).read_bytes()


def test_a_folder_without_a_prediction_is_named(tmp_path, monkeypatch):
    with pytest.raises(PipelineError, match=r"classes\.tif does not exist"):
        compare(tmp_path, tmp_path, tmp_path / "out", monkeypatch)
    assert not (tmp_path / "out").exists()
    assert paths.PARAMS.exists()


def test_a_folder_with_files_of_somebody_else_is_refused_or_written_into_file_by_file(
    land, tmp_path, monkeypatch
):
    write(tmp_path / "map", land)
    docs = tmp_path / "mydocs"
    docs.mkdir()
    (docs / "thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match=r"mydocs holds thesis\.txt, .* --overwrite"):
        compare(tmp_path / "map", tmp_path / "map", docs, monkeypatch)
    assert [p.name for p in docs.iterdir()] == ["thesis.txt"]
    compare(tmp_path / "map", tmp_path / "map", docs, monkeypatch, "--overwrite")
    assert (docs / "thesis.txt").read_text() == "mine"
    assert {"change.tif", "matrix_ha.csv", "change.gpkg"} <= {p.name for p in docs.iterdir()}


def test_what_it_wrote_itself_is_replaced_unless_somebody_changed_it(land, tmp_path, monkeypatch):
    write(tmp_path / "map", land)
    for _ in range(2):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)
    (tmp_path / "out" / "matrix_ha.csv").write_text("annotated")
    with pytest.raises(PipelineError, match=r"holds matrix_ha\.csv"):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)
    assert (tmp_path / "out" / "matrix_ha.csv").read_text() == "annotated"
