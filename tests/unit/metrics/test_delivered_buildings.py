import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely import MultiPolygon, Polygon, box

from urbanseg.metrics.delivered_buildings import (
    BUILDING_COUNTS,
    BlockBuildings,
    Objects,
    building_figures,
    count_buildings,
    footprints,
    hausdorff,
    one_to_one,
    overlapping_pairs,
    vertices,
)

UTM = CRS.from_epsg(32632)
STEP = 0.25
sides = st.integers(4, 40)
radii = st.lists(st.floats(2, 20), min_size=3, max_size=9)


def star(lengths: list[float]) -> Polygon:
    """A polygon with vertices at these distances from its middle."""
    angles = np.linspace(0, 2 * np.pi, len(lengths), endpoint=False)
    return Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * np.array(lengths)[:, np.newaxis])


def array(*polygons: Polygon) -> np.ndarray:
    return np.array(polygons, dtype=object)


def moved(polygons: np.ndarray, x: float, y: float = 0.0) -> np.ndarray:
    return shapely.transform(polygons, lambda xy: xy + np.array([x, y]))


def block(reference: np.ndarray, delivered: np.ndarray, cells: int = 1) -> BlockBuildings:
    """All polygons scored, in the first cell of a block."""
    return BlockBuildings(
        cells,
        *(
            Objects(np.arange(len(each)), np.zeros(len(each), np.int64))
            for each in (reference, delivered)
        ),
        overlapping_pairs(reference, delivered, 0.5, STEP),
    )  # fmt: skip


def score(reference: np.ndarray, delivered: np.ndarray) -> dict[str, float]:
    counts, hausdorff_m = count_buildings([block(reference, delivered)])
    return building_figures(counts.sum(axis=0)) | {"hausdorff_m": hausdorff_m}


TOWN = array(*(box(x, y, x + 12, y + 9) for x in range(0, 200, 20) for y in range(0, 100, 20)))
PERFECT = {"precision": 1, "recall": 1, "f1": 1, "c_iou": 1, "vertex_ratio": 1, "hausdorff_m": 0}


def test_a_copy_of_the_footprints_scores_one_everywhere():
    assert score(TOWN, TOWN) == PERFECT


@given(st.lists(radii, min_size=1, max_size=5))
def test_a_copy_of_any_footprints_scores_one_everywhere(shapes):
    polygons = array(*(shapely.affinity.translate(star(each), 50 * i) for i, each in enumerate(shapes)))
    assert score(polygons, polygons[::-1]) == pytest.approx(PERFECT)


@given(sides, sides, st.floats(-4, 4), st.floats(-4, 4))
def test_a_shifted_building_is_as_far_as_the_shift(width, height, x, y):
    house = array(box(0, 0, width, height))
    assume(abs(x) < width / 2)
    assume(abs(y) < height / 2)
    assert hausdorff(house, moved(house, x, y), STEP) == pytest.approx(np.hypot(x, y), abs=STEP / 2)


@given(radii, radii)
@settings(max_examples=25)
def test_the_distance_is_that_of_shapely_with_dense_points_in_either_order(one, other):
    a, b = array(star(one)), array(star(other))
    found = hausdorff(a, b, STEP)[0]
    dense = shapely.hausdorff_distance(*(shapely.segmentize(each.boundary, 0.1) for each in (a[0], b[0])))
    assert found == pytest.approx(dense, abs=STEP / 2 + 0.1)
    assert found == hausdorff(b, a, STEP)[0]


@pytest.mark.parametrize(("side", "is_match"), [(5.0, True), (5.000001, True), (4.999, False)])
def test_an_iou_of_just_one_half_is_a_match(side, is_match):
    found = score(array(box(0, 0, 10, 10)), array(box(0, 0, 10, side)))
    assert found["f1"] == float(is_match)


def test_an_iou_of_one_half_is_a_match_at_coordinates_of_utm():
    far = [moved(array(box(0, 0, 10, side)), 508_123.7, 5_408_456.3) for side in (10, 5)]
    assert score(*far)["f1"] == 1


