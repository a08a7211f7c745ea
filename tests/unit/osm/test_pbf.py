"""Features come out of OpenStreetMap files as people wrote them."""

import bz2
import gzip
import json
import logging
from pathlib import Path

import geopandas as gpd
import osmium
import pytest
import shapely

from urbanseg import osm
from urbanseg.config.labels import TagRule
from urbanseg.errors import PipelineError
from urbanseg.osm.rules import Rules

AREA, LINE = "area", "line"
RULES: Rules = {
    "building": [TagRule(geometry=AREA, tags={"building": "*"})],
    "road": [
        TagRule(geometry=LINE, tags={"highway": ["primary", "service", "pedestrian"]}),
        TagRule(geometry=AREA, tags={"highway": ["pedestrian"], "area": ["yes"]}),
    ],
    "vegetation": [TagRule(geometry=AREA, tags={"leisure": ["park", "nature_reserve"]})],
}
NODES = {1: (0, 0), 2: (2, 0), 3: (2, 2), 4: (0, 2), 5: (0.5, 0.5), 6: (1, 0.5), 7: (1, 1), 8: (0, 0)}
SQUARE = [1, 2, 3, 4, 1]
HOLE = [5, 6, 7, 5]


def write_osm(path: Path, ways: list[tuple], relations: list[tuple] = (), nodes: dict = NODES) -> Path:
    """An OpenStreetMap file of (id, node ids, tags) ways and (id, members, tags) relations."""
    with osmium.SimpleWriter(str(path)) as writer:
        for number, location in nodes.items():
            writer.add_node(osmium.osm.mutable.Node(id=number, version=1, location=location))
        for number, refs, tags in ways:
            writer.add_way(osmium.osm.mutable.Way(id=number, version=1, nodes=refs, tags=tags))
        for number, members, tags in relations:
            writer.add_relation(osmium.osm.mutable.Relation(id=number, version=1, members=members, tags=tags))
    return path


def areas(features: gpd.GeoDataFrame) -> list[float]:
    return [float(area) for area in shapely.area(features.geometry.to_numpy())]


def test_a_multipolygon_relation_becomes_a_polygon_with_its_hole(tmp_path: Path) -> None:
    path = write_osm(
        tmp_path / "city.osm.pbf",
        [(10, [1, 2, 3], {}), (11, [3, 4, 1], {}), (12, HOLE, {"building": "yes", "name": "In the yard"})],
        [
            (
                20,
                [("w", 10, "outer"), ("w", 11, "outer"), ("w", 12, "inner")],
                {"type": "multipolygon", "building": "hotel"},
            )
        ],
    )
    made = osm.read_features(path, RULES, keep_tags=["name"])
    assert made[["class", "osm_type", "osm_id"]].to_numpy().tolist() == [
        ["building", "relation", 20],
        ["building", "way", 12],
    ]
    assert [json.loads(t) for t in made["tags"]] == [
        {"building": "hotel"},
        {"building": "yes", "name": "In the yard"},
    ]
    assert areas(made) == [4 - 0.125, 0.125]
    assert made.crs == "EPSG:4326"


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"highway": "primary"}, "LineString"),  # a roundabout
        ({"highway": "pedestrian"}, "LineString"),
        ({"highway": "pedestrian", "area": "yes"}, "Polygon"),
        ({"building": "yes"}, "Polygon"),
    ],
)
def test_a_closed_way_is_an_area_or_a_line_as_its_tags_say(tmp_path: Path, tags: dict, kind: str) -> None:
    made = osm.read_features(write_osm(tmp_path / "city.osm", [(10, SQUARE, tags)]), RULES)
    assert made.geom_type.tolist() == [kind]


def test_a_multipolygon_needs_no_area_tag_to_be_an_area(tmp_path: Path) -> None:
    tags = {"type": "multipolygon", "highway": "pedestrian"}
    path = write_osm(tmp_path / "city.osm", [(10, SQUARE, {})], [(20, [("w", 10, "outer")], tags)])
    made = osm.read_features(path, RULES)
    assert made["class"].tolist() == ["road"]
    assert made["tags"].tolist() == ['{"highway": "pedestrian"}']
    assert areas(made) == [4]


