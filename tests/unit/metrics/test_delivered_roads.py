import json

import geopandas as gpd
import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, MultiLineString, Polygon, box

from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.metrics.delivered_roads import centre_lines, clip, join_vertices, score_roads
from urbanseg.roads.skeleton import line_graph

RULES = RoadScoreParams(
    connectivity_snap_m=20, buffer_m=15, apls_snap_m=15, apls_spacing_m=50, apls_min_path_m=10
)
AREA = box(0, 0, 1000, 1000)
coordinates = st.integers(-200, 1200)
networks = st.lists(
    st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=5, unique=True), min_size=1, max_size=6
).map(lambda lines: np.array([LineString(line) for line in lines], dtype=object))


def street_grid(*, shift: float = 0.0) -> np.ndarray:
    """Streets every 250 m that share a vertex where they cross, moved to the east."""
    at = np.arange(-250, 1500, 250)
    streets = [[(x, y) for y in at] for x in at] + [[(x, y) for x in at] for y in at]
    return np.array([LineString([(x + shift, y) for x, y in street]) for street in streets], dtype=object)


def figures(scores) -> list[float]:
    lengths = scores.lengths
    return [
        lengths.completeness, lengths.correctness, lengths.quality, scores.connectivity, scores.paths.apls,
    ]  # fmt: skip


@given(networks)
def test_a_copy_of_the_reference_scores_one_and_all_of_it_is_matched(lines):
    scores = score_roads(lines, lines, AREA, RULES)
    assert scores.lengths.reference_matched == pytest.approx(scores.lengths.reference)
    assert scores.lengths.predicted == scores.lengths.reference
    assert scores.pairs_connected == scores.pairs
    assert scores.paths.reference_difference == pytest.approx(0, abs=1e-6)


def test_a_copy_of_streets_scores_one_everywhere():
    assert figures(score_roads(street_grid(), street_grid(), AREA, RULES)) == pytest.approx([1] * 5)


@pytest.mark.parametrize(("shift", "matched"), [(14.9, True), (15.1, False)])
def test_streets_beside_the_reference_match_up_to_the_buffer(shift, matched):
    north = [LineString([(x, 0), (x, 1000)]) for x in (200, 400, 600)]
    moved = shapely.transform(north, lambda xy: xy + np.array([shift, 0]))
    scores = score_roads(np.array(north), moved, AREA, RULES)
    assert scores.lengths.completeness == scores.lengths.correctness == pytest.approx(float(matched))
    assert (scores.paths.apls > 0.9) == matched


def test_a_street_that_the_map_lacks_costs_completeness_and_one_too_many_costs_correctness():
    all_but_one = street_grid()[1:]
    lacking = score_roads(street_grid(), np.delete(street_grid(), 3), AREA, RULES).lengths
    beyond = score_roads(np.delete(street_grid(), 3), street_grid(), AREA, RULES).lengths
    assert lacking.completeness == beyond.correctness < 0.95
    assert lacking.correctness == beyond.completeness == pytest.approx(1)
    outside = score_roads(street_grid(), all_but_one, AREA, RULES).lengths
    assert outside.completeness == pytest.approx(1), "the first street lies outside the area"


def test_roads_that_cross_without_a_common_vertex_are_not_joined():
    crossing = [LineString([(0, 500), (1000, 500)]), LineString([(500, 0), (500, 1000)])]
    joined = [
        LineString([(0, 500), (500, 500), (1000, 500)]),
        LineString([(500, 0), (500, 500), (500, 1000)]),
    ]
    bridge, junction = (np.array(lines, dtype=object) for lines in (crossing, joined))
    assert score_roads(bridge, bridge, AREA, RULES).reference.components == 2
    assert score_roads(junction, junction, AREA, RULES).reference.components == 1
    assert score_roads(junction, bridge, AREA, RULES).paths.apls < 0.8


@given(networks)
def test_the_parts_in_blocks_are_together_as_long_as_those_in_the_whole(lines):
    blocks = [box(x, y, x + 500, y + 250) for x in (0, 500) for y in (0, 250, 500, 750)]
    whole = shapely.length(clip(lines, AREA)).sum()
    # A line along the border of two blocks is in both.
    along = [LineString([(500, 0), (500, 1000)]), *(LineString([(0, y), (1000, y)]) for y in (250, 500, 750))]
    twice = shapely.length(shapely.intersection(lines[:, np.newaxis], along)).sum()
    assert sum(shapely.length(clip(lines, block)).sum() for block in blocks) == pytest.approx(whole + twice)


@pytest.mark.parametrize(("gap", "networks"), [(0.05, 1), (0.5, 2)])
def test_a_bridge_whose_ends_are_rounded_otherwise_than_the_road_is_joined_to_it(gap, networks):
    road, bridge = LineString([(100, 500), (500, 500)]), LineString([(500 + gap, 500), (900, 500)])
    apart = np.array([road, bridge])
    assert nx.number_connected_components(line_graph(list(apart))) == 2
    assert nx.number_connected_components(line_graph(list(join_vertices(apart, 0.1)))) == networks


def test_nothing_is_left_of_lines_that_only_touch_an_area():
    touching = np.array([LineString([(-10, 0), (0, 0), (-10, 10)]), LineString([(-5, 0), (-5, 9)])])
    assert len(clip(touching, AREA)) == 0
    assert np.isnan(figures(score_roads(touching, touching, AREA, RULES))).all()


def test_centre_lines_are_the_lines_of_the_class_piece_by_piece():
    shapes = {
        "road": [LineString([(9.19, 48.78), (9.2, 48.78)]),
                 MultiLineString([[(9.1, 48.7), (9.11, 48.7)], [(9.2, 48.8), (9.21, 48.8), (9.21, 48.81)]]),
                 Polygon([(9.19, 48.78), (9.2, 48.78), (9.2, 48.79)])],
        "water": [LineString([(9.19, 48.78), (9.2, 48.78)])],
    }  # fmt: skip
    rows = [(name, json.dumps({}), shape) for name, each in shapes.items() for shape in each]
    frame = gpd.GeoDataFrame(rows, columns=["class", "tags", "geometry"], crs=4326)
    found = centre_lines(frame, ["road"], frame.estimate_utm_crs())
    assert [len(line.coords) for line in found] == [2, 2, 3]
    assert shapely.length(found[0]) == pytest.approx(735, abs=1)
    assert len(centre_lines(frame[:0], ["road"], frame.estimate_utm_crs())) == 0
