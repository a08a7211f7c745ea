import networkx as nx
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rasterio.features import rasterize
from shapely import LineString

from urbanseg.config.vectorize import RoadParams
from urbanseg.grid import Window
from urbanseg.mapping.tidiness import tidy_for
from urbanseg.roads.centring import FARTHEST_PX
from urbanseg.roads.repair import repair_network
from urbanseg.roads.skeleton import RoadGraph, line_graph, road_graph
from urbanseg.roads.surface import CERTAIN, LIKELY, ON_ROAD, Surface, probability_of, with_weak_roads

RULES = RoadParams(min_spur_m=30, snap_m=15, max_gap_m=50, max_angle_deg=30, min_length_m=100)
masks = arrays.arrays(bool, (20, 24), elements=st.integers(0, 2).map(bool), fill=st.booleans())


UTM = Affine.scale(10, -10)


def surface(mask, probability=None, transform=UTM) -> Surface:
    """Pixels of 10 m; by default roads are as sure as can be, and a metre off them costs 1."""
    if probability is None:
        probability = np.where(mask, CERTAIN, round(LIKELY * CERTAIN)).astype(np.uint8)
    return Surface.of(lambda w: mask[w.slices], lambda w: probability[w.slices], mask.shape, transform)


def joined(*lines, rules=RULES) -> RoadGraph:
    """Repair lines of the square from -400 to 1200 m, whose pixels are sure roads."""
    lines = [LineString(each) for each in lines]
    transform = Affine(10, 0, -405, 0, -10, 1205)  # pixel centres at multiples of 10 m
    mask = rasterize(lines, (160, 160), transform=transform) > 0 if lines else np.zeros((160, 160), bool)
    return repair_network(line_graph(lines), surface(mask, transform=transform), rules)


def repaired(mask, rules=RULES, probability=None) -> RoadGraph:
    return repair_network(road_graph(mask, UTM), surface(mask, probability), rules)


def lengths(graph):
    return sorted(round(data["length"]) for *_, data in graph.edges(data=True))


def test_a_gap_between_two_ends_that_face_each_other_is_bridged():
    graph = joined([(0, 0), (200, 0)], [(240, 0), (500, 0)])
    assert lengths(graph) == [510]  # to the sides of the outermost pixels
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
    assert lengths(graph) == [205, 245, 305]
    [junction] = [node for node, degree in graph.degree() if degree == 3]
    assert (graph.nodes[junction]["x"], graph.nodes[junction]["y"]) == pytest.approx((240, 0), abs=0.1)


def test_roads_from_both_sides_make_a_crossing():
    graph = joined([(0, 0), (200, 0)], [(220, -300), (220, 200)], [(500, 0), (240, 0)])
    assert sorted(d for _, d in graph.degree()) == [1, 1, 1, 1, 4]
    assert nx.is_connected(graph)


def test_the_two_sides_of_a_gap_in_a_ring_are_joined_again_but_not_where_a_short_way_exists():
    ring = [(0, 0), (0, -100), (300, -100), (300, 300), (0, 300), (0, 40)]
    assert lengths(joined(ring)) == [pytest.approx(1400, rel=0.03)]  # corners are rounded
    hook = [(-300, 0), (15, 0), (15, 12), (0, 12)]
    assert len(lengths(joined(hook))) == 1


def test_fragments_and_spurs_go_and_what_is_joined_stays():
    fragment = [(1000, 0), (1060, 0)]
    assert lengths(joined([(0, 0), (200, 0)], fragment)) == [210]
    assert lengths(joined([(0, 0), (200, 0)], [(220, 0), (260, 0)], fragment)) == [270]
    assert lengths(joined([(0, 0), (100, 0), (200, 0)], [(100, 0), (100, 20)])) == [pytest.approx(210, abs=1)]


def test_an_empty_network_stays_empty():
    assert len(joined()) == 0