def test_a_feature_yields_a_row_for_each_class_it_matches(tmp_path: Path) -> None:
    path = write_osm(tmp_path / "city.osm", [(10, SQUARE, {"leisure": "park", "building": "yes"})])
    assert osm.read_features(path, RULES)["class"].tolist() == ["building", "vegetation"]


def test_tags_that_say_no_and_features_to_skip_are_left_out(tmp_path: Path) -> None:
    path = write_osm(
        tmp_path / "city.osm",
        [
            (10, SQUARE, {"building": "no"}),
            (11, [1, 2], {"highway": "primary", "tunnel": "yes"}),
            (12, [1, 2], {"highway": "primary", "tunnel": "no"}),
            (13, [2, 3], {"highway": "service", "location": "underground"}),
            (14, [2, 3], {"highway": "footway"}),
            (15, SQUARE, {"building": "yes", "area": "no"}),
        ],
    )
    made = osm.read_features(path, RULES, skip=[{"tunnel": "*"}, {"location": ["underground"]}])
    assert made["osm_id"].tolist() == [12]


def test_broken_geometries_are_repaired_or_dropped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    yes = {"building": "yes"}
    path = write_osm(
        tmp_path / "city.osm.pbf",
        [
            (10, SQUARE, yes),
            (11, [1, 3, 2, 4, 1], yes),  # crosses itself
            (12, [1, 2, 3, 4], yes),  # unclosed
            (13, [1, 2, 3, 4, 8], yes),  # closed by another node at the same place
            (14, [1, 2, 1], yes),  # no area
            (15, [1, 2, 99, 4, 1], yes),  # a node is missing
            (16, [1, 2, 99, 3, 4], {"highway": "primary"}),  # likewise, but two stretches are left
            (17, [1, 99], {"highway": "primary"}),
            (18, [1, 8], {"highway": "primary"}),  # no length
            (19, [2, 3], {}),
            (23, [], yes),
        ],
        [
            (20, [("w", 19, "outer")], {"type": "multipolygon", **yes}),  # unclosed
            (21, [("w", 10, "outer"), ("w", 77, "inner")], {"type": "multipolygon", **yes}),  # incomplete
            (22, [("w", 10, "outer")], {"type": "route", **yes}),
        ],
    )
    with caplog.at_level(logging.INFO):
        made = osm.read_features(path, RULES)

    assert made.geometry.is_valid.all()
    partly_known = made["class"] == "ignore"
    assert set(made["osm_type"][partly_known]) == {"partial"}
    assert partly_known.sum() == 3  # 15, 20 and 21
    made = made[~partly_known]
    assert made["osm_id"].tolist() == [10, 11, 13, 16]
    assert areas(made) == [4, 2, 4, 0]
    assert made.geom_type.tolist() == ["Polygon", "MultiPolygon", "Polygon", "MultiLineString"]
    assert caplog.text.endswith(
        "city.osm.pbf: 3 building, 1 road, 0 vegetation; repaired 1, shortened 1 lines, dropped 8 "
        "(2 no extent, 3 nodes or members outside the extract, 3 unclosed or self-crossing ring)\n"
    )


RIVER_NODES = {1: (0, 0), 2: (10, 0), 3: (10, 1), 4: (0, 1), 5: (4, 0.4), 6: (5, 0.4), 7: (5, 0.6)}
WATER: Rules = {"water": [TagRule(geometry=AREA, tags={"natural": ["water"]})]}
TO_THE_ROAD = {"building": [TagRule(geometry=AREA, tags={"building": "*"})], **WATER}


