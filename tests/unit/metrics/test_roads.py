from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.config.vectorize import RoadParams
from urbanseg.metrics.roads import RoadScores, compare, compare_masks
from urbanseg.roads.skeleton import road_graph

SIZE = (60, 80)
AS_IS = RoadParams(min_spur_m=0, snap_m=0, max_gap_m=0, max_angle_deg=0, min_length_m=0)
masks = st.lists(
    st.tuples(st.booleans(), st.integers(1, 58), st.integers(1, 50), st.integers(5, 30)), max_size=7
).map(lambda strokes: draw(*strokes))


def draw(*strokes) -> np.ndarray:
    """Mask of straight roads: (is horizontal, across, start, length), in pixels."""
    mask = np.zeros(SIZE, bool)
    for horizontal, across, start, length in strokes:
        along = slice(start, start + length)
        mask[(across, along) if horizontal else (along, across)] = True
    return mask


def rules(snap_m: float = 20.0) -> RoadScoreParams:
    return RoadScoreParams(
        connectivity_snap_m=snap_m, buffer_m=15, apls_snap_m=15, apls_spacing_m=50, apls_min_path_m=10
    )


def score(reference, prediction, snap_m=20.0) -> RoadScores:
    sure = np.where(prediction, 254, 0).astype(np.uint8)
    return compare_masks(reference, prediction, sure, (10.0, 10.0), rules(snap_m), AS_IS)


def graph(*lines) -> nx.MultiGraph:
    """Road graph of polylines; equal ends are the same node."""
    ends = sorted({point for line in lines for point in (line[0], line[-1])})
    made = nx.MultiGraph()
    for i, (x, y) in enumerate(ends):
        made.add_node(i, x=float(x), y=float(y))
    for line in lines:
        geometry = LineString(line)
        made.add_edge(ends.index(line[0]), ends.index(line[-1]), geometry=geometry, length=geometry.length)
    return made


CROSS = draw((True, 30, 10, 60), (False, 40, 5, 50))


@given(masks)
def test_a_perfect_prediction_keeps_every_pair_connected(mask):
    result = score(mask, mask)
    assert result.pairs_connected == result.pairs
    assert result.nodes_matched == result.nodes
    assert result.reference == result.prediction


@given(masks, masks)
def test_pairs_are_counted_as_by_trying_each_of_them(reference, prediction):
    to_metres = Affine.scale(10, -10)
    real, mapped = road_graph(reference, to_metres), road_graph(prediction, to_metres)
    component = {node: i for i, part in enumerate(nx.connected_components(mapped)) for node in part}
    pieces = [(data["geometry"], component[u]) for u, _, data in mapped.edges(data=True)]
    pieces += [(Point(data["x"], data["y"]), component[node]) for node, data in mapped.nodes(data=True)]

    def match(node):
        """Components nearest to a node within reach; several where they are equally far."""
        here = Point(real.nodes[node]["x"], real.nodes[node]["y"])
        away = [(here.distance(piece), owner) for piece, owner in pieces]
        best = min((distance for distance, _ in away), default=np.inf)
        return {owner for distance, owner in away if distance == best <= 20}

    found = {node: match(node) for node in real}
    pairs = [pair for part in nx.connected_components(real) for pair in combinations(part, 2)]
    surely = sum(found[u] == found[v] and len(found[u]) == 1 for u, v in pairs)
    perhaps = sum(bool(found[u] & found[v]) for u, v in pairs)
    result = compare(real, mapped, rules())
    assert result.pairs == len(pairs)
    assert surely <= result.pairs_connected <= perhaps
    assert result.nodes_matched == sum(bool(owners) for owners in found.values())


@given(masks, masks, st.tuples(st.integers(0, 9), st.integers(0, 9)))
@settings(max_examples=25)
def test_scores_are_invariant_under_translation(reference, prediction, shift):
    offsets = [(before, 9 - before) for before in shift]
    moved = [np.pad(mask, offsets) for mask in (reference, prediction)]
    here, there = score(reference, prediction), score(*moved)
    assert there.prediction.length_m == pytest.approx(here.prediction.length_m)
    assert there.prediction.components == here.prediction.components
    assert (there.nodes, there.pairs) == (here.nodes, here.pairs)