@given(masks, st.sampled_from([0.0, 25.0, 60.0]), st.sampled_from([0.0, 30.0, 180.0]))
def test_repair_connects_and_never_parts(mask, gap, angle):
    """Whatever was connected stays so; edges join their nodes; bridges cost no more than allowed."""
    rules = RoadParams(min_spur_m=0, snap_m=12, max_gap_m=gap, max_angle_deg=angle, min_length_m=0)
    before = road_graph(mask, Affine.scale(10, -10))
    after = repair_network(before, surface(mask), rules)
    assert nx.number_connected_components(after) <= nx.number_connected_components(before)
    if not gap:
        assert nx.number_connected_components(after) == nx.number_connected_components(before)
    for u, v, data in after.edges(data=True):
        ends = data["geometry"].coords[0], data["geometry"].coords[-1]
        assert ends == tuple((after.nodes[n]["x"], after.nodes[n]["y"]) for n in (u, v))
        assert data["length"] == pytest.approx(data["geometry"].length)
        assert data["length"] > 0
    tips = sum(degree == 1 for _, degree in before.degree())
    added = sum(lengths(after)) - sum(lengths(before))
    moves = 10 * (len(lengths(before)) + len(lengths(after))) + 2 * 10 * FARTHEST_PX * len(lengths(after))
    assert added <= tips * gap / ON_ROAD + moves


@given(masks)
def test_repair_is_the_same_twice(mask):
    graph = road_graph(mask, Affine.scale(10, -10))
    one, two = (repair_network(graph.copy(), surface(mask), RULES) for _ in range(2))
    assert list(one.edges(data=True)) == list(two.edges(data=True))


def test_bridges_end_on_the_road_they_lead_to():
    rng = np.random.default_rng(4)
    mask = np.zeros((200, 200), dtype=bool)
    mask[::20] = mask[:, ::25] = True
    mask &= rng.random(mask.shape) > 0.08
    before = road_graph(mask, Affine.scale(10, -10), min_spur=30)
    after = repair_network(before, surface(mask), RULES)
    share = [max(map(len, nx.connected_components(g))) / len(g) for g in (before, after)]
    assert share[1] > 0.9 > share[0]


def road_with_gap(rows, length=60, gap=slice(28, 34)):
    """A road along the middle row with a gap, in which pixels may be a road where `rows` says."""
    mask = np.zeros((30, length), bool)
    mask[15] = True
    mask[15, gap] = False
    probability = np.where(mask, CERTAIN, LIKELY * CERTAIN).astype(np.uint8)
    probability[rows, np.arange(gap.start, gap.stop)] = CERTAIN // 2
    return mask, probability


def test_a_bridge_follows_what_is_likelier_a_road():
    mask, probability = road_with_gap([14, 13, 12, 12, 13, 14])
    rules = RULES.model_copy(update={"max_gap_m": 80.0})
    [straight] = repaired(mask, rules).edges(data="geometry")
    [bent] = repaired(mask, rules, probability).edges(data="geometry")
    assert shapely.bounds(straight[2])[3] == pytest.approx(-155)
    assert shapely.bounds(bent[2])[3] == pytest.approx(-125, abs=5)


def test_a_wider_gap_is_bridged_where_the_pixels_may_be_a_road():
    mask, probability = road_with_gap([15] * 6)
    assert len(repaired(mask).edges) == 2
    assert len(repaired(mask, probability=probability).edges) == 1


def test_a_doubtful_road_is_led_on_over_a_narrower_gap_than_a_sure_one():
    mask, probability = road_with_gap([15] * 6)
    mask[3] = True  # another road, which is sure
    probability[3] = CERTAIN
    rules = RULES.model_copy(update={"min_length_m": 0.0})
    assert len(repaired(mask, rules, probability).edges) == 2
    probability[15][mask[15]] = 0.6 * CERTAIN
    assert len(repaired(mask, rules, probability).edges) == 3


