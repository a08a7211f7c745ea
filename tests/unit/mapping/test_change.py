import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from scipy import ndimage

from tests.conftest import ROOT, shipped_params
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.cli.main import execute
from urbanseg.config.change import ChangeParams
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, Grid, Window, strips
from urbanseg.io import cog, raster
from urbanseg.mapping.change import (
    UNKNOWN,
    DatedMap,
    change_codes,
    count_changes,
    keep_patches,
    large_patches,
    wide_changes,
)
from urbanseg.workflows.change import compare_maps

UTM = CRS.from_epsg(26914)


def grid_of(shape, shift=0.0):
    return Grid(UTM, Affine(10, 0, 500_000 + shift, 0, -10, 5_000_000 - shift), *shape)


def write(folder, classes, confidence=None, shift=0.0, grid=None):
    folder.mkdir()
    grid = grid or grid_of(classes.shape, shift)
    for name, values in (("classes.tif", classes), ("confidence.tif", confidence)):
        if values is not None:
            with cog.writing(folder / name, grid, dtype=np.uint8, nodata=IGNORE) as file:
                file.write(values)


def filter_changes(before, after, sure, shift_px, least_pixels):
    """Codes of maps in memory, as one strip."""
    codes = wide_changes(before, after, sure, shift_px)
    return keep_patches(codes, *large_patches([codes], least_pixels))


def filtered_by_definition(before, after, sure, shift_px, least_pixels):
    """The three rules, code by code."""
    raw = np.where(~sure | (before == after), 0, before.astype(np.uint16) * 256 + after)
    unknown = (before == IGNORE) | (after == IGNORE)
    raw[unknown] = 0
    kept = np.where(unknown, UNKNOWN, 0).astype(np.uint16)
    for code in np.unique(raw[raw > 0]):
        patch = ndimage.binary_opening(raw == code, np.ones((2 * shift_px + 1,) * 2))
        labels, count = ndimage.label(patch)
        for number in range(1, count + 1):
            if (labels == number).sum() >= least_pixels:
                kept[labels == number] = code
    return kept


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
    matrix = count_changes(land, codes, range(6))
    assert matrix[3, 4] == 60
    assert matrix.sum() == land.size - 25
    assert matrix.sum(axis=0)[4] == 260


def test_what_one_date_is_not_sure_of_and_what_is_small_is_no_change(land):
    after = land.copy()
    after[40:44, 60:64] = 1
    assert (filter_changes(land, after, sure(land), 1, 16) > 0).sum() - 25 == 16
    assert not (filter_changes(land, after, sure(land), 1, 17) % UNKNOWN).any()
    assert not (filter_changes(land, after, np.zeros(land.shape, bool), 1, 1) % UNKNOWN).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 3), st.integers(1, 30))
def test_codes_are_those_of_the_definition_whatever_the_height_of_strips(seed, rows, shift, least):
    rng = np.random.default_rng(seed)
    before, after = (
        np.kron(rng.choice([0, 1, 2, IGNORE], (12, 14), p=[0.4, 0.4, 0.15, 0.05]), np.ones((3, 2))).astype(
            np.uint8
        )
        for _ in range(2)
    )
    certain = rng.random(before.shape) < 0.98
    codes = wide_changes(before, after, certain, shift)
    parts = [codes[strip.slices] for strip in strips(codes.shape, rows)]
    kept = [keep_patches(*each) for each in zip(parts, large_patches(parts, least), strict=True)]
    assert (np.concatenate(kept) == filtered_by_definition(before, after, certain, shift, least)).all()


@settings(max_examples=10)
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
        before, after = DatedMap(a, None, range(3)), DatedMap(b, None, range(3))
        whole = wide_changes(*maps, sure(maps[0]), shift)
        for strip in strips(a.grid.shape, side):
            for window in (strip, Window(strip.row, 7, strip.height, 31)):
                assert (change_codes(before, after, window, rules)[1] == whole[window.slices]).all()


def test_a_patch_that_winds_through_many_strips_is_one():
    codes = np.zeros((40, 41), np.uint16)
    codes[:, ::2] = 3 * 256 + 4
    codes[0, 3::4] = codes[-1, 1::4] = 3 * 256 + 4
    parts = [codes[strip.slices] for strip in strips(codes.shape, 4)]
    for least, is_kept in ((codes.astype(bool).sum(), True), (codes.astype(bool).sum() + 1, False)):
        assert all(large[1:].all() == is_kept for large in large_patches(parts, least))


