from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, affinity
from shapely.ops import substring

from urbanseg.metrics import apls
from urbanseg.metrics.apls import PathSums, compare_paths
from urbanseg.roads.skeleton import line_graph

RULES = {"snap_m": 4.0, "spacing_m": 50.0, "min_path_m": 10.0}
steps = st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans())
# Streets along a lattice of 25 m: roads that meet always join, so that a point has one nearest road.
streets = st.sets(steps, min_size=1, max_size=14).map(
    lambda made: [
        LineString([(25 * x, 25 * y), (25 * (x + east), 25 * (y + (not east)))])
        for x, y, east in sorted(made)
    ]
)


def graph(*lines) -> nx.MultiGraph:
    return line_graph([LineString(line) for line in lines])


def score(reference, predicted) -> PathSums:
    return compare_paths(reference, predicted, **RULES)


class Slow:
    """The definition step by step, as the reference implementation goes: points are inserted one by one."""

    def __init__(self, road: nx.MultiGraph) -> None:
        self.graph = nx.MultiGraph()
        self.at = {node: Point(data["x"], data["y"]) for node, data in road.nodes(data=True)}
        self.graph.add_nodes_from(self.at)
        for u, v, data in road.edges(data=True):
            u, v = sorted((u, v))  # noqa: PLW2901, lines run from the lower node
            self.graph.add_edge(u, v, line=data["geometry"], weight=data["length"], first=u)

    def control_points(self, spacing: float) -> list[Point]:
        points = list(self.at.values())
        for *_, data in self.graph.edges(data=True):
            length = data["weight"]
            if length < 0.75 * spacing:
                continue
            if length <= spacing:
                cuts = [length / 2]
            else:
                count = len(np.arange(0, length, spacing)) + 1
                cuts = np.linspace(0, length, count)[1:-1]
            points += [data["line"].interpolate(cut) for cut in cuts]
        return points

    def insert(self, points: list[Point], reach: float) -> list[int | None]:
        """The node of each point, made on the nearest edge; None where that is too far."""
        made = []
        for point in points:
            edges = list(self.graph.edges(keys=True, data=True))
            near = min(edges, key=lambda edge: edge[3]["line"].distance(point), default=None)
            if near is None or near[3]["line"].distance(point) > reach:
                made.append(None)
                continue
            u, v, key, data = near
            first = data["first"]
            last = v if first == u else u
            line, at = data["line"], data["line"].project(point)
            node = len(self.graph) + 1000
            self.graph.remove_edge(u, v, key)
            before, after = substring(line, 0, at), substring(line, at, line.length)
            self.graph.add_edge(
                first,
                node,
                line=LineString(list(before.coords) * 2 if at == 0 else before),
                weight=at,
                first=first,
            )
            rest = line.length - at
            self.graph.add_edge(
                node,
                last,
                line=LineString(list(after.coords) * 2 if rest == 0 else after),
                weight=rest,
                first=node,
            )
            made.append(node)
        return made


def one_way(own, other) -> tuple[int, float]:
    points = Slow(own).control_points(RULES["spacing_m"])
    sides = Slow(own), Slow(other)
    places = sides[0].insert(points, 1e-6), sides[1].insert(points, RULES["snap_m"])
    ways = [dict(nx.all_pairs_dijkstra_path_length(side.graph)) for side in sides]
    total, count = 0.0, 0
    for i, j in combinations(range(len(points)), 2):
        length = ways[0][places[0][i]].get(places[0][j])
        if length is None or length < RULES["min_path_m"]:
            continue
        count += 1
        found = None
        if places[1][i] is not None and places[1][j] is not None:
            found = ways[1][places[1][i]].get(places[1][j])
        total += 1.0 if found is None else min(1.0, abs(length - found) / length)
    return count, total


@given(streets, streets)
@settings(max_examples=25)
def test_sums_are_those_of_inserting_points_and_routing_one_by_one(reference, predicted):
    # Shifted by an odd amount, so that no point is equally far from two roads here either.
    moved = [affinity.translate(line, 1.3, 0.7) for line in predicted]
    real, mapped = line_graph(reference), line_graph(moved)
    found = score(real, mapped)
    assert (found.reference_paths, found.reference_difference) == pytest.approx(one_way(real, mapped))
    assert (found.predicted_paths, found.predicted_difference) == pytest.approx(one_way(mapped, real))


@given(streets)
def test_a_perfect_network_scores_one(lines):
    road = line_graph(lines)
    found = score(road, road)
    assert found.reference_difference == pytest.approx(0, abs=1e-9)
    if found.reference_paths:
        assert found.apls == pytest.approx(1)


