import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from shapely.affinity import rotate

from tests.unit.mapping.rasters import partitioned
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.regularize import AREA_LIMIT, MAX_CUTS, MAX_DIFFERENCE, regularize

PIXEL = 0.5
TRANSFORM = Affine(PIXEL, 0, 500_000, 0, -PIXEL, 2_800_050)
RECTANGLE = shapely.box(500_020, 2_800_015, 500_035, 2_800_024)
ELL = shapely.box(500_015, 2_800_010, 500_037, 2_800_030) - shapely.box(
    500_023, 2_800_018, 500_040, 2_800_040
)
DIAGONAL = shapely.Polygon(
    [
        (500_012, 2_800_012),
        (500_036, 2_800_012),
        (500_036, 2_800_022),
        (500_030, 2_800_028),
        (500_012, 2_800_028),
    ]
)
COURT = shapely.box(500_012, 2_800_012, 500_034, 2_800_030) - shapely.box(
    500_018, 2_800_017, 500_027, 2_800_024
)


def staircase(shape):
    """The outline of a shape burnt to a raster, along the sides of its pixels."""
    classes = rasterio.features.rasterize(
        [(shape, 1)], out_shape=(100, 110), transform=TRANSFORM, dtype="uint8"
    )
    partition = partitioned(classes)
    return np.array(
        [max(trace(partition, partition.ids == 1).polygons(TRANSFORM), key=shapely.area)], dtype=object
    )


def angles(polygon):
    """Angles at the corners of all rings, in degrees."""
    found = []
    for ring in (polygon.exterior, *polygon.interiors):
        x, y = np.asarray(ring.coords)[:-1].T
        z = x + 1j * y
        found.append(np.angle((np.roll(z, -1) - z) / (z - np.roll(z, 1)), deg=True))
    return np.concatenate(found)


def iou(a, b):
    return (a & b).area / (a | b).area


def direction(polygon):
    """Direction of the longest side, in degrees from 0 to 90."""
    points = np.asarray(polygon.exterior.coords) @ [1, 1j]
    sides = np.diff(points)
    return np.angle(sides[np.argmax(np.abs(sides))], deg=True) % 90


@pytest.mark.parametrize("degrees", [3, 11, 20, 30, 37, 45, 52, 68, 85])
@pytest.mark.parametrize("shape", [RECTANGLE, ELL, COURT], ids=["rectangle", "ell", "court"])
def test_a_building_comes_back_from_its_pixels(shape, degrees):
    true = rotate(shape, degrees)
    stairs = staircase(true)
    (made,) = regularize(stairs, PIXEL)
    assert made.is_valid
    assert np.abs(angles(made)) == pytest.approx(90, abs=1e-6)
    assert len(angles(made)) == len(angles(true))
    turned = (direction(made) - direction(true) + 45) % 90 - 45
    assert abs(turned) < 2
    assert iou(made, true) > iou(stairs[0], true)


def test_a_building_along_the_pixels_stays_to_the_bit():
    stairs = staircase(ELL)
    (made,) = regularize(stairs, PIXEL)
    assert made.normalize().equals_exact(stairs[0].normalize(), 0)


def ragged(shape, seed, share=0.25):
    """The outline of a shape burnt to a raster of which pixels along the edge are flipped."""
    classes = rasterio.features.rasterize(
        [(shape, 1)], out_shape=(100, 110), transform=TRANSFORM, dtype="uint8"
    ).astype(bool)
    edge = ndimage.binary_dilation(classes) & ~ndimage.binary_erosion(classes)
    classes ^= edge & (np.random.default_rng(seed).random(classes.shape) < share)
    partition = partitioned(classes.astype(np.uint8))
    outlines = trace(partition, partition.ids == 1).polygons(TRANSFORM)
    return np.array([shapely.Polygon(max(outlines, key=shapely.area).exterior)], dtype=object)


@pytest.mark.parametrize("degrees", [0, 17, 45, 71])
@pytest.mark.parametrize("shape", [RECTANGLE, ELL, DIAGONAL], ids=["rectangle", "ell", "diagonal"])
def test_a_building_comes_back_from_ragged_pixels(shape, degrees):
    true = rotate(shape, degrees)
    outlines = np.concatenate([ragged(true, seed) for seed in range(4)])
    made = regularize(outlines, PIXEL)
    for was, becomes in zip(outlines, made, strict=True):
        assert iou(becomes, true) > max(0.93, iou(was, true))
    assert np.mean([len(angles(each)) for each in made]) == pytest.approx(len(angles(true)), abs=1.5)