def test_memory_is_bounded_by_the_strip(tmp_path, monkeypatch):
    """At half a metre, a patch of 2000 m² may be 8000 pixels long; no window is grown by that."""
    grid = Grid(UTM, Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), 3000, 400)
    for name, value in (("a", 3), ("b", 4)):
        write(tmp_path / name, np.full(grid.shape, value, np.uint8), grid=grid)
    table = shipped_params().class_table
    rules = ChangeParams(min_confidence=0.5, shift_px=1, min_area_m2=2000)
    rows = []
    original = raster.Reader.read_band

    def read(self, window=None, band=1):
        rows.append(window.height)
        return original(self, window, band)

    monkeypatch.setattr(raster.Reader, "read_band", read)
    matrix = compare_maps(tmp_path / "a", tmp_path / "b", tmp_path, table, rules)
    assert matrix.loc["vegetation", "water"] == pytest.approx(30)
    assert max(rows) <= BLOCK_PX + 4
    assert sum(rows) < 4.2 * 3000  # each date twice


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
    [polygon] = gpd.read_file(tmp_path / "out/change.gpkg", layer="change").itertuples()
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
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / out).iterdir()} for out in ("one", "two"))
    assert {"change.tif", "change.gpkg"} <= set(one)
    assert one == two


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
    assert {"change.tif", "change.qml", "matrix_ha.csv", "change.gpkg"} <= {p.name for p in docs.iterdir()}


def test_what_it_wrote_itself_is_replaced_unless_somebody_changed_it(land, tmp_path, monkeypatch):
    write(tmp_path / "map", land)
    for _ in range(2):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)
    (tmp_path / "out" / "matrix_ha.csv").write_text("annotated")
    with pytest.raises(PipelineError, match=r"holds matrix_ha\.csv"):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)
    assert (tmp_path / "out" / "matrix_ha.csv").read_text() == "annotated"


@pytest.mark.parametrize(
    ("crs", "step", "x", "y"),
    [
        (4326, (9e-5, 9e-5), 9, 48),
        (4326, (2e-4, 9e-5), 25, 68),
        (3857, (25, 25), 1_000_000, 8_399_738),  # Web Mercator at 60° north, two to one
        (2263, (30, 30), 1_000_000, 200_000),  # US survey feet
    ],
)
def test_matrix_and_polygons_agree_in_metres_on_the_ground(land, crs, step, x, y, tmp_path, monkeypatch):
    grid = Grid(CRS(crs), Affine(step[0], 0, x, 0, -step[1], y), *land.shape)
    after = land.copy()
    after[20:40, 40:70] = 4
    for name, classes in (("old", land), ("new", after)):
        write(tmp_path / name, classes, np.full(land.shape, 254, np.uint8), grid=grid)
    compare(tmp_path / "old", tmp_path / "new", tmp_path / "out", monkeypatch)
    height_m, width_m = grid.pixel_m
    true_ha = 600 * height_m * width_m / 10_000
    matrix = pd.read_csv(tmp_path / "out/matrix_ha.csv", index_col="before")
    polygons = gpd.read_file(tmp_path / "out/change.gpkg", layer="change")
    assert matrix.loc["vegetation", "water"] == pytest.approx(true_ha, rel=0.05)  # the border's pixels
    assert polygons["area_ha"].sum() == pytest.approx(matrix.loc["vegetation", "water"], abs=1e-3)
    assert polygons.area.sum() / 10_000 == pytest.approx(polygons["area_ha"].sum())
    assert raster.describe(tmp_path / "out/change.tif").grid.is_metric


def test_a_map_too_large_for_one_zone_is_one_sentence(land, tmp_path, monkeypatch):
    write(tmp_path / "map", land, grid=Grid(CRS(4326), Affine(0.5, 0, 0, 0, -0.5, 60), *land.shape))
    with pytest.raises(PipelineError, match=r"classes\.tif is too large for metres .* UTM zone; cut it"):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)


def test_a_pixel_whose_confidence_is_unknown_is_not_sure(land, tmp_path, monkeypatch):
    after = land.copy()
    after[20:30, 40:46] = 4
    write(tmp_path / "old", land, np.full(land.shape, IGNORE, np.uint8))
    write(tmp_path / "new", after)
    compare(tmp_path / "old", tmp_path / "new", tmp_path / "out", monkeypatch)
    assert len(gpd.read_file(tmp_path / "out/change.gpkg", layer="change")) == 0