@given(streets, streets)
def test_exchanging_the_networks_exchanges_the_directions(reference, predicted):
    real, mapped = line_graph(reference), line_graph(predicted)
    one, other = score(real, mapped), score(mapped, real)
    np.testing.assert_array_equal(one.reference_to_prediction, other.prediction_to_reference)
    np.testing.assert_allclose(one.apls, other.apls)


@given(streets, streets, st.tuples(st.integers(-500, 500), st.integers(-500, 500)))
def test_the_score_is_invariant_under_translation(reference, predicted, shift):
    here = score(line_graph(reference), line_graph(predicted))
    moved = [
        line_graph([affinity.translate(line, *shift) for line in lines]) for lines in (reference, predicted)
    ]
    np.testing.assert_allclose(score(*moved).apls, here.apls, atol=1e-9)


def test_a_road_that_is_missing_a_piece_loses_the_paths_across_it():
    # Nodes 0 and 200 and control points at 50, 100, 150: ten paths; two points stay on each side.
    whole = graph([(0, 0), (200, 0)])
    broken = graph([(0, 0), (80, 0)], [(120, 0), (200, 0)])
    found = score(whole, broken)
    assert found.reference_paths == 10
    # 0–50 and 150–200 are right; the point at 100 is far from all, and four paths cross the gap.
    assert found.reference_difference == 8
    assert found.predicted_difference == 0
    assert found.apls == pytest.approx(2 * 0.2 / 1.2)


def test_a_detour_counts_by_how_much_longer_it_is():
    straight = graph([(0, 0), (40, 0)])
    detour = graph([(0, 0), (0, 3), (40, 3), (40, 0)])
    found = compare_paths(straight, detour, snap_m=0.1, spacing_m=100, min_path_m=10)
    assert (found.reference_paths, found.reference_difference) == (1, pytest.approx(6 / 40))


def test_a_way_longer_than_twice_the_true_one_is_as_bad_as_none():
    found = compare_paths(
        graph([(0, 0), (40, 0)]),
        graph([(0, 0), (0, 90), (40, 90), (40, 0)]),
        snap_m=0.1,
        spacing_m=500,
        min_path_m=10,
    )
    assert found.reference_difference == 1


@pytest.mark.parametrize(("snap_m", "similarity"), [(4.9, 0.0), (5.0, 1.0)])
def test_points_are_snapped_up_to_the_snap_distance(snap_m, similarity):
    found = compare_paths(
        graph([(0, 0), (100, 0)]), graph([(0, 5), (100, 5)]), snap_m=snap_m, spacing_m=50, min_path_m=10
    )
    assert found.reference_to_prediction == similarity


@pytest.mark.parametrize(
    ("length", "points"), [(37, 2), (38, 3), (50, 3), (51, 3), (100, 3), (101, 4), (120, 4)]
)
def test_control_points_are_spaced_as_in_the_reference_implementation(length, points):
    network = apls._network(graph([(0, 0), (length, 0)]))
    assert len(apls._control_points(network, 50.0)[1]) == points


def test_short_paths_are_not_compared():
    found = score(graph([(0, 0), (9, 0)]), graph([(0, 0), (9, 0)]))
    assert found == PathSums()
    assert np.isnan(found.apls)


def test_of_parallel_roads_the_shorter_one_leads():
    both = graph([(0, 0), (100, 0)], [(0, 0), (0, 50), (100, 50), (100, 0)])
    found = compare_paths(graph([(0, 0), (100, 0)]), both, snap_m=4, spacing_m=500, min_path_m=10)
    assert found.reference_difference == 0


def test_a_network_without_counterpart_scores_zero_and_none_at_all_nothing():
    nothing = line_graph([])
    assert score(graph([(0, 0), (100, 0)]), nothing).apls == 0
    assert score(nothing, graph([(0, 0), (100, 0)])).apls == 0
    assert np.isnan(score(nothing, nothing).apls)


def test_many_control_points_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(apls, "MOST_POINTS", 20)
    comb = [[(0, 0), (3000, 0)], *([(x, 0), (x, 40)] for x in range(0, 3001, 100))]
    road = line_graph([LineString(line).segmentize(100) for line in comb])
    found = score(road, road)
    assert found.reference_paths == 20 * 19 // 2
    assert found.apls == 1


def test_sums_add_up_over_areas():
    one = PathSums(10, 2.0, 4, 1.0)
    assert one + PathSums(10, 3.0, 4, 1.0) == PathSums(20, 5.0, 8, 2.0)
    assert (one + one).apls == pytest.approx(one.apls)