def test_buildings_on_one_side_only_score_nothing_and_none_at_all_are_undefined():
    assert score(TOWN, TOWN[:0])["f1"] == score(TOWN[:0], TOWN)["f1"] == 0
    assert np.isnan(list(score(TOWN[:0], TOWN[:0]).values())).all()
    assert np.isnan(score(TOWN, TOWN[:0])["c_iou"])


def test_a_missed_house_costs_recall_and_one_too_many_precision():
    assert score(TOWN, TOWN[10:]) == pytest.approx(PERFECT | {"recall": 0.8, "f1": 8 / 9})
    assert score(TOWN[10:], TOWN) == pytest.approx(PERFECT | {"precision": 0.8, "f1": 8 / 9})


def test_each_polygon_is_in_one_pair_the_most_alike_first():
    houses = array(box(0, 0, 10, 10), box(1, 0, 11, 10))
    drawn = array(box(1, 0, 11, 10.5), box(3, 0, 13, 10))
    pairs = one_to_one(overlapping_pairs(houses, drawn, 0.5, STEP))
    assert list(zip(pairs["reference"], pairs["delivered"], strict=True)) == [(1, 0), (0, 1)]
    assert len(overlapping_pairs(houses, drawn, 0.5, STEP)) == 4
    assert score(houses, drawn[:1])["recall"] == 0.5


def test_the_vertex_ratio_and_c_iou_tell_a_staircase_from_a_wall():
    wall = box(0, 0, 20, 20)
    stairs = shapely.union_all([box(0, y, 20 + y % 2, y + 1) for y in range(20)])
    found = score(array(wall), array(stairs))
    n = int(vertices(stairs))
    assert n > 20
    assert found["vertex_ratio"] == n / 4
    iou = wall.intersection(stairs).area / wall.union(stairs).area
    assert found["c_iou"] == pytest.approx(iou * (1 - (n - 4) / (n + 4)))


def test_holes_count_among_the_vertices():
    assert vertices(array(box(0, 0, 9, 9) - box(3, 3, 6, 6), box(0, 0, 1, 1))).tolist() == [8, 4]


def test_a_building_across_blocks_counts_once_and_may_have_its_partner_in_the_other():
    house, drawn = array(box(0, 0, 10, 10)), array(box(1, 0, 11, 10))
    pairs = overlapping_pairs(house, drawn, 0.5, STEP)
    nothing, one = Objects(np.zeros(0, int), np.zeros(0, int)), Objects(np.array([0]), np.array([1]))
    counts, hausdorff_m = count_buildings(
        [BlockBuildings(2, one, nothing, pairs), BlockBuildings(3, nothing, one, pairs)]
    )
    found = {name: counts[:, i].tolist() for i, name in enumerate(BUILDING_COUNTS)}
    assert found["reference"] == found["reference_matched"] == [0, 1, 0, 0, 0]
    assert found["delivered"] == found["delivered_matched"] == [0, 0, 0, 1, 0]
    assert found["reference_vertices"] == [0, 4, 0, 0, 0]
    assert hausdorff_m == 1


def test_parts_within_an_outline_are_no_buildings_but_a_house_in_a_courtyard_is():
    courtyard = box(0, 0, 60, 60) - box(20, 20, 40, 40)
    shapes = {
        "building": [courtyard, box(25, 25, 35, 35), box(0, 0, 15, 15), courtyard,
                     MultiPolygon([box(100, 0, 110, 10), box(120, 0, 130, 10)]),
                     Polygon([(200, 0), (210, 10), (210, 0), (200, 10)]),
                     shapely.LineString([(0, 0), (9, 9)])],
        "road": [box(300, 0, 310, 10)],
    }  # fmt: skip
    rows = [(name, shape) for name, each in shapes.items() for shape in each]
    frame = gpd.GeoDataFrame(rows, columns=["class", "geometry"], crs=UTM)
    found = footprints(frame, ["building"], UTM)
    assert shapely.is_valid(found).all()
    assert sorted(shapely.area(found).tolist()) == [25, 25, 100, 100, 100, 3200]
    assert len(footprints(frame[:0], ["building"], UTM)) == 0
