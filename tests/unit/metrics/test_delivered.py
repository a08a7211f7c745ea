import json
import sys

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from pyproj import CRS

from stages import evaluate
from tests.conftest import shipped_params
from tests.unit.metrics.conftest import write_vectors
from urbanseg import osm, paths
from urbanseg.classes import IGNORE
from urbanseg.config.labels import MaskLabels, OsmLabels, RasterLabels, VectorLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, blocks
from urbanseg.metrics.counting import Files
from urbanseg.metrics.delivered import Delivered, outline, score_delivered
from urbanseg.metrics.delivered_buildings import BUILDING_COUNTS
from urbanseg.metrics.delivered_reference import Reference, extent, no_reference, reference_from
from urbanseg.metrics.road_counts import NETWORK_COUNTS

TABLE = shipped_params().class_table
TABLE = shipped_params().class_table
RASTER = RasterLabels(source="raster", path="labels.tif", remap={1: "building"})


def scores(city: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What the evaluate stage writes."""
    monkeypatch.setattr(sys, "argv", ["evaluate", city])
    evaluate.main()
    return json.loads(paths.metrics(city).read_text())


def reference(city: str, grid: Grid) -> Reference:
    return reference_from(osm.load_features(paths.osm(city)), grid.crs, "some file", TABLE)


@pytest.fixture
def score(delivered_city, grid, settings):
    """A function that scores the city's vectors in its test blocks of a size, and adds the counts up."""
    rasters = Files(
        *(path(delivered_city) for path in (paths.labels, paths.prediction, paths.confidence, paths.split))
    )

    def run(size: int = 128, held_against: Reference | None = None, workers: int = 1) -> Delivered:
        laid = [block for block in blocks(grid.shape, size) if block.col + block.width > 90]
        wanted = evaluate.plan(settings, grid)
        against = held_against or reference(delivered_city, grid)
        return score_delivered(rasters, paths.geopackage(delivered_city), against, laid, wanted, workers)

    return run


def totals(found: Delivered) -> dict[str, float]:
    return dict(zip(NETWORK_COUNTS, found.roads.sum(axis=0), strict=True)) | dict(
        zip(BUILDING_COUNTS, found.buildings.sum(axis=0), strict=True)
    )


def test_a_map_that_copies_openstreetmap_scores_one_everywhere(delivered_city, monkeypatch):
    scored = scores(delivered_city, monkeypatch)
    roads, buildings = scored["delivered"]["roads"], scored["delivered"]["buildings"]
    lengths = roads.pop("reference_km"), roads.pop("delivered_km")
    assert lengths[0] > 5
    assert lengths[0] == pytest.approx(lengths[1])
    assert list(roads.values()) == pytest.approx([1] * 6, abs=1e-6)
    assert buildings["reference"] == buildings["delivered"] == buildings["matched"] > 300
    names = ("precision", "recall", "f1", "c_iou", "vertex_ratio", "hausdorff_m")
    assert [buildings[name] for name in names] == pytest.approx([1, 1, 1, 1, 1, 0], abs=1e-4)
    assert scored["delivered_building_f1"] == scored["delivered_road_apls"] == 1
    assert scored["delivered"]["basis"]["roads"] == "15 lines of data/osm/demo.parquet"
    assert scored["intervals"]["delivered.buildings.f1"] == [1, 1]
    assert scored["intervals"]["delivered_road_apls"] is None
    assert scored["interval_basis"]["delivered_road_apls"] == "none: 4 blocks, and 10 are needed"


def test_a_map_that_is_moved_scores_less(score, delivered_city, grid, settings, streets, houses):
    east = [shapely.transform(each, lambda xy: xy + np.array([6, 0])) for each in (streets, houses)]
    write_vectors(delivered_city, grid, settings, *east)
    found = score()
    assert found.hausdorff_m == pytest.approx(6, abs=1e-3)
    sums = totals(found)
    assert sums["c_iou"] / sums["reference_matched"] == pytest.approx(24 / 36, abs=1e-6)
    far = [shapely.transform(each, lambda xy: xy + np.array([16, 0])) for each in (streets, houses)]
    write_vectors(delivered_city, grid, settings, *far)
    sums = totals(score())
    assert sums["reference_matched"] == sums["delivered_matched"] == 0
    assert 0.3 < sums["reference_matched_m"] / sums["reference_m"] < 0.7, (
        "streets to the east match themselves"
    )


@pytest.mark.parametrize("size", [64, 97, 300])
def test_what_is_counted_does_not_depend_on_how_blocks_are_laid(
    score, grid, size, streets, houses, reference, predicted, split
):
    counted = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    area = outline(counted, grid)
    inside = shapely.area(shapely.intersection(houses, area)) / shapely.area(houses) >= 0.5
    sums = totals(score(size))
    assert sums["reference"] == sums["delivered"] == inside.sum()
    assert 0 < inside.sum() < len(houses)
    assert sums["reference_m"] == pytest.approx(shapely.length(shapely.intersection(streets, area)).sum())


def test_the_number_of_processes_changes_nothing(score):
    one, two = score(64), score(64, workers=2)
    assert one.roads.tolist() == two.roads.tolist()
    assert one.buildings.tolist() == two.buildings.tolist()
    assert one.hausdorff_m == two.hausdorff_m


def test_beyond_the_extent_of_the_extract_nothing_counts(score, grid, delivered_city):
    features = osm.load_features(paths.osm(delivered_city))
    west, south, east, north = (
        gpd.GeoSeries([shapely.box(*grid.bounds)], crs=grid.crs).to_crs(4326).total_bounds
    )
    features.attrs["extent"] = [west, south, (west + east) / 2, north]
    half, whole = (
        totals(score(held_against=each)) for each in (reference_from(features, grid.crs, "", TABLE), None)
    )
    for name in ("reference", "delivered", "reference_m", "predicted_m"):
        # the test split begins at a third of the width
        assert half[name] / whole[name] == pytest.approx(0.24, abs=0.05), name


def test_an_extent_of_several_boxes_is_all_of_them(grid):
    area = extent([[9.0, 48.7, 9.01, 48.71], [9.02, 48.7, 9.03, 48.71]], grid.crs)
    assert area.geom_type == "MultiPolygon"
    assert area.area == pytest.approx(2 * 737 * 1112, rel=0.01)


def test_without_a_reference_the_parts_are_null_and_it_is_said_why(scored):
    file = "data/osm/demo.parquet"
    assert scored["delivered"] == {
        "roads": None,
        "buildings": None,
        "basis": {
            "roads": f"none: {file} has no lines of the class road",
            "buildings": f"none: {file} has no polygons of the class building",
        },
    }
    assert scored["delivered_road_apls"] is None
    assert not any(name.startswith("delivered") for name in scored["intervals"])


@pytest.mark.parametrize(("name", "part"), [("road", "roads"), ("building", "buildings")])
def test_one_part_may_have_a_reference_and_the_other_none(score, delivered_city, grid, name, part):
    features = osm.load_features(paths.osm(delivered_city))
    found = score(held_against=reference_from(features[features["class"] == name], grid.crs, "a file", TABLE))
    assert [key for key in ("roads", "buildings") if getattr(found, key) is not None] == [part]
    assert [key for key, said in found.basis.items() if not said.startswith("none: ")] == [part]


def test_a_map_without_a_geopackage_is_not_scored_and_a_missing_map_is_an_error(score, delivered_city):
    paths.geopackage(delivered_city).unlink()
    found = score()
    assert (found.roads, found.buildings) == (None, None)
    assert found.basis["roads"] == "none: data/map/demo has no GeoPackage; add gpkg to vectorize.formats"
    paths.map_dir(delivered_city).rmdir()
    with pytest.raises(PipelineError, match=r"demo\.gpkg does not exist; run the vectorize stage"):
        score()


def test_a_map_in_another_crs_or_damaged_is_refused(score, delivered_city, grid, settings, streets, houses):
    other = Grid(grid.crs.from_epsg(32633), grid.transform, grid.height, grid.width)
    write_vectors(delivered_city, other, settings, streets, houses)
    with pytest.raises(PipelineError, match=r"demo\.gpkg and .*demo\.tif are in different coordinate"):
        score()
    paths.geopackage(delivered_city).write_bytes(b"cut off")
    with pytest.raises(PipelineError, match=r"demo\.gpkg is no GeoPackage with the layer road_edges; run"):
        score()


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([RASTER], "raster"),
        ([MaskLabels(source="masks", masks="{a}.png", remap={1: "building"})], "masks"),
        ([VectorLabels(source="vector", path="a.gpkg", classes="road"), RASTER], "vector, raster"),
    ],
)
def test_labels_from_elsewhere_are_no_reference(city, grid, settings, monkeypatch, sources, said):
    monkeypatch.setattr(evaluate, "label_sources", lambda _: dict(enumerate(sources)))
    found = evaluate.reference(city, settings, grid)
    assert found == no_reference(
        f"the labels are made from {said}, not from OpenStreetMap or one vector file"
    )


