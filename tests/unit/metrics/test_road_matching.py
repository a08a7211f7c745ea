import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, affinity

from urbanseg.metrics.road_matching import MatchedLengths, match_lengths

BUFFER = 6.0
points = st.tuples(st.integers(0, 60), st.integers(0, 60))
lines = st.lists(points, min_size=2, max_size=5, unique=True).map(LineString)
networks = st.lists(lines, max_size=5).map(lambda made: np.array(made, dtype=object))


def network(*lines) -> np.ndarray:
    return np.array([LineString(line) for line in lines], dtype=object)


@given(networks, networks)
def test_lengths_are_those_of_a_drawn_buffer(reference, predicted):
    found = match_lengths(reference, predicted, BUFFER)
    # A drawn circle is a polygon inside the true one: 64 corners a quarter miss less than 0.1 %.
    for own, other, length, matched in (
        (reference, predicted, found.reference, found.reference_matched),
        (predicted, reference, found.predicted, found.predicted_matched),
    ):
        drawn = shapely.union_all(shapely.buffer(other, BUFFER, quad_segs=64))
        wider = shapely.union_all(shapely.buffer(other, BUFFER * 1.001, quad_segs=64))
        assert length == pytest.approx(shapely.length(own).sum())
        low, high = (shapely.length(shapely.intersection(own, area)).sum() for area in (drawn, wider))
        assert low - 1e-6 <= matched <= high + 1e-6


@given(networks)
def test_a_perfect_network_is_complete_and_correct(roads):
    found = match_lengths(roads, roads, BUFFER)
    if len(roads):
        assert (found.completeness, found.correctness, found.quality) == pytest.approx((1, 1, 1))
    else:
        assert np.isnan([found.completeness, found.correctness, found.quality]).all()


@given(networks, networks)
def test_exchanging_the_networks_exchanges_completeness_and_correctness(reference, predicted):
    one, other = match_lengths(reference, predicted, BUFFER), match_lengths(predicted, reference, BUFFER)
    np.testing.assert_array_equal(one.completeness, other.correctness)
    np.testing.assert_array_equal(one.correctness, other.completeness)


@given(networks, networks, points, st.sampled_from([0, 90, 180]))
def test_lengths_are_invariant_under_moves_and_quarter_turns(reference, predicted, shift, angle):
    moved = [
        np.array(
            [affinity.translate(affinity.rotate(line, angle, origin=(0, 0)), *shift) for line in roads],
            dtype=object,
        )
        for roads in (reference, predicted)
    ]
    here, there = match_lengths(reference, predicted, BUFFER), match_lengths(*moved, BUFFER)
    assert there.reference_matched == pytest.approx(here.reference_matched, abs=1e-6)
    assert there.predicted_matched == pytest.approx(here.predicted_matched, abs=1e-6)


def test_a_road_within_the_buffer_is_all_matched_and_one_beyond_is_not():
    street = network([(0, 0), (100, 0)])
    assert match_lengths(street, network([(0, 5), (100, 5)]), 5.0).completeness == 1
    assert match_lengths(street, network([(0, 5.1), (100, 5.1)]), 5.0).completeness == 0


def test_half_a_road_and_a_road_too_many():
    # The prediction reaches 3 m beyond the half it has, and adds 100 m elsewhere.
    found = match_lengths(network([(0, 0), (200, 0)]), network([(0, 0), (100, 0)], [(0, 50), (100, 50)]), 3.0)
    assert found == MatchedLengths(200, pytest.approx(103), 200, 100)
    assert found.completeness == pytest.approx(103 / 200)
    assert found.correctness == 0.5
    assert found.quality == pytest.approx(100 / (200 + 97))


def test_a_crossing_road_is_matched_where_it_crosses():
    found = match_lengths(network([(0, 0), (100, 0)]), network([(50, -40), (50, 40)]), 4.0)
    assert (found.reference_matched, found.predicted_matched) == pytest.approx((8, 8))


def test_pieces_near_several_roads_count_once():
    found = match_lengths(network([(0, 0), (100, 0)]), network([(0, 1), (70, 1)], [(30, -1), (100, -1)]), 2.0)
    assert found.completeness == 1


def test_lengths_add_up_over_areas():
    one = match_lengths(network([(0, 0), (10, 0)]), network([(0, 1), (10, 1)]), 2.0)
    assert one + MatchedLengths(90, 0, 0, 0) == MatchedLengths(100, 10, 10, 10)


def test_points_and_repeated_vertices_have_no_length():
    dotted = network([(0, 0), (0, 0), (10, 0), (10, 0)], [(5, 5), (5, 5)])
    assert match_lengths(dotted, dotted, 1.0).reference == 10
