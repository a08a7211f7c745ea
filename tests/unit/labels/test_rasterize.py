"""Labels agree with brute force, and do not depend on how a scene is cut."""

from itertools import pairwise

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg import labels
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.labels import LabelParams
from urbanseg.grid import Grid, Window
from urbanseg.labels import rasterize
from urbanseg.osm import footprints

NAMES = ["other", "building", "road", "vegetation"]
CLASSES = ClassTable(tuple(LandClass(i, name, "#808080") for i, name in enumerate(NAMES)))
PARAMS = LabelParams(
    supersample=3,
    priority=["building", "road", "vegetation"],
    min_share={"building": 0.4, "road": 0.3, "vegetation": 0.5},
    line_width_m={"primary": 16, "stream": 3},
    default_line_width_m=6,
    lane_width_m=3.5,
    unmapped_cell_m=0,
    ignore_scl=[3, 8, 9],
    cloud_dilation_m=30,
)
UTM = CRS.from_epsg(32635)


def grid_of(height: int, width: int, resolution: float = 10.0) -> Grid:
    return Grid(UTM, Affine(resolution, 0, 385_000, 0, -resolution, 6_673_000), height, width)


def random_city(rng: np.random.Generator, grid: Grid, count: int) -> gpd.GeoDataFrame:
    """Features of all sorts: blobs with holes, multipolygons, and lines with widths."""
    left, bottom, right, top = grid.bounds
    span = max(right - left, top - bottom)
    rows = []
    for _ in range(count):
        at = rng.uniform((left - 30, bottom - 30), (right + 30, top + 30))
        kind = rng.integers(4)
        if kind == 0:
            corners = at + rng.uniform(-0.3, 0.3, (int(rng.integers(2, 6)), 2)) * span
            tags = ['{"highway": "primary"}', '{"highway": "x", "width": "9 m"}', '{"lanes": "2"}'][
                rng.integers(3)
            ]
            rows.append(("road", tags, shapely.LineString(corners)))
            continue
        blob = shapely.MultiPoint(at + rng.normal(0, 0.12 * span, (6, 2))).convex_hull
        if kind == 1:
            blob = blob.difference(blob.centroid.buffer(0.06 * span))
        if kind == 2:
            blob = blob.union(shapely.affinity.translate(blob, 0.3 * span, 0.1))
        rows.append((["building", "road", "vegetation"][rng.integers(3)], "{}", blob))
    frame = gpd.GeoDataFrame(rows, columns=["class", "tags", "geometry"], crs=UTM)
    return footprints.polygons(frame, UTM, PARAMS)


def brute_force(polygons: gpd.GeoDataFrame, grid: Grid, params: LabelParams) -> np.ndarray:
    """Each fine pixel's centre asked of each polygon, then the stated rule, one pixel at a time."""
    factor = params.supersample
    fine_grid = grid.finer(factor)
    rows, cols = np.mgrid[: fine_grid.height, : fine_grid.width] + 0.5
    x, y = fine_grid.transform @ (cols, rows)
    fine = np.full(fine_grid.shape, "other", dtype=object)
    for name in reversed(params.priority):
        for polygon in polygons.geometry[polygons["class"] == name]:
            fine[shapely.contains_xy(polygon, x, y)] = name
    result = np.zeros(grid.shape, np.uint8)
    for row in range(grid.height):
        for col in range(grid.width):
            inside = fine[row * factor : (row + 1) * factor, col * factor : (col + 1) * factor]
            result[row, col] = NAMES.index(winner(inside, params))
    return result


def winner(inside: np.ndarray, params: LabelParams) -> str:
    shares = {name: np.mean(inside == name) for name in params.priority}
    candidates = [name for name in params.priority if shares[name] >= params.min_share[name]]
    return max(candidates, key=lambda name: round(shares[name] / params.min_share[name], 9), default="other")


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    supersample=st.integers(1, 5),
)
def test_labels_equal_brute_force_point_in_polygon_and_the_stated_reduction(
    seed: int, shape: tuple[int, int], supersample: int
) -> None:
    grid = grid_of(*shape)
    params = PARAMS.model_copy(update={"supersample": supersample})
    city = random_city(np.random.default_rng(seed), grid, 12)

    made = labels.rasterize_scene(city, grid, CLASSES, params)

    np.testing.assert_array_equal(made, brute_force(city, grid, params))


