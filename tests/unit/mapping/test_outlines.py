import numpy as np
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon

from tests.unit.mapping.rasters import partitioned, rasters
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import OUTSIDE

UTM = Affine(10, 0, 500_000, 0, -10, 4_000_000)


def traced(classes):
    """The partition without the outside, and the polygons of its regions."""
    partition = partitioned(classes)
    return partition, trace(partition, partition.ids != OUTSIDE)


@given(rasters)
def test_polygons_are_those_of_rasterio(classes):
    partition, rings = traced(classes)
    polygons = rings.polygons(UTM)
    assert shapely.is_valid(polygons).all()
    reference = rasterio.features.shapes(classes, connectivity=4, transform=UTM)
    theirs = [(int(value), shapely.geometry.shape(outline)) for outline, value in reference]
    values, outlines = np.array([value for value, _ in theirs]), [outline for _, outline in theirs]
    for polygon, value in zip(polygons, partition.ids[1:], strict=True):
        assert (shapely.equals(outlines, polygon) & (values == value)).sum() == 1
    assert len(polygons) == len(theirs)


@given(rasters)
def test_the_binary_of_rings_is_that_of_their_polygons(classes):
    partition = partitioned(classes)
    rings = trace(partition, partition.ids < OUTSIDE)
    assert rings.wkb(UTM).to_pylist() == shapely.to_wkb(rings.polygons(UTM)).tolist()


@given(rasters)
def test_areas_are_the_pixels_of_the_regions(classes):
    partition, rings = traced(classes)
    assert (shapely.area(rings.polygons(UTM)) == partition.pixels[1:] * 100).all()
    signed = np.where(rings.is_hole, -rings.areas(), rings.areas())
    assert (np.bincount(rings.region, signed) == partition.pixels).all()


@given(rasters)
def test_across_each_side_lies_what_a_point_there_lies_in(classes):
    _, rings = traced(classes)
    polygons = rings.polygons(Affine.identity())
    step = rings.points[rings.following()] - rings.points
    middle = rings.points + step / 2
    right = np.column_stack([-step[:, 1], step[:, 0]]) / np.hypot(*step.T)[:, np.newaxis]
    inside = shapely.contains_xy(polygons[:, np.newaxis], *(middle + right / 4).T)
    assert (np.where(inside.any(axis=0), inside.argmax(axis=0) + 1, 0) == rings.across).all()


@given(rasters)
def test_neighbours_share_every_vertex(classes):
    assert shapely.coverage_is_valid(traced(classes)[1].polygons(UTM))


@given(rasters)
def test_shells_run_counter_clockwise_and_holes_clockwise(classes):
    for polygon in traced(classes)[1].polygons(UTM):
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)


@given(rasters, st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 360))
def test_any_affine_grid_gives_the_area_of_its_pixels(classes, width, height, angle):
    transform = Affine.rotation(angle) @ Affine.scale(width, height)
    partition, rings = traced(classes)
    assert np.allclose(
        shapely.area(rings.polygons(transform)), partition.pixels[1:] * width * height, rtol=1e-6
    )


def test_a_region_that_touches_itself_at_a_corner_gets_a_hole():
    classes = np.array([[1, 1, 2], [1, 3, 1], [1, 1, 1]], dtype=np.uint8)
    ring = traced(classes)[1].polygons(Affine.identity())[0]
    assert len(ring.interiors) == 1
    assert ring.equals(
        Polygon([(0, 0), (2, 0), (2, 1), (3, 1), (3, 3), (0, 3)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    )


def test_a_border_that_stays_straight_has_no_vertex_between_its_ends():
    classes = np.repeat(np.array([[1, 2]], dtype=np.uint8), 50, axis=0)
    assert [shapely.get_num_coordinates(p) for p in traced(classes)[1].polygons(UTM)] == [5, 5]


def test_nothing_wanted_gives_no_polygon():
    partition = partitioned(np.zeros((4, 4), dtype=np.uint8))
    assert len(trace(partition, np.zeros(2, dtype=bool)).polygons(UTM)) == 0
