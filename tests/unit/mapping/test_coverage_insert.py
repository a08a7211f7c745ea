import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely.affinity import rotate

from tests.unit.mapping.rasters import partitioned, rasters
from urbanseg.classes import IGNORE
from urbanseg.mapping.coverage_insert import InsertRules, insert_shapes
from urbanseg.mapping.generalise import simplify
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import OUTSIDE
from urbanseg.mapping.regularize import regularize

BUILDING = 1


def coverage(classes, tolerance=0.0):
    """Polygons of a raster and their classes."""
    partition = partitioned(classes)
    inside = partition.ids != OUTSIDE
    polygons = trace(partition, inside).polygons(Affine(1, 0, 500_000, 0, -1, 4_000_000))
    return simplify(polygons, tolerance) if tolerance else polygons, partition.ids[inside]


def framed(polygons):
    return shapely.box(*shapely.total_bounds(polygons))


def with_squares(polygons, ids, least=0.0):
    """The coverage with buildings squared, and the shapes that were tried."""
    shapes = np.full(len(polygons), None, dtype=object)
    shapes[ids == BUILDING] = regularize(polygons[ids == BUILDING], 1.0)
    rules = InsertRules(ids == BUILDING, ids == IGNORE, np.full(len(ids), least), 1e-5)
    return insert_shapes(polygons, shapes, rules, framed(polygons)), shapes


def assert_whole(before, after):
    assert set(shapely.get_type_id(after)) == {shapely.GeometryType.POLYGON}
    assert shapely.is_valid(after).all()
    assert shapely.coverage_is_valid(after)
    assert shapely.union_all(after).equals(framed(before))
    assert shapely.area(after).sum() == pytest.approx(shapely.area(before).sum())


def burnt(*shapes, size=60, background=3):
    """Shapes of class 1 on a background."""
    return rasterio.features.rasterize(
        [(shape, BUILDING) for shape in shapes], (size, size), fill=background, dtype="uint8"
    )


def is_square(polygon, shape):
    return (polygon ^ shape).area < 1e-3


HOUSE = rotate(shapely.box(15, 20, 45, 38), 25)


@given(rasters, st.sampled_from([0.0, 1.5]), st.sampled_from([0.0, 4.0]))
def test_the_coverage_stays_whole(classes, tolerance, least):
    polygons, ids = coverage(classes, tolerance)
    after, _ = with_squares(polygons, ids, least=least)
    assert_whole(polygons, after)
    unknown = ids == IGNORE
    assert (shapely.to_wkb(after[unknown]) == shapely.to_wkb(polygons[unknown])).all()


def town(rng):
    """Turned houses, some of which touch, on blocks of other classes."""
    classes = rng.integers(0, 4, (6, 6)).astype(np.uint8).repeat(12, axis=0).repeat(12, axis=1)
    classes[classes == BUILDING] = 0
    for x, y in rng.uniform(5, 67, (12, 2)):
        house = rotate(shapely.box(x - 5, y - 3, x + 5, y + 3), rng.uniform(0, 90))
        rasterio.features.rasterize([(house, BUILDING)], out=classes)
    return classes


def test_towns_stay_whole_and_most_houses_become_square():
    rng = np.random.default_rng(5)
    done, houses = 0, 0
    for _ in range(25):
        polygons, ids = coverage(town(rng), 1.0)
        after, shapes = with_squares(polygons, ids, least=6.0)
        assert_whole(polygons, after)
        for i in np.flatnonzero(ids == BUILDING):
            became = shapes[i] is not None and is_square(after[i], shapes[i])
            assert became or is_square(after[i], polygons[i])
            done += became
            houses += 1
    assert done > houses / 2


def test_a_house_becomes_square_and_the_far_rest_stays_to_the_byte():
    classes = burnt(HOUSE, size=100)
    classes[70:, :] = 2
    classes[80:90, 10:50] = 0
    polygons, ids = coverage(classes)
    after, shapes = with_squares(polygons, ids)
    assert_whole(polygons, after)
    (house,) = np.flatnonzero(ids == BUILDING)
    assert is_square(after[house], shapes[house])
    assert shapely.get_num_coordinates(after[house]) == 5
    far = ~np.isin(ids, [BUILDING, 3])
    assert far.sum() == 2
    assert (shapely.to_wkb(after[far]) == shapely.to_wkb(polygons[far])).all()


def test_a_house_at_the_frame_or_at_unknown_pixels_keeps_its_outline():
    at_frame = burnt(HOUSE)[:, 20:]
    at_unknown = burnt(HOUSE)
    at_unknown[:28][at_unknown[:28] != BUILDING] = IGNORE
    for classes in (at_frame, at_unknown):
        polygons, ids = coverage(classes)
        after, _ = with_squares(polygons, ids)
        assert (shapely.to_wkb(after) == shapely.to_wkb(polygons)).all()


