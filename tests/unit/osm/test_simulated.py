"""The embedded city is a valid town plan, and its file holds exactly that plan."""

import errno
import resource
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg import osm
from urbanseg.config.labels import TagRule
from urbanseg.osm.simulated import lay_out, write
from urbanseg.osm.simulated.blocks import USES
from urbanseg.osm.simulated.buildings import Rows, perimeter, rows
from urbanseg.osm.simulated.plan import OUTSIDE, Feature, Road
from urbanseg.osm.simulated.streets import clear, noded, subdivide
from urbanseg.osm.simulated.styles import STYLES

UTM = CRS.from_epsg(32632)
BOUNDS = (510_000.0, 5_400_000.0, 515_000.0, 5_404_000.0)
ANY = {
    "building": [TagRule(geometry="area", tags={"building": "*"})],
    "water": [TagRule(geometry="area", tags={"natural": ["water"]})],
    "road": [TagRule(geometry="line", tags={"highway": "*"})],
}


@pytest.fixture(scope="module")
def city() -> list[Feature]:
    return lay_out("river", 3, BOUNDS)


def of(city: list[Feature], **wanted: str | None) -> np.ndarray:
    """Shapes of the features that have all these tags (None: any value)."""
    return np.array(
        [
            shape
            for shape, tags in city
            if all(key in tags and value in {None, tags[key]} for key, value in wanted.items())
        ],
        dtype=object,
    )


@settings(max_examples=8)
@given(
    style=st.sampled_from(sorted(STYLES)),
    seed=st.integers(0, 10_000),
    width=st.floats(640, 2600),
    height=st.floats(640, 2600),
)
def test_every_city_is_made_of_valid_shapes_that_end_near_its_edge(
    style: str, seed: int, width: float, height: float
) -> None:
    features = lay_out(style, seed, (0, 0, width, height))
    shapes = np.array([shape for shape, _ in features], dtype=object)
    assert len(shapes)
    assert shapely.is_valid(shapes).all()
    assert not shapely.is_empty(shapes).any()
    assert {shape.geom_type for shape in shapes} <= {"Polygon", "MultiPolygon", "LineString"}
    left, bottom, right, top = shapely.total_bounds(shapes)
    assert left > -3 * OUTSIDE
    assert bottom > -3 * OUTSIDE
    assert right < width + 3 * OUTSIDE
    assert top < height + 3 * OUTSIDE


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_city(tmp_path: Path) -> None:
    small = (510_000.0, 5_400_000.0, 511_500.0, 5_401_500.0)
    files = [tmp_path / f"{i}.osm.pbf" for i in range(3)]
    for path, seed in zip(files, (5, 5, 6), strict=True):
        write(path, lay_out("river", seed, small), UTM)
    first, again, other = (path.read_bytes() for path in files)
    assert first == again
    assert first != other


@pytest.mark.parametrize("style", sorted(STYLES))
def test_the_reader_finds_every_feature_of_the_file_with_its_area_and_length(
    style: str, tmp_path: Path
) -> None:
    city = lay_out(style, 3, BOUNDS)
    write(tmp_path / "city.osm.pbf", city, UTM)
    features = osm.read_features(tmp_path / "city.osm.pbf", ANY)
    found = features.to_crs(UTM).set_geometry("geometry")
    for name, wanted in {
        "building": of(city, building=None),
        "water": of(city, natural="water"),
        "road": np.array(
            [s for s, tags in city if "highway" in tags and tags.get("area") != "yes"], dtype=object
        ),
    }.items():
        shapes = found[found["class"] == name].geometry.to_numpy()
        assert len(shapes) == len(wanted)
        assert shapely.area(shapes).sum() == pytest.approx(shapely.area(wanted).sum(), rel=1e-4)
        assert shapely.length(shapes).sum() == pytest.approx(shapely.length(wanted).sum(), rel=1e-4)


def test_the_file_says_how_far_it_reaches_and_no_time(city: list[Feature], tmp_path: Path) -> None:
    write(tmp_path / "city.osm.pbf", city, UTM)
    features = osm.read_features(tmp_path / "city.osm.pbf", ANY)
    west, south, east, north = features.attrs["extent"]
    assert "snapshot" not in features.attrs
    assert shapely.box(west, south, east, north).buffer(1e-6).contains(shapely.box(*features.total_bounds))


@pytest.mark.parametrize("room", [0, 5000])
def test_a_full_disk_is_an_error_that_names_the_file(city: list[Feature], tmp_path: Path, room: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match=r"city\.osm\.pbf") as stop:
            write(tmp_path / "city.osm.pbf", city, UTM)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stop.value.errno == errno.EFBIG


def test_a_lake_with_an_island_is_a_relation_and_comes_back_with_its_hole(tmp_path: Path) -> None:
    island = shapely.Point(510_500, 5_400_500).buffer(60)
    lake = shapely.Point(510_500, 5_400_500).buffer(200) - island
    write(tmp_path / "lake.osm.pbf", [(lake, {"natural": "water"})], UTM)
    features = osm.read_features(tmp_path / "lake.osm.pbf", ANY)
    assert list(features["osm_type"]) == ["relation"]
    found = features.to_crs(UTM).geometry.iloc[0]
    assert found.symmetric_difference(lake).area < 0.01 * lake.area
    assert not found.contains(island.centroid)


def test_roads_cross_water_on_bridges_only(city: list[Feature]) -> None:
    water = shapely.union_all(of(city, natural="water", water="river"))
    level = [s for s, tags in city if tags.get("highway") == "primary" and "layer" not in tags]
    bridges = of(city, bridge="yes")
    assert len(bridges)
    assert shapely.intersects(bridges, water.buffer(10)).any()
    assert shapely.length(shapely.intersection(np.array(level, dtype=object), water)).sum() < 1