def test_random_cities_hold_every_class_so_that_brute_force_says_something() -> None:
    grid = grid_of(24, 24)
    made = labels.rasterize_scene(random_city(np.random.default_rng(2), grid, 20), grid, CLASSES, PARAMS)
    assert set(np.unique(made)) == {0, 1, 2, 3}


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.sets(st.integers(1, 29), max_size=4),
    cols=st.sets(st.integers(1, 21), max_size=4),
    cell_m=st.sampled_from([0, 35, 80]),
)
def test_labels_do_not_depend_on_how_the_scene_is_cut_into_windows(
    seed: int, rows: set[int], cols: set[int], cell_m: float
) -> None:
    grid = grid_of(30, 22, 0.7)
    params = PARAMS.model_copy(update={"unmapped_cell_m": cell_m / 14})
    label = labels.labeller(random_city(np.random.default_rng(seed), grid, 6), grid, CLASSES, params)
    whole = label(Window(0, 0, 30, 22))

    pieces = np.full(grid.shape, 99, np.uint8)
    tops, lefts = [0, *sorted(rows), 30], [0, *sorted(cols), 22]
    for top, bottom in pairwise(tops):
        for left, right in pairwise(lefts):
            window = Window(top, left, bottom - top, right - left)
            pieces[window.slices] = label(window)

    np.testing.assert_array_equal(pieces, whole)


def test_edges_through_pixel_centres_fall_the_same_way_in_every_window() -> None:
    grid = grid_of(40, 40)
    left, _, _, top = grid.bounds
    corners = np.array([(0.5, 0.5), (30.5, 0.5), (37.5, 21.5), (18.5, 39.5), (0.5, 21.5)]) * 10
    shape = shapely.Polygon(np.array([left, top]) + corners * (1, -1))
    city = gpd.GeoDataFrame({"class": ["building"]}, geometry=[shape], crs=UTM)
    label = labels.labeller(city, grid, CLASSES, PARAMS.model_copy(update={"supersample": 1}))
    whole = label(Window(0, 0, 40, 40))
    for size in (1, 3, 7):
        for row in range(0, 40, size):
            for col in range(0, 40, size):
                window = Window(row, col, min(size, 40 - row), min(size, 40 - col))
                np.testing.assert_array_equal(label(window), whole[window.slices])


def test_a_scene_larger_than_one_window_is_labelled_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasterize, "FINE_SIDE", 60)
    grid = grid_of(70, 90)
    assert len(labels.windows(grid.shape, PARAMS)) > 9
    city = random_city(np.random.default_rng(5), grid, 8)
    whole = labels.labeller(city, grid, CLASSES, PARAMS)(Window(0, 0, 70, 90))
    np.testing.assert_array_equal(labels.rasterize_scene(city, grid, CLASSES, PARAMS), whole)


def test_roads_over_parks_are_roads_and_buildings_over_anything_are_buildings() -> None:
    grid = grid_of(4, 4)
    left, bottom, right, top = grid.bounds
    everywhere = shapely.box(left, bottom, right, top)
    lower = shapely.box(left, bottom, right, bottom + 20)
    corner = shapely.box(left, bottom, left + 10, bottom + 10)
    city = gpd.GeoDataFrame(
        {"class": ["building", "vegetation", "road"]}, geometry=[corner, everywhere, lower], crs=UTM
    )
    expected = [[3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 2, 2]]
    np.testing.assert_array_equal(labels.rasterize_scene(city, grid, CLASSES, PARAMS), expected)


@pytest.mark.parametrize(
    ("building", "road", "vegetation", "expected"),
    [
        (39, 0, 0, 0),
        (40, 0, 0, 1),
        (0, 0, 49, 0),
        (0, 0, 50, 3),
        (40, 31, 0, 2),  # 1.00 of its minimum share against 1.03
        (40, 30, 0, 1),  # equally far: the higher priority
        (42, 30, 20, 1),
        (0, 45, 55, 2),  # 1.5 against 1.1
        (39, 29, 32, 0),
    ],
)
def test_the_class_furthest_above_its_own_minimum_share_gets_the_pixel(
    building: int, road: int, vegetation: int, expected: int
) -> None:
    fine = np.zeros(100, np.uint8)
    fine[: building + road + vegetation] = np.repeat([1, 2, 3], [building, road, vegetation])
    fine = np.random.default_rng(0).permutation(fine).reshape(10, 10)
    assert rasterize.reduce(fine, 10, {1: 0.4, 2: 0.3, 3: 0.5}, [1, 2, 3]).tolist() == [[expected]]


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_reducing_by_one_changes_nothing(size: int, seed: int) -> None:
    fine = np.random.default_rng(seed).integers(0, 4, (size, size)).astype(np.uint8)
    np.testing.assert_array_equal(rasterize.reduce(fine, 1, {1: 0.4, 2: 1.0, 3: 0.5}, [1, 2, 3]), fine)