@pytest.mark.parametrize(
    ("members", "inside", "outside"),
    [
        (["outer 10", "outer 11", "outer 99"], [(5, 0.5)], [(5, 5), (5, -5)]),  # both banks
        (["outer 10", "outer 11", "outer 12", "outer 99"], [(5, 0.5), (9.9, 0.9)], [(5, 1.1)]),
        (["outer 10", "outer 99"], [(5, 0.5), (5, -0.5)], [(30, 0)]),  # one bank: either side
        (["outer 10", "outer 11", "outer 12", "outer 13", "inner 99"], [(5, 0.5)], [(5, 1.1)]),
        (["outer 10", "outer 11"], [(5, 0.5)], [(5, 5)]),  # all members, and they do not close
    ],
)
def test_where_a_relation_without_all_members_may_lie_is_ignored(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    members: list[str],
    inside: list[tuple[float, float]],
    outside: list[tuple[float, float]],
) -> None:
    ways = [(10, [1, 2], {}), (11, [3, 4], {}), (12, [2, 3], {}), (13, [4, 1], {})]
    refs = [("w", int(text.split()[1]), text.split()[0]) for text in members]
    path = write_osm(
        tmp_path / "city.osm",
        [*ways, (20, [5, 6, 7, 5], {"building": "yes"})],
        [(30, refs, {"type": "multipolygon", "natural": "water"})],
        nodes=RIVER_NODES,
    )
    made = osm.read_features(path, TO_THE_ROAD, bbox=(-50, -10, 50, 10))
    assert made[["class", "osm_type", "osm_id"]].to_numpy().tolist() == [
        ["building", "way", 20],
        ["ignore", "partial", 1],
    ]
    area = made.geometry[1]
    assert all(area.contains(shapely.Point(*place)) for place in inside)
    assert not any(area.intersects(shapely.Point(*place)) for place in outside)
    assert "parts of relation 30 (water) are not in the extract" in caplog.text


def test_a_way_that_lacks_a_node_hides_no_more_than_its_surroundings(tmp_path: Path) -> None:
    ways = [(10, [1, 2, 99, 4, 1], {"natural": "water"}), (20, SQUARE, {"building": "yes"})]
    path = write_osm(tmp_path / "city.osm", ways)
    made = osm.read_features(path, TO_THE_ROAD, bbox=(-50, -10, 50, 10))
    west, south, east, north = made[made["class"] == "ignore"].total_bounds
    assert (west, south) == pytest.approx((-1.5, -1.5), abs=1.5)
    assert (east, north) == pytest.approx((3.5, 3.5), abs=1.5)


@pytest.mark.parametrize(
    ("outer", "relation_tags"),
    [
        ([(10, SQUARE, {"natural": "water"})], {}),
        ([(10, SQUARE, {"natural": "water"})], {"name": "Lake", "source": "survey"}),
        ([(10, [1, 2, 3], {"natural": "water"}), (11, [3, 4, 1], {"natural": "water"})], {}),
        ([(10, [1, 2, 3], {"natural": "water"}), (11, [3, 4, 1], {})], {}),
    ],
)
def test_tags_on_the_outer_ways_of_a_multipolygon_without_tags_keep_its_holes(
    tmp_path: Path, outer: list[tuple], relation_tags: dict
) -> None:
    members = [("w", number, "outer") for number, *_ in outer] + [("w", 12, "inner")]
    path = write_osm(
        tmp_path / "city.osm.pbf",
        [*outer, (12, HOLE, {"building": "yes"})],
        [(30, members, {"type": "multipolygon", **relation_tags})],
    )
    made = osm.read_features(path, TO_THE_ROAD)
    assert made["class"].tolist() == ["building", "water"]
    assert areas(made) == [0.125, 4 - 0.125]


def test_a_lake_in_an_island_counts_again_and_other_outer_ways_have_their_own_class(tmp_path: Path) -> None:
    nodes = {4 * i + j: (x, y) for i, (w, s, e, n) in enumerate(
        [(0, 0, 9, 9), (1, 1, 8, 8), (2, 2, 3, 3), (20, 0, 21, 1), (20.2, 0.2, 20.4, 0.4)]
    ) for j, (x, y) in enumerate([(w, s), (e, s), (e, n), (w, n)], start=1)}  # fmt: skip
    rings = [[4 * i + j for j in (1, 2, 3, 4, 1)] for i in range(5)]
    tags = [{"natural": "water"}, {}, {"natural": "water"}, {"building": "yes"}, {}]
    roles = ["outer", "inner", "outer", "outer", "inner"]
    path = write_osm(
        tmp_path / "city.osm",
        list(zip(range(10, 15), rings, tags, strict=True)),
        [(30, [("w", 10 + i, role) for i, role in enumerate(roles)], {"type": "multipolygon"})],
        nodes=nodes,
    )
    made = osm.read_features(path, TO_THE_ROAD)
    assert made["class"].tolist() == ["building", "water"]
    assert areas(made) == pytest.approx([1 - 0.04, 81 - 49 + 1])


