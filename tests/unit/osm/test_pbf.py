"""Features come out of OpenStreetMap files as people wrote them."""

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

    assert made["osm_id"].tolist() == [10, 11, 13, 16]
    assert made.geometry.is_valid.all()
    assert areas(made) == [4, 2, 4, 0]
    assert made.geom_type.tolist() == ["Polygon", "MultiPolygon", "Polygon", "MultiLineString"]
    assert caplog.text.endswith(
        "city.osm.pbf: 3 building, 1 road, 0 vegetation; repaired 1, shortened 1 lines, dropped 8 "
        "(2 no extent, 3 nodes or members outside the extract, 3 unclosed or self-crossing ring)\n"
    )


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
