import numpy as np
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shapely import Polygon

from urbanseg.classes import IGNORE
from urbanseg.mapping.outlines import outlines
from urbanseg.mapping.regions import label_regions

UTM = Affine(10, 0, 500_000, 0, -10, 4_000_000)
rasters = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    elements=st.sampled_from([0, 1, 2, IGNORE]),
)


@settings(max_examples=200)
@given(rasters)
def test_polygons_are_valid_and_cover_their_pixels_exactly(classes):
    labels = label_regions(classes)
    polygons = outlines(labels, UTM)
    assert shapely.is_valid(polygons).all()
    assert (
        shapely.area(polygons) == np.bincount(labels.ravel(), minlength=len(polygons) + 1)[1:] * 100
    ).all()
    burnt = np.zeros_like(labels)
    if len(polygons):
        shapes = zip(polygons, range(1, len(polygons) + 1), strict=True)
        burnt = rasterio.features.rasterize(shapes, out=burnt, transform=UTM)
    assert (burnt == labels).all()


@settings(max_examples=200)
@given(rasters)
def test_neighbours_share_every_vertex(classes):
    polygons = outlines(label_regions(classes), UTM)
    assert not len(polygons) or shapely.coverage_is_valid(polygons)


@given(rasters)
def test_shells_run_counter_clockwise_and_holes_clockwise(classes):
    for polygon in outlines(label_regions(classes), UTM):
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)


@given(rasters, st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 360))
def test_any_affine_grid_gives_valid_polygons(classes, width, height, angle):
    transform = Affine.rotation(angle) @ Affine.scale(width, height)
    labels = label_regions(classes)
    areas = shapely.area(outlines(labels, transform))
    pixels = np.bincount(labels.ravel(), minlength=len(areas) + 1)[1:]
    assert np.allclose(areas, pixels * width * height, rtol=1e-6)


def test_a_region_that_touches_itself_at_a_corner_gets_a_hole():
    labels = np.array([[1, 1, 2], [1, 3, 1], [1, 1, 1]], dtype=np.int32)
    ring = outlines(labels, Affine.identity())[0]
    assert len(ring.interiors) == 1
    assert ring.equals(
        Polygon([(0, 0), (2, 0), (2, 1), (3, 1), (3, 3), (0, 3)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    )


def test_a_border_that_stays_straight_has_no_vertex_between_its_ends():
    labels = np.repeat(np.array([[1, 2]], dtype=np.int32), 50, axis=0)
    assert [shapely.get_num_coordinates(p) for p in outlines(labels, UTM)] == [5, 5]


def test_no_region_gives_no_polygon():
    assert len(outlines(np.zeros((4, 4), dtype=np.int32), UTM)) == 0