def test_of_two_squares_that_overlap_the_first_is_kept_if_it_is_clear_of_the_other_outline():
    polygons, ids = coverage(burnt(shapely.box(10, 10, 20, 20), shapely.box(30, 10, 40, 20)))
    first, second = np.flatnonzero(ids == BUILDING)
    rules = InsertRules(ids == BUILDING, ids == IGNORE, np.zeros(len(ids)), 1e-5)
    left, right = shapely.bounds(polygons[[first, second]])
    for reach, kept in ((25, True), (31, False)):
        shapes = np.full(len(polygons), None, dtype=object)
        shapes[first] = shapely.box(left[0], left[1], left[0] - 10 + reach, left[3])
        shapes[second] = shapely.box(right[0] - 6, *right[1:])
        after = insert_shapes(polygons, shapes, rules, framed(polygons))
        assert_whole(polygons, after)
        assert is_square(after[first], shapes[first]) is kept
        assert is_square(after[second], polygons[second])


@pytest.mark.parametrize(("least", "is_cut"), [(0, False), (1000, True)])
def test_pieces_of_a_neighbour_go_on_only_if_they_are_small(least, is_cut):
    classes = burnt(shapely.box(10, 10, 20, 20))
    classes[25:28, :] = 2
    polygons, ids = coverage(classes)
    (house,) = np.flatnonzero(ids == BUILDING)
    shapes = np.full(len(polygons), None, dtype=object)
    west, _, east, north = polygons[house].bounds
    shapes[house] = shapely.box(west, north - 21, east, north)
    rules = InsertRules(ids == BUILDING, ids == IGNORE, np.full(len(ids), least), 1e-5)
    after = insert_shapes(polygons, shapes, rules, framed(polygons))
    assert_whole(polygons, after)
    assert is_square(after[house], shapes[house]) is is_cut


def test_a_shape_that_covers_a_neighbour_is_left_out():
    classes = burnt(shapely.box(10, 10, 20, 20))
    classes[14:16, 20:22] = 2
    polygons, ids = coverage(classes)
    shapes = np.full(len(polygons), None, dtype=object)
    shapes[ids == BUILDING] = shapely.box(*polygons[ids == BUILDING][0].buffer(3).bounds)
    rules = InsertRules(ids == BUILDING, ids == IGNORE, np.zeros(len(ids)), 1e-5)
    after = insert_shapes(polygons, shapes, rules, framed(polygons))
    assert (shapely.to_wkb(after) == shapely.to_wkb(polygons)).all()


def test_what_a_square_leaves_goes_to_the_neighbour_with_the_longest_border():
    classes = burnt(shapely.box(10, 10, 20, 20))
    classes[:, :13] = np.where(classes[:, :13] == BUILDING, BUILDING, 2)
    polygons, ids = coverage(classes)
    (house,) = np.flatnonzero(ids == BUILDING)
    west, south, east, north = polygons[house].bounds
    shapes = np.full(len(polygons), None, dtype=object)
    shapes[house] = shapely.box(west, south, east - 2, north)
    rules = InsertRules(ids == BUILDING, ids == IGNORE, np.zeros(len(ids)), 1e-5)
    after = insert_shapes(polygons, shapes, rules, framed(polygons))
    assert_whole(polygons, after)
    grown = shapely.area(after) - shapely.area(polygons)
    assert grown[ids == 3] == pytest.approx([20])
    assert grown[ids == 2] == pytest.approx([0])


def test_a_shape_may_lie_inside_its_polygon():
    polygons, ids = coverage(burnt(shapely.box(10, 10, 20, 20), shapely.box(30, 30, 40, 40)))
    houses = np.flatnonzero(ids == BUILDING)
    shapes = np.full(len(polygons), None, dtype=object)
    shapes[houses] = shapely.buffer(polygons[houses], [-2, 2], join_style="mitre")
    rules = InsertRules(ids == BUILDING, ids == IGNORE, np.zeros(len(ids)), 1e-5)
    after = insert_shapes(polygons, shapes, rules, framed(polygons))
    assert_whole(polygons, after)
    assert [is_square(after[house], shapes[house]) for house in houses] == [True, True]


def test_a_shape_that_nearly_passes_through_a_vertex_does():
    classes = burnt(shapely.box(10, 10, 20, 20))
    classes[:, 22:] = 2
    classes[15:, 22:24] = 3
    polygons, ids = coverage(classes)
    (house,) = np.flatnonzero(ids == BUILDING)
    west, south, east, north = polygons[house].bounds
    for gap in (-2e-9, -1e-9, 0, 1e-9, 2e-9):
        shapes = np.full(len(polygons), None, dtype=object)
        shapes[house] = shapely.box(west, south, east + 2 + gap, north)
        rules = InsertRules(ids == BUILDING, ids == IGNORE, np.zeros(len(ids)), 1e-5)
        after = insert_shapes(polygons, shapes, rules, framed(polygons))
        assert_whole(polygons, after)
        assert is_square(after[house], shapes[house])