def test_openstreetmap_is_the_reference_below_other_layers_and_a_vector_file_alone(
    delivered_city, grid, settings, monkeypatch, streets
):
    def held_against(*sources) -> Reference:
        monkeypatch.setattr(evaluate, "label_sources", lambda _: dict(enumerate(sources)))
        return evaluate.reference(delivered_city, settings, grid)

    gpd.GeoDataFrame(geometry=list(streets[:3]), crs=grid.crs).to_file("drawn.gpkg")
    drawn = VectorLabels(source="vector", path="drawn.gpkg", classes="road")
    assert held_against(drawn, OsmLabels(source="osm")).basis["roads"] == "15 lines of data/osm/demo.parquet"
    alone = held_against(drawn)
    assert alone.basis["roads"] == "3 lines of drawn.gpkg"
    assert alone.footprints is None


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_the_outline_of_a_mask_covers_its_pixels_and_no_others(mask):
    here = Grid(CRS.from_epsg(32632), Affine(2.5, 0, 508_000.5, 0, -2.5, 5_408_000), *mask.shape)
    area = outline(mask, here)
    assert area.is_valid
    assert area.area == pytest.approx(mask.sum() * 2.5**2)
    rows, cols = np.indices(mask.shape) + 0.5
    assert (shapely.contains_xy(area, *(here.transform @ (cols, rows))) == mask).all()
