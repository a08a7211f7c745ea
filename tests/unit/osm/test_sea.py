"""The sea made of coastlines agrees with the land it was drawn around."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.osm.sea import clip, sea

BOX = (24.0, 60.0, 24.2, 60.1)
SIZE = np.array([0.2, 0.1])


def random_land(rng: np.random.Generator) -> shapely.Geometry:
    """Continents, islands and lagoons in and around the box, on OpenStreetMap's grid of 1e-7 degrees."""
    blobs = []
    for _ in range(rng.integers(1, 7)):
        centre = np.array(BOX[:2]) + rng.uniform(-0.3, 1.3, 2) * SIZE
        corners = centre + rng.normal(0, rng.choice([0.05, 0.5]), (7, 2)) * SIZE
        blobs.append(shapely.MultiPoint(corners).convex_hull)
    land = shapely.union_all(blobs)
    for _ in range(rng.integers(0, 3)):
        lagoon = np.array(BOX[:2]) + rng.uniform(0, 1, 2) * SIZE + rng.normal(0, 0.08, (6, 2)) * SIZE
        land = land.difference(shapely.MultiPoint(lagoon).convex_hull)
    return shapely.set_precision(shapely.make_valid(land), 1e-7)


def coastlines(land: shapely.Geometry, rng: np.random.Generator) -> list[np.ndarray]:
    """Its outlines with land on the left, cut into ways at random vertices and shuffled."""
    lines = []
    for part in shapely.get_parts(shapely.orient_polygons(land)):
        for ring in (part.exterior, *part.interiors):
            corners = shapely.get_coordinates(ring)
            cuts = sorted({0, len(corners) - 1, *rng.integers(0, len(corners), 2).tolist()})
            lines += [corners[a : b + 1] for a, b in pairwise(cuts)]
    return [lines[i] for i in rng.permutation(len(lines))]


@given(st.integers(0, 2**32 - 1))
def test_a_point_is_in_the_sea_if_it_is_not_on_land(seed: int) -> None:
    rng = np.random.default_rng(seed)
    land = random_land(rng)
    found = sea(coastlines(land, rng), BOX)

    assert found.unknown == []
    assert found.loose == []
    points = np.array(BOX[:2]) + rng.uniform(0, 1, (400, 2)) * SIZE
    far = shapely.distance(land.boundary, shapely.points(points)) > 1e-9
    on_land = shapely.contains_xy(land, *points[far].T)
    in_sea = np.zeros(far.sum(), int)
    for part in found.water:
        assert part.is_valid
        in_sea += shapely.contains_xy(part, *points[far].T)
    np.testing.assert_array_equal(in_sea, ~on_land)


def test_random_coasts_have_land_sea_islands_and_lagoons() -> None:
    parts = holes = mixed = 0
    for seed in range(50):
        land = random_land(np.random.default_rng(seed))
        inside = land.intersection(shapely.box(*BOX))
        parts += shapely.get_num_geometries(land) > 1
        holes += any(shapely.get_num_interior_rings(shapely.get_parts(land)) > 0)
        mixed += 0.05 < inside.area / SIZE.prod() < 0.95
    assert min(parts, holes, mixed) > 10


def area_of(shapes: list[shapely.Polygon]) -> float:
    """Area as a share of the box."""
    return round(sum(shape.area for shape in shapes) / SIZE.prod(), 9)


def line(*shares: tuple[float, float]) -> np.ndarray:
    """Positions given as shares of the box, from its lower left corner."""
    return np.array(BOX[:2]) + np.array(shares) * SIZE


def test_land_is_on_the_left_of_a_coast_that_crosses_the_box() -> None:
    found = sea([line((-1, 0.25), (2, 0.25))], BOX)
    assert area_of(found.water) == pytest.approx(0.25)
    found = sea([line((2, 0.25), (-1, 0.25))], BOX)
    assert area_of(found.water) == pytest.approx(0.75)


def test_an_island_is_a_hole_in_the_sea_and_a_lagoon_water_in_the_land() -> None:
    island = line((0.2, 0.2), (0.6, 0.2), (0.6, 0.7), (0.2, 0.7), (0.2, 0.2))
    assert area_of(sea([island], BOX).water) == pytest.approx(1 - 0.2)
    assert area_of(sea([island[::-1]], BOX).water) == pytest.approx(0.2)


@pytest.mark.parametrize(("heading", "expected"), [(1, 0.0), (-1, 1.0)])
def test_a_box_without_coast_is_what_the_nearest_coast_says(heading: int, expected: float) -> None:
    south_of_it = line((-3, -0.5), (0.5, -0.4), (3, -0.5))[::heading]
    far_away = line((-3, 9), (3, 9))[::heading]
    assert area_of(sea([far_away, south_of_it], BOX).water) == expected


def test_the_corner_of_a_cape_tells_the_side_rightly() -> None:
    cape = line((-3, -0.2), (0.5, -0.1), (0.6, -3))  # sea south of it, land to the north
    assert area_of(sea([cape], BOX).water) == 0
    assert area_of(sea([cape[::-1]], BOX).water) == 1


def test_without_any_coast_there_is_no_sea() -> None:
    assert sea([], BOX).water == []


def test_a_coast_with_a_gap_is_not_known_but_an_unbroken_one_beside_it_is() -> None:
    wall = line((0.5, -1), (0.5, 2))  # land to the west
    gap = [line((0.8, 0.2), (0.9, 0.2), (0.9, 0.8)), line((0.9, 0.85), (0.8, 0.85))]
    found = sea([wall, *gap], BOX)
    assert area_of(found.unknown) == pytest.approx(0.5)
    assert found.water == []
    assert len(found.loose) == 4


def test_a_loose_end_beside_the_border_is_extended_to_it() -> None:
    close = 100 / 111_320 / SIZE[1]
    found = sea([line((0.5, 1 - close), (0.5, close))], BOX)  # heading south: sea to the west
    assert found.loose == []
    assert area_of(found.water) == pytest.approx(0.5)


def test_coasts_that_cross_or_contradict_each_other_are_not_known() -> None:
    crossing = [line((-1, 0.3), (2, 0.6)), line((-1, 0.6), (2, 0.3))]
    assert area_of(sea(crossing, BOX).unknown) == pytest.approx(1, abs=0.6)
    assert sea(crossing, BOX).unknown
    facing = [line((-1, 0.3), (2, 0.3)), line((-1, 0.6), (2, 0.6))]
    found = sea(facing, BOX)
    assert area_of(found.unknown) == pytest.approx(0.3)
    assert area_of(found.water) == pytest.approx(0.3)
    assert sea([facing[0], facing[0][::-1]], BOX).water == []


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_a_clipped_line_is_the_part_inside_in_the_same_direction(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    whole = np.array(BOX[:2]) + rng.uniform(-0.5, 1.5, (count, 2)) * SIZE
    parts = clip(whole, BOX)
    expected = shapely.LineString(whole).intersection(shapely.box(*BOX))
    assert sum(shapely.LineString(part).length for part in parts) == pytest.approx(expected.length, abs=1e-12)
    along = shapely.LineString(whole)
    places = [along.project(shapely.Point(corner)) for part in parts for corner in part]
    if along.is_simple:
        assert places == sorted(places)
    for part in parts:
        assert (part >= np.array(BOX[:2])).all()
        assert (part <= np.array(BOX[2:])).all()