def test_tags_of_a_relation_leave_its_outer_way_what_it_says_itself(tmp_path: Path) -> None:
    path = write_osm(
        tmp_path / "city.osm",
        [(10, SQUARE, {"natural": "water"}), (12, HOLE, {})],
        [(30, [("w", 10, "outer"), ("w", 12, "inner")], {"type": "multipolygon", "building": "yes"})],
    )
    made = osm.read_features(path, TO_THE_ROAD)
    assert areas(made) == [4 - 0.125, 4]


def xml(body: str) -> str:
    return f"<?xml version='1.0'?><osm version='0.6' generator='test'>{body}</osm>"


CORNERS = "".join(
    f"<node id='{i}' version='1' lat='{lat}' lon='{lon}'/>"
    for i, (lon, lat) in enumerate([(0, 0), (1, 0), (1, 1)], start=1)
)
HOUSE = (
    "<way id='10' version='1'><nd ref='1'/><nd ref='2'/><nd ref='3'/><nd ref='1'/>"
    "<tag k='building' v='yes'/></way>"
)


def test_files_of_editors_with_ids_below_0_or_ways_first_are_read(
    tmp_path: Path,
) -> None:
    negative = (CORNERS + HOUSE).replace("id='", "id='-").replace("ref='", "ref='-")
    mixed = (CORNERS + HOUSE).replace("id='3'", "id='-3'").replace("ref='3'", "ref='-3'")
    for body, osm_id in ((negative, -10), (mixed, 10), (HOUSE + CORNERS, 10)):
        (tmp_path / "city.osm").write_text(xml(body))
        made = osm.read_features(tmp_path / "city.osm", RULES, bbox=(-0.5, -0.5, 0.5, 0.5))
        assert made[["class", "osm_id"]].to_numpy().tolist() == [["building", osm_id]]
        assert areas(made) == [0.5]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "lat='1'",
            "lat='95'",
            "has node 3 of way 10 at latitude 95, longitude 1, which is nowhere on Earth",
        ),
        ("lon='1'", "lon='999'", "wrong format for coordinate: '999'"),
        ("lon='1'", "lon='nan'", "wrong format for coordinate: 'nan'"),
        (
            "lat='1' lon='1'",
            "",
            r"dropped 1 \(1 nodes or members outside the extract\); take an extract with all nodes",
        ),
        ("id='3'", "id='abc'", "illegal id: 'abc'"),
        ("id='3'", f"id='{2**70}'", "illegal id"),
        ("ref='3'", "ref='-3'", "take an extract with all nodes"),
        ("v='yes'", f"v='{'y' * 3000}'", "tag value is too long"),
        ("</way>", "</way><relation id='5'><member type='way' ref='x' role=''/></relation>", "illegal id"),
        ("</way>", "", "is damaged"),
        ("<way", "<bounds minlat='nan' minlon='1' maxlat='2' maxlon='3'/><way", "wrong format|is damaged"),
    ],
)
def test_impossible_objects_are_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    (tmp_path / "city.osm").write_text(xml((CORNERS + HOUSE).replace(old, new)))
    with pytest.raises(PipelineError, match=sentence) as stop:
        osm.read_features(tmp_path / "city.osm", RULES, bbox=(-0.5, -0.5, 0.5, 0.5))
    assert "city.osm" in str(stop.value)
    assert "\n" not in str(stop.value)


@pytest.mark.parametrize("name", ["city.osm", "city.osm.gz", "city.osm.bz2"])
def test_an_extract_of_several_boxes_covers_their_union(tmp_path: Path, name: str) -> None:
    boxes = ((0, 0, 1, 1), (1, 0, 2, 1), (5, 5, 6, 6))
    body = "".join(f"<bounds minlon='{w}' minlat='{s}' maxlon='{e}' maxlat='{n}'/>" for w, s, e, n in boxes)
    opened = {".gz": gzip.open, ".bz2": bz2.open}.get(Path(name).suffix, open)
    with opened(tmp_path / name, "wb") as file:
        file.write(xml(body + CORNERS + HOUSE).encode())
    made = osm.read_features(tmp_path / name, RULES, bbox=(0, 0, 2, 1))
    assert made.attrs["extent"] == [[0, 0, 1, 1], [1, 0, 2, 1]]