def test_a_map_whose_probabilities_are_low_all_over_keeps_its_roads():
    mask, probability = road_with_gap([15] * 6)
    assert len(repaired(mask, probability=probability // 3).edges) == len(repaired(mask).edges)


@pytest.mark.parametrize(("certainty", "edges"), [(1.0, 3), (0.55, 1)])
def test_a_dead_end_counts_by_how_sure_it_is(certainty, edges):
    mask = np.zeros((30, 60), bool)
    mask[15] = mask[8:15, 30] = True
    probability = np.full(mask.shape, CERTAIN, np.uint8)
    probability[:15] = certainty * CERTAIN
    assert len(repaired(mask, probability=probability).edges) == edges


def test_a_road_of_two_pixels_lies_in_its_middle():
    mask = np.zeros((20, 60), bool)
    mask[10:12] = True
    [(*_, line)] = repaired(mask).edges(data="geometry")
    assert shapely.get_coordinates(line)[:, 1] == pytest.approx(-110)


@pytest.mark.parametrize("apart", [1, 4])
def test_t_junctions_that_touch_become_a_crossing_and_others_stay(apart):
    mask = np.zeros((61, 81), bool)
    mask[30] = mask[:30, 40] = mask[31:, 40 + apart] = True
    degrees = sorted(degree for _, degree in repaired(mask).degree())
    assert degrees == ([1, 1, 1, 1, 4] if apart == 1 else [1, 1, 1, 1, 3, 3])


def test_the_carriageways_of_a_road_and_the_links_between_them_stay():
    mask = np.zeros((40, 100), bool)
    mask[18] = mask[21] = mask[18:22, 50] = mask[:18, 30] = mask[22:, 70] = True
    after = repaired(mask)
    assert sorted(degree for _, degree in after.degree()) == [1] * 6 + [3] * 4
    assert len(nx.cycle_basis(nx.Graph(after))) == 0
    assert nx.is_connected(after)


def carriageways(openings, side_road=None):
    """Two roads of 6 m that lie 6 m apart, with pixels of 0.5 m, and openings of 4 m between them."""
    mask = np.zeros((80, 600), bool)
    mask[20:32] = mask[44:56] = True
    for col in openings:
        mask[32:44, col : col + 8] = True
    if side_road is not None:
        mask[:20, side_road : side_road + 8] = True
    return mask


@pytest.mark.parametrize(
    ("openings", "side_road", "degrees"),
    [
        (range(60, 541, 40), None, [1] * 4 + [3] * 4),  # of a ladder the first and the last rung stay
        ([60, 300, 540], None, [1] * 4 + [3] * 6),  # 120 m apart: real openings
        ([60, 100, 140], 100, [1] * 5 + [3] * 5 + [4]),  # a real junction
        ([60, 100, 140], 120, [1] * 5 + [3] * 7),  # a side road between two rungs
    ],
)
def test_the_inner_rungs_of_a_ladder_go_and_real_junctions_stay(openings, side_road, degrees):
    fine, rules = Affine.scale(0.5, -0.5), tidy_for(0.5).roads
    mask = carriageways(openings, side_road)
    after = repair_network(road_graph(mask, fine), surface(mask, transform=fine), rules)
    assert sorted(degree for _, degree in after.degree()) == degrees
    assert nx.is_connected(after)


def test_of_a_ring_road_full_of_rungs_one_stays():
    rows, cols = np.indices((370, 370)) - 184.5
    radius, angle = np.hypot(rows, cols), np.degrees(np.arctan2(rows, cols))
    mask = ((radius > 144) & (radius < 156)) | ((radius > 168) & (radius < 180))
    mask |= (radius > 144) & (radius < 180) & (np.abs((angle + 12) % 24 - 12) < 1.5)
    fine = Affine.scale(0.5, -0.5)
    after = repair_network(road_graph(mask, fine), surface(mask, transform=fine), tidy_for(0.5).roads)
    assert sorted(degree for _, degree in after.degree()) == [3, 3]
    assert nx.is_connected(after)


def test_roads_are_the_same_whatever_the_blocks_that_pixels_are_read_by(monkeypatch):
    rng = np.random.default_rng(3)
    mask = np.zeros((120, 150), bool)
    mask[::15] = mask[:, ::18] = True
    mask &= rng.random(mask.shape) > 0.1
    probability = rng.integers(100, CERTAIN, mask.shape, dtype=np.uint8)
    made = []
    for side in (512, 37):
        monkeypatch.setattr("urbanseg.roads.surface.BLOCK_PX", side)
        made.append(list(repaired(mask, probability=probability).edges(data=True)))
    assert len(made[0]) > 20
    assert made[0] == made[1]


def test_pixels_that_may_be_a_road_are_traced_though_another_class_won():
    mask = np.zeros((3, 5), bool)
    mask[1, :2] = True
    values = np.array([[0, 0, 60, 255, 0], [10, 254, 77, 76, 90], [0, 0, 0, 0, 254]], np.uint8)
    traced = with_weak_roads(lambda w: mask[w.slices], lambda w: values[w.slices])(Window(0, 0, 3, 5))
    assert np.argwhere(traced).tolist() == [[1, 0], [1, 1], [1, 2], [1, 4], [2, 4]]


def test_of_a_class_that_won_the_confidence_leaves_the_rest_to_a_road():
    mask, confidence = np.array([[True, False, False]]), np.array([[200, 200, 255]], np.uint8)
    found = probability_of(lambda w: mask[w.slices], lambda w: confidence[w.slices])(Window(0, 0, 1, 3))
    assert found.tolist() == [[200, 54, 255]]