def test_cells_without_any_feature_are_ignored() -> None:
    grid = grid_of(5, 7)
    left, _, _, top = grid.bounds
    pond = shapely.box(left + 1, top - 9, left + 2, top - 8)
    city = gpd.GeoDataFrame({"class": ["vegetation"]}, geometry=[pond], crs=UTM)
    made = labels.rasterize_scene(city, grid, CLASSES, PARAMS.model_copy(update={"unmapped_cell_m": 30}))
    expected = np.full((5, 7), IGNORE)
    expected[:3, :3] = 0
    np.testing.assert_array_equal(made, expected)


def test_without_features_everything_is_other() -> None:
    empty = gpd.GeoDataFrame({"class": [], "tags": []}, geometry=[], crs=4326)
    city = footprints.polygons(empty, UTM, PARAMS)
    assert not labels.rasterize_scene(city, grid_of(3, 4), CLASSES, PARAMS).any()


def test_pixels_outside_the_extract_are_not_known() -> None:
    grid = grid_of(6, 6, 1000.0)
    left, bottom, right, top = grid.bounds
    west, south, east, north = (
        gpd.GeoSeries([shapely.box(left + 2000, bottom, right, top)], crs=UTM).to_crs(4326).total_bounds
    )
    known = rasterize.covered([west, south, east, north], grid)
    inside = known(Window(0, 0, 6, 6))
    assert inside[:, 2:].all()
    assert not inside[:, 0].any()
    np.testing.assert_array_equal(known(Window(3, 1, 2, 4)), inside[3:5, 1:5])


def test_an_extract_of_several_boxes_is_known_in_any_of_them() -> None:
    grid = grid_of(6, 6, 1000.0)
    left, bottom, right, top = grid.bounds
    squares = [
        shapely.box(left, bottom, left + 2500, top),
        shapely.box(right - 2500, bottom, right, bottom + 2500),
    ]
    boxes = [gpd.GeoSeries([square], crs=UTM).to_crs(4326).total_bounds for square in squares]
    inside = rasterize.covered([list(box) for box in boxes], grid)(Window(0, 0, 6, 6))
    assert inside[:, :2].all()
    assert inside[4:, 4:].all()
    assert not inside[:3, 3:].any()


def rows_of(*rows: tuple[str, shapely.Geometry]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(list(rows), columns=["class", "geometry"], geometry="geometry", crs=UTM)


def test_polygons_to_ignore_are_ignored_where_no_class_is() -> None:
    grid = grid_of(4, 4)
    left, bottom, right, top = grid.bounds
    unknown = shapely.box(left, bottom, right, top - 20)
    house = shapely.box(left, bottom, left + 10, bottom + 10)
    half = shapely.box(right - 6, top - 20, right, top)
    city = rows_of(("ignore", unknown), ("building", house), ("ignore", half))
    expected = [[0, 0, 0, 255], [0, 0, 0, 255], [255] * 4, [1, 255, 255, 255]]
    np.testing.assert_array_equal(labels.rasterize_scene(city, grid, CLASSES, PARAMS), expected)


def test_what_people_draw_may_be_other_and_leaves_the_rest_open() -> None:
    grid = grid_of(2, 3)
    left, bottom, right, top = grid.bounds
    drawn = rows_of(
        ("other", shapely.box(left, bottom, left + 10, top)),
        ("ignore", shapely.box(right - 10, bottom, right, top)),
    )
    label = labels.labeller(drawn, grid, CLASSES, PARAMS, background="ignore", ignored=labels.HIDDEN)
    assert label(Window(0, 0, 2, 3)).tolist() == [[0, IGNORE, labels.HIDDEN]] * 2
