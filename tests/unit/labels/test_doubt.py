"""What a model firmly contradicts is doubted, what it is unsure of is not; labels are only ever ignored."""

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyproj import CRS

from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.labels import doubt

LEVELS = doubt.Levels(inside=0.8, outside=0.1)
GRID = Grid(CRS.from_epsg(32635), Affine(2, 0, 386_000, 0, -2, 6_673_000), 60, 80)


def scene():
    """A house that both know, one that the map lacks, and one that is gone: probability and labels."""
    probability, labels = np.full((30, 40), 0.05, np.float32), np.zeros((30, 40), np.uint8)
    probability[3:8, 3:8] = 0.9
    probability[15:20, 10:16] = 0.9
    labels[3:8, 3:8] = labels[20:26, 30:36] = 1
    return probability, labels


def find(probability, labels, firmness=0.6, min_px=4):
    return doubt.find(probability, labels, 1, "building", LEVELS, firmness, min_px)


def test_what_the_map_lacks_and_what_is_gone_is_found_and_what_both_know_is_not():
    probability, labels = scene()
    missing, gone = find(probability, labels)
    assert (missing.kind, missing.window) == ("missing", Window(15, 10, 5, 6))
    assert (gone.kind, gone.window) == ("gone", Window(20, 30, 6, 6))
    hidden = doubt.hide(labels, [missing, gone])
    assert (hidden == IGNORE).sum() == 30 + 36
    assert np.array_equal(hidden[hidden != IGNORE], labels[hidden != IGNORE])


def test_a_model_that_is_less_firm_than_asked_for_contradicts_nothing():
    probability, labels = scene()
    probability[15:20, 10:16] = 0.6
    probability[20:26, 30:36] = 0.3
    assert find(probability, labels, firmness=0.9) == []
    assert len(find(probability, labels, firmness=0.2)) == 2


def test_small_objects_ignored_ground_and_the_rim_of_what_is_mapped_are_not_judged():
    probability, labels = scene()
    assert find(probability, labels, min_px=37) == []
    probability[8, 3:8] = 0.9  # one row more than the map has
    labels[14:21, 9:17] = IGNORE
    assert [each.kind for each in find(probability, labels)] == ["gone"]


shares = arrays.arrays(np.float32, (12, 12), elements=st.floats(0, 1, width=32))
classes = arrays.arrays(np.uint8, (12, 12), elements=st.sampled_from([0, 1, 2, IGNORE]))


@given(shares, classes, st.floats(0, 1))
def test_labels_are_ignored_or_stay_and_firmer_means_fewer(probability, labels, firmness):
    found = find(probability, labels, firmness, min_px=1)
    hidden = doubt.hide(labels, found)
    assert ((hidden == labels) | (hidden == IGNORE)).all()
    assert (
        len(find(probability, labels, 1.0, min_px=1)) <= len(found) <= len(find(probability, labels, 0.0, 1))
    )


def test_the_levels_are_means_over_all_blocks_and_none_where_the_model_tells_nothing():
    probability, labels = scene()
    sums = doubt.Sums()
    assert sums.levels is None
    sums.add(probability, labels, 1)
    assert sums.levels is None, "it recognizes less than half of what is labelled"
    for _ in range(5):
        sums.add(np.full((2, 2), 0.9, np.float32), np.array([[1, 1], [IGNORE, 0]], np.uint8), 1)
    sums.add(np.full((5, 5), 0.9, np.float32), np.ones((5, 5), np.uint8), 1)
    assert sums.levels is not None
    assert sums.levels.inside == pytest.approx((25 * 0.9 + 36 * 0.05 + 35 * 0.9) / 96)
    blind = doubt.Sums()
    blind.add(1 - probability, labels == 1, 1)
    assert blind.levels is None


def test_the_review_layer_has_each_object_where_it_lies_and_as_large_as_it_is():
    probability, labels = scene()
    found = find(probability, labels)
    table = doubt.table([(7, Window(20, 30, 30, 40), each) for each in found], GRID)
    assert list(table["kind"]) == ["gone", "missing"]
    assert list(table["area_m2"]) == pytest.approx(list(table.geometry.area))
    left, top = GRID.transform @ (30 + 10, 20 + 15)
    assert table.geometry.iloc[1].bounds == (left, top - 10, left + 12, top)
    assert (table.crs, set(table["block"])) == (GRID.crs, {7})
    empty = doubt.table([], GRID)
    assert isinstance(empty, gpd.GeoDataFrame)
    assert list(empty.columns) == [*doubt.COLUMNS, "geometry"]