def test_features_on_both_sides_of_the_antimeridian_lie_side_by_side(tmp_path: Path) -> None:
    nodes = {
        1: (179.9, 0),
        2: (180, 0),
        3: (180, 1),
        4: (-180, 0),
        5: (-179.9, 0),
        6: (-180, 1),
        7: (-179.9, 1),
    }
    tags = {"building": "yes"}
    ways = [
        (10, [1, 2, 3, 1], tags),
        (11, [4, 5, 6, 4], tags),
        (12, [5, 7], {}),
        (13, [7, 6], {}),
        (14, [6, 5], {}),
    ]
    relation = (30, [("w", n, "outer") for n in (12, 13, 14)], {"type": "multipolygon", **tags})
    path = write_osm(tmp_path / "fiji.osm.pbf", ways, [relation], nodes)
    for bbox in ((179.5, -1, 180.5, 2), (-180.5, -1, -179.5, 2)):
        made = osm.read_features(path, RULES, bbox=bbox)
        assert made["osm_id"].tolist() == [30, 10, 11]
        assert made.total_bounds[2] - made.total_bounds[0] == pytest.approx(0.2)
        assert bbox[0] < made.total_bounds[0]
        assert made.total_bounds[2] < bbox[2]


def test_features_outside_the_box_are_left_out_and_those_across_its_edge_are_whole(tmp_path: Path) -> None:
    far = {11: (9, 9), 12: (9.5, 9), 13: (9.5, 9.5)}
    path = write_osm(
        tmp_path / "city.osm",
        [(10, SQUARE, {"building": "yes"}), (11, [11, 12, 13, 11], {"building": "yes"})],
        nodes=NODES | far,
    )
    made = osm.read_features(path, RULES, bbox=(-1, -1, 1, 1))
    assert made["osm_id"].tolist() == [10]
    assert areas(made) == [4]


def test_rows_are_sorted_whatever_the_order_of_the_rules(tmp_path: Path) -> None:
    ways = [(n, SQUARE, {"building": "yes"}) for n in (3, 30, 200)] + [(700, [1, 2], {"highway": "primary"})]
    path = write_osm(tmp_path / "city.osm.pbf", ways)
    made = osm.read_features(path, dict(reversed(RULES.items())))
    assert made["osm_id"].tolist() == [3, 30, 200, 700]


def test_a_file_with_none_of_the_classes_is_an_error(tmp_path: Path) -> None:
    path = write_osm(tmp_path / "city.osm.pbf", [(10, SQUARE, {"landuse": "railway"})])
    with pytest.raises(PipelineError, match=r"city\.osm\.pbf holds no feature of the classes building, road"):
        osm.read_features(path, RULES)
    with pytest.raises(PipelineError, match="holds no feature"):
        osm.read_features(path, {})


def test_an_area_of_interest_outside_the_extract_is_an_error(tmp_path: Path) -> None:
    path = write_osm(tmp_path / "city.osm.pbf", [(10, SQUARE, {"building": "yes"})])
    with pytest.raises(PipelineError, match=r"inside the area of interest \(50\.0000, 20\.0000"):
        osm.read_features(path, RULES, bbox=(50, 20, 51, 21))


@pytest.mark.parametrize("content", [b"", b"no map at all", b"<osm version='0.6'><node id="])
def test_a_damaged_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    for name in ("city.osm", "city.osm.pbf", "city.osm.bz2", "city.txt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            PipelineError, match=r"is not an OpenStreetMap file or is damaged|holds no feature"
        ):
            osm.read_features(tmp_path / name, RULES)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"gone\.osm\.pbf does not exist"):
        osm.read_features(tmp_path / "gone.osm.pbf", RULES)


def test_a_truncated_extract_is_an_error(tmp_path: Path) -> None:
    nodes = {n: (n / 1000, n % 997 / 1000) for n in range(1, 20_000)}
    whole = write_osm(tmp_path / "city.osm.pbf", [(10, SQUARE, {"building": "yes"})], nodes=nodes)
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(PipelineError, match=r"cut\.osm\.pbf is not an OpenStreetMap file or is damaged"):
        osm.read_features(cut, RULES)