def test_a_gap_in_the_only_road_halves_the_network():
    whole, cut = draw((True, 30, 10, 60)), draw((True, 30, 10, 30), (True, 30, 45, 25))
    result = score(whole, cut)
    assert (result.pairs, result.pairs_connected) == (1, 0)
    assert result.connectivity == 0
    assert result.reference.components == 1
    assert result.reference.largest_share == 1
    assert result.reference.components_per_km == pytest.approx(1 / 0.6)
    assert result.prediction.components == 2
    assert result.prediction.largest_share == pytest.approx(30 / (30 + 25))


def test_of_a_cross_that_lost_an_arm_three_of_five_nodes_stay_connected():
    lost = CROSS.copy()
    lost[30, 42:48] = False  # the eastern arm is cut off from the junction
    result = score(CROSS, lost)
    assert (result.nodes, result.nodes_matched, result.pairs) == (5, 5, 10)
    assert result.pairs_connected == 6  # four nodes still hang together: 4 × 3 / 2 pairs


def test_a_node_without_a_predicted_road_nearby_is_connected_to_nothing():
    west = graph([(0, 0), (100, 0)], [(100, 0), (200, 0)])
    result = compare(west, graph([(0, 15), (120, 15)]), rules(20))
    assert (result.nodes_matched, result.pairs, result.pairs_connected) == (2, 3, 1)


@pytest.mark.parametrize(("snap_m", "connected"), [(14.9, 0), (15.0, 1)])
def test_a_road_counts_as_nearby_up_to_the_snap_distance(snap_m, connected):
    result = compare(graph([(0, 0), (100, 0)]), graph([(0, 15), (100, 15)]), rules(snap_m))
    assert result.pairs_connected == connected


def test_a_node_is_matched_to_an_edge_and_not_only_to_a_node():
    result = compare(graph([(40, 5), (60, 5)]), graph([(0, 0), (100, 0)]), rules(10))
    assert result.connectivity == 1


def test_a_predicted_dot_is_a_component_of_its_own():
    dotted = draw((True, 30, 10, 20))
    dotted[50, 70] = True
    result = score(draw((True, 30, 10, 20)), dotted)
    assert result.prediction.components == 2
    assert result.connectivity == 1


def test_scores_add_up_over_areas():
    lost = CROSS.copy()
    lost[30, 42:48] = False
    one, other = score(CROSS, lost), score(CROSS, CROSS)
    both = one + other
    assert (both.pairs, both.pairs_connected) == (20, 16)
    assert both.lengths.reference == pytest.approx(2 * one.lengths.reference)
    assert both.paths.reference_paths == 2 * one.paths.reference_paths
    assert one.paths.apls < both.paths.apls < other.paths.apls
    assert both.reference.components == 2


def test_lengths_and_paths_are_compared_with_their_own_tolerances():
    # The same road two pixels further down: beyond the 15 m of buffer and snapping, within the 20 m of nodes.
    result = score(draw((True, 30, 10, 60)), draw((True, 32, 10, 60)))
    assert result.connectivity == 1
    assert (result.lengths.completeness, result.paths.apls) == (0, 0)
    near = score(draw((True, 30, 10, 60)), draw((True, 31, 10, 60)))
    assert (near.lengths.completeness, near.lengths.correctness) == (1, 1)
    assert near.paths.apls == pytest.approx(1)


def test_a_predicted_dot_is_a_road_nearby():
    dots = np.zeros(SIZE, bool)
    dots[30, 10] = dots[30, 69] = True
    result = score(draw((True, 30, 10, 60)), dots)
    assert (result.nodes_matched, result.pairs_connected) == (2, 0)


def test_without_any_road_nothing_is_claimed():
    result = score(np.zeros(SIZE, bool), np.zeros(SIZE, bool))
    assert result == RoadScores()
    assert np.isnan(result.connectivity)
    assert np.isnan(result.reference.components_per_km)
    assert np.isnan(result.reference.largest_share)


def test_a_map_without_roads_connects_nothing():
    result = score(CROSS, np.zeros(SIZE, bool))
    assert (result.connectivity, result.nodes_matched) == (0, 0)
    nothing_there = score(np.zeros(SIZE, bool), CROSS)
    assert np.isnan(nothing_there.connectivity)
