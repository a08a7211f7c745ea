import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.mapping.rasters import partitioned, rasters
from urbanseg.mapping.generalise import simplify, smooth
from urbanseg.mapping.outlines import trace
from urbanseg.mapping.partition import OUTSIDE

SCALE = Affine.scale(1, -1)


def smoothed(classes, soft):
    partition = partitioned(classes)
    rings = trace(partition, partition.ids != OUTSIDE)
    return partition, rings, smooth(rings, partition, np.isin(partition.ids, soft))


@given(rasters, st.sets(st.sampled_from([0, 1, 2, 3])))
def test_smoothing_keeps_the_coverage_whole(classes, soft):
    polygons = smoothed(classes, sorted(soft))[2].polygons(SCALE)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(classes.size)


@given(rasters)
def test_outlines_of_classes_that_are_not_soft_stay(classes):
    partition, before, after = smoothed(classes, [0, 1])
    old, new = before.polygons(SCALE), after.polygons(SCALE)
    for region, (was, becomes) in enumerate(zip(old, new, strict=True), start=1):
        if partition.ids[region] not in {0, 1}:
            assert was.equals(becomes)
        assert shapely.hausdorff_distance(was, becomes) <= 0.5


def test_a_staircase_becomes_a_straight_line():
    rows, cols = np.mgrid[:20, :20]
    polygons = smoothed((rows > cols).astype(np.uint8), [0, 1])[2].polygons(SCALE)
    before = len(np.unique(rows + cols)) * 2
    assert all(shapely.get_num_coordinates(shapely.simplify(p, 1e-9)) <= 10 < before for p in polygons)
    assert shapely.area(polygons).sum() == 400


def test_simplifying_keeps_the_frame_and_drops_small_steps():
    classes = np.zeros((40, 40), dtype=np.uint8)
    classes[:, 20:] = 1
    classes[10:30:2, 20] = 0
    partition = partitioned(classes)
    left, right = simplify(trace(partition, partition.ids != OUTSIDE).polygons(SCALE), 1.5)
    assert left.area + right.area == 1600
    assert (shapely.get_num_coordinates(left), shapely.get_num_coordinates(right)) == (5, 5)