def test_buildings_stand_clear_of_streets_and_water(city: list[Feature]) -> None:
    buildings = of(city, building=None)
    level = [(s, tags) for s, tags in city if "highway" in tags and "width" in tags and "tunnel" not in tags]
    streets = shapely.buffer(
        [s for s, _ in level], [float(tags["width"].split()[0]) / 2 - 0.5 for _, tags in level]
    )
    for obstacles in (streets, of(city, natural="water")):
        tree = shapely.STRtree(obstacles)
        i, j = tree.query(buildings, predicate="intersects")
        assert (
            shapely.area(shapely.intersection(buildings[i], obstacles[j])).sum()
            < 0.002 * shapely.area(buildings).sum()
        )


def test_streets_share_their_junction_points(city: list[Feature]) -> None:
    streets = [
        s for s, tags in city if "highway" in tags and "layer" not in tags and tags.get("area") != "yes"
    ]
    ends = np.array([s.coords[i] for s in streets for i in (0, -1) if s.length > 5])
    _, counts = np.unique(ends.round(2), axis=0, return_counts=True)
    assert (counts >= 3).sum() > 0.5 * (counts > 0).sum()


def test_the_city_writes_tags_as_people_do(city: list[Feature]) -> None:
    buildings = [tags for _, tags in city if "building" in tags]
    levelled = np.mean(["building:levels" in tags for tags in buildings])
    silent = np.mean(["building:levels" not in tags and "height" not in tags for tags in buildings])
    assert 0.4 < levelled < 0.7
    assert silent > 0.2
    assert {tags["width"] for _, tags in city if tags.get("highway") == "secondary"} == {"18 m"}
    assert all(
        "width" not in tags and "lanes" in tags for _, tags in city if tags.get("highway") == "primary"
    )


def test_every_use_of_every_district_can_be_built() -> None:
    named = {use for style in STYLES.values() for table in style.districts.values() for use in table.uses}
    assert named <= set(USES)
    zones = {kind for style in STYLES.values() for _, weights in style.zones for kind in weights}
    assert zones <= {kind for style in STYLES.values() for kind in style.districts}
    assert all(style.zones[-1][0] > 1 for style in STYLES.values())


@settings(max_examples=25)
@given(
    width=st.floats(150, 1500),
    height=st.floats(150, 1500),
    angle=st.floats(0, 180),
    hectares=st.floats(0.8, 8),
    regular=st.booleans(),
    seed=st.integers(0, 999),
)
def test_blocks_partition_their_district(
    width: float, height: float, angle: float, hectares: float, regular: bool, seed: int
) -> None:
    district = shapely.affinity.rotate(shapely.box(0, 0, width, height), angle)
    rng = np.random.default_rng(seed)
    cuts, blocks = subdivide(district, hectares * 1e4, regular=regular, rng=rng)
    assert sum(block.area for block in blocks) == pytest.approx(district.area, rel=1e-6)
    assert shapely.union_all(blocks, grid_size=1e-3).area == pytest.approx(district.area, rel=1e-4)
    assert len(blocks) >= len({depth for _, depth in cuts})
    assert all(shapely.buffer(district, 0.01).covers(line) for line, _ in cuts)


def test_what_roads_leave_of_an_area_is_the_area_without_them() -> None:
    area = shapely.box(0, 0, 200, 100)
    road = Road(shapely.LineString([(100, -10), (100, 110)]), {}, 20)
    (parts,) = clear([area], [road])
    assert sorted(part.area for part in parts) == pytest.approx([9000, 9000])


def test_crossing_roads_are_cut_where_they_meet_and_keep_their_tags() -> None:
    east = Road(shapely.LineString([(0, 0), (100, 0)]), {"highway": "primary"}, 20)
    north = Road(shapely.LineString([(50, 0.01), (50, 80)]), {"highway": "residential"}, 12)
    parts = noded([east, north])
    assert sorted((part.tags["highway"], round(part.line.length)) for part in parts) == [
        ("primary", 50),
        ("primary", 50),
        ("residential", 80),
    ]


@settings(max_examples=25)
@given(
    width=st.floats(40, 400),
    height=st.floats(40, 400),
    angle=st.floats(0, 180),
    depth=st.floats(10, 40),
    seed=st.integers(0, 99),
)
def test_buildings_in_rows_stay_on_their_block_and_off_each_other(
    width: float, height: float, angle: float, depth: float, seed: int
) -> None:
    block = shapely.affinity.rotate(shapely.box(0, 0, width, height), angle)
    pattern = Rows((depth, depth), (12, 20), (30, 60), (8, 14), 5)
    footprints = rows(np.array([block]), pattern, np.random.default_rng(seed))
    assert shapely.covers(block.buffer(-4.9), footprints).all()
    assert shapely.union_all(footprints).area == pytest.approx(shapely.area(footprints).sum())


def test_a_closed_block_has_a_courtyard_and_a_small_one_is_built_over() -> None:
    blocks = np.array([shapely.box(0, 0, 120, 120), shapely.box(200, 0, 240, 40)])
    parts = perimeter(blocks, (25, 25), 3, np.random.default_rng(1))
    covered = [shapely.union_all(parts) & block for block in blocks]
    assert not covered[0].intersects(blocks[0].centroid.buffer(20))
    assert covered[1].area == pytest.approx(34 * 34, rel=0.6)


@pytest.mark.parametrize("style", ["river", "oasis"])
def test_the_smallest_city_that_parameters_allow_has_a_plan(style):
    for side in (640, 650):
        assert lay_out(style, 1, (5e5, 5.4e6, 5e5 + side, 5.4e6 + side))
