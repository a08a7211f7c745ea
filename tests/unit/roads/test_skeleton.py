import networkx as nx
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from skimage.draw import line

from urbanseg.roads.skeleton import road_graph

UTM = Affine(10, 0, 500_000, 0, -10, 4_000_000)
PIXELS = Affine.identity()
masks = arrays.arrays(
    bool,
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    elements=st.integers(0, 3).map(bool),
    fill=st.booleans(),
)


def drawn(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def shape(graph):
    """Degrees, and the lengths of the edges."""
    return sorted(d for _, d in graph.degree()), sorted(
        round(d["length"], 3) for *_, d in graph.edges(data=True)
    )


CASES = {
    "empty": (["...", "..."], ([], [])),
    "pixel": (["...", ".#.", "..."], ([0], [])),
    "two pixels": (["##"], ([1, 1], [1])),
    "line": (["#####"], ([1, 1], [4])),
    "diagonal": (["#..", ".#.", "..#"], ([1, 1], [2.828])),
    "cross": (["..#..", "..#..", "#####", "..#..", "..#.."], ([1, 1, 1, 1, 4], [2, 2, 2, 2])),
    "saltire": (["#...#", ".#.#.", "..#..", ".#.#.", "#...#"], ([1, 1, 1, 1, 4], [2.828] * 4)),
    "tee": (["#####", "..#..", "..#.."], ([1, 1, 1, 3], [2, 2, 2])),
    "ring": ([".###.", "#...#", "#...#", "#...#", ".###."], ([2], [13.657])),
    "ring on a stem": (
        ["..#..", "..#..", ".#.#.", "#...#", "#...#", ".#.#.", "..#.."],
        ([1, 3], [1, 13.314]),
    ),
    "parallel edges": (
        ["...###...", "..#...#..", "##.....##", "..#...#..", "...###..."],
        ([1, 1, 3, 3], [1, 1, 7.657, 7.657]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_drawn_network_has_the_nodes_and_lengths_one_counts_by_hand(name):
    rows, expected = CASES[name]
    degrees, lengths = shape(road_graph(drawn(*rows), PIXELS))
    assert degrees == expected[0]
    assert lengths == pytest.approx(expected[1], rel=0.08)  # corners are cut by less than a pixel


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (7, 3)])
def test_no_road_gives_a_graph_without_nodes(size):
    assert len(road_graph(np.zeros(size, dtype=bool), UTM, min_spur=30)) == 0


def test_nodes_and_edges_lie_at_pixel_centres_in_crs_coordinates():
    graph = road_graph(drawn("...", "###"), UTM)
    assert dict(graph.nodes(data=True)) == {
        0: {"x": 500_005.0, "y": 3_999_985.0},
        1: {"x": 500_025.0, "y": 3_999_985.0},
    }
    [(u, v, data)] = graph.edges(data=True)
    assert (u, v, data["length"]) == (0, 1, 20.0)
    assert list(data["geometry"].coords) == [(500_005, 3_999_985), (500_025, 3_999_985)]


@pytest.mark.parametrize("angle", range(0, 91, 5))
def test_the_length_of_a_straight_road_is_right_in_every_direction(angle):
    end = 20 + np.round(300 * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])).astype(int)
    mask = np.zeros((400, 400), dtype=bool)
    mask[line(20, 20, *end)] = True
    road = ndimage.binary_dilation(mask, np.ones((3, 3)))
    [(*_, data)] = road_graph(road, PIXELS, min_spur=6).edges(data=True)
    assert data["length"] == pytest.approx(300, abs=2.5)


@given(masks, st.sampled_from([0.0, 2.0, 5.0]))
def test_the_graph_is_connected_where_the_mask_is(mask, min_spur):
    graph = road_graph(mask, PIXELS, min_spur=min_spur)
    components, count = ndimage.label(mask, np.ones((3, 3)))
    found = [
        {int(components[int(graph.nodes[n]["y"]), int(graph.nodes[n]["x"])]) for n in part} - {0}
        for part in nx.connected_components(graph)
    ]
    assert len(found) == count
    assert all(len(part) <= 1 for part in found)


@given(masks, st.sampled_from([0.0, 2.0, 5.0]))
def test_edges_join_their_nodes_and_measure_what_they_say(mask, min_spur):
    graph = road_graph(mask, UTM, min_spur=min_spur * 10)
    assert list(graph) == list(range(len(graph)))
    for u, v, data in graph.edges(data=True):
        ends = data["geometry"].coords[0], data["geometry"].coords[-1]
        assert ends == tuple((graph.nodes[n]["x"], graph.nodes[n]["y"]) for n in (u, v))
        assert u <= v
        assert data["length"] == pytest.approx(data["geometry"].length)


@given(masks, st.sampled_from([2.0, 5.0]))
def test_no_short_dead_end_and_no_node_in_mid_edge_is_left(mask, min_spur):
    graph = road_graph(mask, PIXELS, min_spur=min_spur)
    for node, degree in graph.degree():
        assert degree != 2 or graph.has_edge(node, node)
        if degree == 1:
            [(_, base, length)] = graph.edges(node, data="length")
            assert length >= min_spur or graph.degree(base) == 1


@given(masks, st.integers(0, 5), st.integers(0, 5))
def test_a_moved_mask_gives_the_moved_graph(mask, down, right):
    here = road_graph(mask, PIXELS, min_spur=3)
    there = road_graph(
        np.pad(mask, ((down, 2), (right, 1))), PIXELS @ Affine.translation(-right, -down), min_spur=3
    )
    assert list(here.edges()) == list(there.edges())
    for these, those in zip(here.nodes.values(), there.nodes.values(), strict=True):
        assert these == pytest.approx(those)
    for these, those in zip(here.edges.values(), there.edges.values(), strict=True):
        assert these["geometry"].equals_exact(those["geometry"], 1e-9)


def test_the_fork_at_the_end_of_a_wide_road_is_pruned_and_the_road_keeps_its_end():
    mask = np.zeros((21, 60), dtype=bool)
    mask[9:12, :50] = True
    for i in range(8):
        mask[[10 - i, 10 + i], 50 + i] = True
    assert len(road_graph(mask, PIXELS)) == 4
    [(*_, data)] = road_graph(mask, PIXELS, min_spur=15).edges(data=True)
    assert data["length"] > 55  # not 49, where the fork was


def test_a_short_road_of_its_own_is_no_spur():
    assert shape(road_graph(drawn("###"), PIXELS, min_spur=100)) == ([1, 1], [2])