@pytest.mark.parametrize("degrees", [0, 8, 20, 30, 60])
def test_walls_at_45_degrees_are_kept(degrees):
    true = rotate(DIAGONAL, degrees)
    (made,) = regularize(staircase(true), PIXEL)
    assert iou(made, true) > 0.97
    assert np.sort(np.abs(angles(made))) == pytest.approx([45, 45, 90, 90, 90], abs=1e-6)


@pytest.mark.parametrize("degrees", [0, 10, 30])
def test_a_wall_along_no_common_direction_is_kept(degrees):
    true = rotate(
        shapely.Polygon(
            [
                (500_010, 2_800_012),
                (500_038, 2_800_012),
                (500_038, 2_800_020),
                (500_010, 2_800_032),
            ]
        ),
        degrees,
    )
    (made,) = regularize(staircase(true), PIXEL)
    assert iou(made, true) > 0.97
    assert len(angles(made)) == 4


@pytest.mark.parametrize("radius", [3, 5, 8, 15])
def test_a_circle_is_drawn_as_one(radius):
    circle = shapely.Point(500_027.1, 2_800_025.3).buffer(radius)
    stairs = staircase(circle)
    (made,) = regularize(stairs, PIXEL)
    assert iou(made, circle) > max(0.97, iou(stairs[0], circle))
    assert made.exterior.is_ccw == stairs[0].exterior.is_ccw
    assert np.ptp(np.abs(angles(made))) == pytest.approx(0, abs=1e-6)
    assert 4 * np.pi * made.area / made.length**2 > 0.97


def test_a_triangle_is_left_alone():
    triangle = shapely.Polygon([(500_010, 2_800_010), (500_040, 2_800_010), (500_010, 2_800_040)])
    assert regularize(staircase(triangle), PIXEL).tolist() == [None]


def test_a_large_building_is_regularized_and_an_outline_with_too_many_corners_left_alone():
    large = shapely.box(0, 0, 2000 * PIXEL, 1000 * PIXEL)
    teeth = [shapely.box(x, -3, x + 3, 1) for x in range(0, 6 * MAX_CUTS, 6)]
    comb = shapely.union_all([shapely.box(0, 0, 6 * MAX_CUTS, 9), *teeth])
    made = regularize(np.array([large, comb], dtype=object), PIXEL)
    assert made[0].normalize().equals(large.normalize())
    assert made[1] is None


def test_there_may_be_nothing_to_square():
    assert regularize(np.empty(0, dtype=object), PIXEL).shape == (0,)


@settings(max_examples=12)
@given(
    st.integers(6, 30), st.integers(6, 30), st.floats(0, 90), st.integers(0, 2**32 - 1), st.floats(0.3, 20)
)
def test_shapes_are_valid_with_nearly_the_same_area(width, height, degrees, seed, pixel):
    shape = rotate(shapely.box(25, 25, 25 + width, 25 + height), degrees)
    classes = rasterio.features.rasterize([(shape, 1)], out_shape=(80, 80), dtype="uint8")
    classes ^= np.random.default_rng(seed).random(classes.shape) < 0.01
    partition = partitioned(classes)
    outlines = trace(partition, partition.ids == 1).polygons(Affine(pixel, 0, 500_000, 0, -pixel, 4_000_000))
    made = regularize(outlines, pixel)
    assert any(made)
    for was, becomes in zip(outlines, made, strict=True):
        if becomes is not None:
            assert becomes.is_valid
            assert abs(becomes.area - was.area) <= AREA_LIMIT * was.area
            assert (becomes ^ was).area <= MAX_DIFFERENCE * was.area
    again = regularize(outlines, pixel)
    assert (shapely.to_wkb(made) == shapely.to_wkb(again)).all()
    alone = [regularize(outlines[i : i + 1], pixel)[0] for i in range(0, len(outlines), 5)]
    assert (shapely.to_wkb(np.array(alone, dtype=object)) == shapely.to_wkb(made[::5])).all()