def written(path, values, **profile):
    """A raster as others write it."""
    path.parent.mkdir(exist_ok=True)
    values = np.atleast_3d(values.T).T
    options = {"crs": UTM.to_wkt(), "transform": grid_of(values.shape[1:]).transform} | profile
    with rasterio.open(
        path, "w", "GTiff", *values.shape[:0:-1], len(values), dtype=values.dtype, **options
    ) as file:
        file.write(values)


@pytest.mark.parametrize(
    ("change", "profile", "sentence"),
    [
        (lambda land: land.astype(np.float32), {}, r"classes\.tif has pixels of the type float32"),
        (lambda land: np.stack([land] * 3), {}, r"classes\.tif has 3 bands, but a class raster has one"),
        (
            lambda land: land,
            {"crs": None},
            r"classes\.tif has an affine transform, but no coordinate",
        ),
        (
            lambda land: land,
            {"crs": 'LOCAL_CS["x",UNIT["metre",1]]'},
            r"classes\.tif has the local coordinate reference system 'x', which is nowhere",
        ),
        (
            lambda land: land,
            {"transform": Affine(0, 0, 9, 0, 0, 9)},
            r"classes\.tif has a damaged geotransform",
        ),
        (lambda land: land + 3, {}, r"classes\.tif holds the value 6, but the classes .* are 0 to 5"),
        (lambda land: land.astype(np.int16) - 4, {}, r"classes\.tif holds the value -1, but"),
        (lambda land: land.astype(np.uint32) + (1 << 16), {}, r"classes\.tif holds the value 65539, but"),
        (
            lambda land: land,
            {"transform": Affine(10, 0, 900_000, 0, -10, 5_000_000)},
            "no pixel in common whose class is known",
        ),
    ],
)
@pytest.mark.parametrize("date", ["before", "after"])
def test_what_is_no_class_raster_is_one_sentence(
    date, change, profile, sentence, land, tmp_path, monkeypatch
):
    write(tmp_path / "good", land)
    written(tmp_path / "bad" / "classes.tif", change(land), **profile)
    order = ["bad", "good"] if date == "before" else ["good", "bad"]
    with pytest.raises(PipelineError, match=sentence) as said:
        compare(*(tmp_path / name for name in order), tmp_path / "out", monkeypatch)
    assert "\n" not in str(said.value)
    assert not (tmp_path / "out").exists()


def test_text_and_floating_confidences_are_one_sentence_each(land, tmp_path, monkeypatch):
    write(tmp_path / "map", land)
    written(tmp_path / "map" / "confidence.tif", land.astype(np.float32))
    with pytest.raises(PipelineError, match=r"confidence\.tif has pixels of the type float32"):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)
    (tmp_path / "map" / "classes.tif").write_text("no raster")
    with pytest.raises(PipelineError, match=r"classes\.tif is not a raster"):
        compare(tmp_path / "map", tmp_path / "map", tmp_path / "out", monkeypatch)


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "nodata", "mask"), [(np.int16, -9999, False), (np.uint8, 0, False), (np.uint16, None, True)]
)
def test_other_integers_nodata_values_and_masks_are_read_as_they_are_meant(
    dtype, nodata, mask, shift, land, tmp_path, monkeypatch
):
    after = land.copy()
    after[20:30, 40:46] = 4
    write(tmp_path / "old", np.where(land == IGNORE, 3, land).astype(np.uint8))
    values = np.where(after == IGNORE, dtype(4 if mask else nodata), after.astype(dtype))
    transform = grid_of(land.shape, shift).transform
    written(tmp_path / "new" / "classes.tif", values, transform=transform, nodata=nodata)
    if mask:
        with rasterio.open(tmp_path / "new" / "classes.tif", "r+") as file:
            file.write_mask(after != IGNORE)
    compare(tmp_path / "old", tmp_path / "new", tmp_path / "out", monkeypatch)
    [polygon] = gpd.read_file(tmp_path / "out/change.gpkg", layer="change").itertuples()
    assert polygon.area_ha == pytest.approx(0.6)
    with raster.reading(tmp_path / "out/change.tif") as codes:
        assert (codes.read_band() == UNKNOWN).sum() >= 25
