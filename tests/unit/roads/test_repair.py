import networkx as nx
import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shapely import LineString

from urbanseg.config.vectorize import RoadParams
from urbanseg.roads.repair import repair_network
from urbanseg.roads.skeleton import RoadGraph, line_graph, road_graph

RULES = RoadParams(min_spur_m=30, snap_m=15, max_gap_m=50, max_angle_deg=30, min_length_m=100)
masks = arrays.arrays(bool, (20, 24), elements=st.integers(0, 2).map(bool), fill=st.booleans())


def joined(*lines, rules=RULES) -> RoadGraph:
    return repair_network(line_graph([LineString(each) for each in lines]), rules)


def lengths(graph):
    return sorted(round(data["length"]) for *_, data in graph.edges(data=True))


def test_a_gap_between_two_ends_that_face_each_other_is_bridged():
    graph = joined([(0, 0), (200, 0)], [(240, 5), (500, 0)])
    assert lengths(graph) == [500]
    assert sorted(d for _, d in graph.degree()) == [1, 1]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ([(260, 0), (500, 0)], "wider than max_gap_m"),
        ([(220, 40), (500, 40)], "beside the first road, not ahead of it"),
        ([(230, 5), (260, 300)], "turns away"),
    ],
)
def test_a_gap_is_left_open_where_the_roads_do_not_go_on(second, why):
    assert len(lengths(joined([(0, 0), (200, 0)], second))) == 2, why


def test_a_gap_narrower_than_the_snap_is_closed_in_every_direction():
    assert len(lengths(joined([(0, 0), (200, 0)], [(205, 10), (205, 300)]))) == 1


def test_a_road_that_ends_before_another_gets_a_junction_there():
    graph = joined([(0, 0), (200, 0)], [(240, -300), (240, 200)])
    assert lengths(graph) == [200, 240, 300]
    [junction] = [node for node, degree in graph.degree() if degree == 3]
    assert (graph.nodes[junction]["x"], graph.nodes[junction]["y"]) == (240, 0)


def test_roads_from_both_sides_make_a_crossing():
    graph = joined([(0, 0), (200, 0)], [(220, -300), (220, 200)], [(500, 0), (240, 0)])
    assert sorted(d for _, d in graph.degree()) == [1, 1, 1, 1, 4]
    assert nx.is_connected(graph)


def test_the_two_sides_of_a_gap_in_a_ring_are_joined_again_but_not_where_a_short_way_exists():
    ring = [(0, 0), (0, -100), (300, -100), (300, 300), (0, 300), (0, 40)]
    assert lengths(joined(ring)) == [1400]
    hook = [(-300, 0), (15, 0), (15, 12), (0, 12)]
    assert lengths(joined(hook)) == [342]


def test_fragments_and_spurs_go_and_what_is_joined_stays():
    fragment = [(1000, 0), (1060, 0)]
    assert lengths(joined([(0, 0), (200, 0)], fragment)) == [200]
    assert lengths(joined([(0, 0), (200, 0)], [(220, 0), (260, 0)], fragment)) == [260]
    assert lengths(joined([(0, 0), (100, 0), (200, 0)], [(100, 0), (100, 20)])) == [200]


def test_an_empty_network_stays_empty():
    assert len(joined()) == 0


@settings(max_examples=60)
@given(masks, st.sampled_from([0.0, 25.0, 60.0]), st.sampled_from([0.0, 30.0, 180.0]))
def test_repair_connects_and_never_parts(mask, gap, angle):
    """Whatever was connected stays so; edges join their nodes; a bridge is no longer than allowed."""
    rules = RoadParams(min_spur_m=0, snap_m=12, max_gap_m=gap, max_angle_deg=angle, min_length_m=0)
    before = road_graph(mask, Affine.scale(10, -10))
    after = repair_network(before, rules)
    assert nx.number_connected_components(after) <= nx.number_connected_components(before)
    if not gap:
        assert lengths(after) == lengths(before)
    for u, v, data in after.edges(data=True):
        ends = data["geometry"].coords[0], data["geometry"].coords[-1]
        assert ends == tuple((after.nodes[n]["x"], after.nodes[n]["y"]) for n in (u, v))
        assert data["length"] == pytest.approx(data["geometry"].length)
        assert data["length"] > 0
    tips = sum(degree == 1 for _, degree in before.degree())
    added = sum(lengths(after)) - sum(lengths(before))
    assert added <= tips * gap + len(lengths(before)) + len(lengths(after))


@settings(max_examples=30)
@given(masks)
def test_repair_is_the_same_twice(mask):
    graph = road_graph(mask, Affine.scale(10, -10))
    one, two = repair_network(graph, RULES), repair_network(graph.copy(), RULES)
    assert list(one.edges(data=True)) == list(two.edges(data=True))


def test_bridges_end_on_the_road_they_lead_to():
    rng = np.random.default_rng(4)
    mask = np.zeros((200, 200), dtype=bool)
    mask[::20] = mask[:, ::25] = True
    mask &= rng.random(mask.shape) > 0.08
    before = road_graph(mask, Affine.scale(10, -10), min_spur=30)
    after = repair_network(before, RULES)
    share = [max(map(len, nx.connected_components(g))) / len(g) for g in (before, after)]
    assert share[1] > 0.9 > share[0]
