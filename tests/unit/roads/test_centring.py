import networkx as nx
import numpy as np
import pytest
import shapely
from affine import Affine
from shapely import LineString

from urbanseg.roads.centring import FARTHEST_PX, centre
from urbanseg.roads.repair import centre_network
from urbanseg.roads.skeleton import line_graph, road_graph
from urbanseg.roads.surface import CERTAIN, Surface

METRES = Affine(10, 0, 0, 0, -10, 600)
"""Of 60 × 60 pixels of 10 m, whose lower left corner is (0, 0)."""


def drawn(*roads, width=14.0):
    """The probability of road of some lines: the share of each pixel that they cover."""
    road = shapely.union_all(
        [shapely.buffer(LineString(each), width / 2, cap_style="flat") for each in roads]
    )
    shapely.prepare(road)
    at = (np.arange(300) + 0.5) * 2
    x, y = np.meshgrid(at, at[::-1])
    return np.rint(CERTAIN * shapely.contains_xy(road, x, y).reshape(60, 5, 60, 5).mean(axis=(1, 3))).astype(
        np.uint8
    )


def surface_of(probability):
    mask = probability > 0
    return Surface.of(lambda w: mask[w.slices], lambda w: probability[w.slices], mask.shape, METRES)


def centred(probability):
    """The skeleton of the pixels that are likelier a road than not, as it is and centred."""
    skeleton = road_graph(probability >= CERTAIN / 2, METRES, min_spur=30)
    return skeleton, centre_network(skeleton, surface_of(probability))


def lines(graph):
    return np.array([data["geometry"] for *_, data in graph.edges(data=True)])


def junctions(graph):
    return [(data["x"], data["y"]) for node, data in graph.nodes(data=True) if graph.degree(node) > 2]


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.35, 0.8])
@pytest.mark.parametrize("shift", [0.0, 2.5, 5.0, 8.0])
def test_a_line_lies_in_the_middle_of_its_road_wherever_the_pixels_are(slope, shift):
    road = LineString([(50, 80 + shift), (550, 80 + shift + slope * 500)])
    skeleton, after = centred(drawn(road.coords))
    [line] = lines(after)
    inner = [line.interpolate(place) for place in np.linspace(20, line.length - 20, 50)]
    assert shapely.distance(inner, road).max() < 2
    off = [shapely.hausdorff_distance(lines(graph)[0], road) for graph in (skeleton, after)]
    assert off[1] < off[0]


@pytest.mark.parametrize("roads", [
    [((50, 300), (550, 310)), ((290, 50), (330, 550))],
    [((50, 303), (550, 303)), ((304, 303), (430, 60))],
    [((50, 100), (550, 400)), ((60, 420), (540, 180))],
])  # fmt: skip
def test_a_junction_lies_where_the_lines_of_its_roads_meet(roads):
    _, after = centred(drawn(*roads))
    place = shapely.intersection(*(LineString(each) for each in roads))
    apart = [np.hypot(x - place.x, y - place.y) for x, y in junctions(after)]
    assert 1 <= len(apart) <= 2  # thinning may part the arms of a crossing
    assert min(apart) < 6


@pytest.mark.parametrize("end", [400.0, 403.0, 407.0])
def test_a_dead_end_lies_where_its_road_ends(end):
    _, after = centred(drawn([(0, 300), (end, 300)], width=20))
    assert max(data["x"] for _, data in after.nodes(data=True)) == pytest.approx(end, abs=3)


def test_a_road_ends_at_the_edge_of_the_raster():
    _, after = centred(drawn([(-50, 305), (650, 305)], width=10))
    assert sorted(data["x"] for _, data in after.nodes(data=True)) == pytest.approx([0, 600])


def test_what_is_joined_stays_joined_and_nothing_moves_far():
    rng = np.random.default_rng(5)
    probability = drawn(*[rng.uniform(0, 600, (2, 2)) for _ in range(12)])
    skeleton, after = centred(probability)
    assert nx.number_connected_components(after) == nx.number_connected_components(skeleton)
    apart = shapely.hausdorff_distance(shapely.union_all(lines(skeleton)), shapely.union_all(lines(after)))
    assert apart <= 2 * 10 * FARTHEST_PX
    for u, v, data in after.edges(data=True):
        ends = data["geometry"].coords[0], data["geometry"].coords[-1]
        assert ends == tuple((after.nodes[node]["x"], after.nodes[node]["y"]) for node in (u, v))


def test_a_vertex_that_stands_twice_at_a_dead_end_leaves_the_line_whole():
    graph, twice = nx.MultiGraph(), LineString([(5, 305), (5, 305), (205, 305), (205, 305)])
    graph.add_edge(0, 1, line=twice, start=0, length=200.0)
    points = centre(
        graph, np.array([[5.0, 305], [205, 305]]), surface_of(drawn([(0, 305), (210, 305)], width=10))
    )
    assert points == pytest.approx(np.array([[0, 305], [210, 305]]))
    assert graph.edges[0, 1, 0]["length"] == pytest.approx(210)


def test_a_road_of_no_probability_stays_where_it_is():
    points = np.array([[55.0, 305], [205, 305]])
    graph = nx.MultiGraph()
    graph.add_edge(0, 1, line=LineString(points), start=0, length=150.0)
    assert centre(graph, points, surface_of(np.zeros((60, 60), np.uint8))).tolist() == points.tolist()


def test_a_network_without_edges_stays_empty():
    assert not len(centre_network(line_graph([]), surface_of(np.zeros((60, 60), np.uint8))))
