"""The Overpass route: the true osmnx against a server on loopback, with real data and with faults."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmnx
import pytest
import shapely
import yaml

import stages.osm
from tests.conftest import whole_params
from tests.protocol.overpass import STATE, Database, Fault, Overpass, serving
from urbanseg import osm, paths
from urbanseg.config.labels import OverpassOsm, TagRule
from urbanseg.errors import PipelineError
from urbanseg.grid import utm_grid
from urbanseg.io import cog
from urbanseg.osm import overpass_client
from urbanseg.osm.overpass import fetch_features, tiles

TOWN = (10.0, 50.0, 10.06, 50.04)
RULES = {
    "building": [TagRule(geometry="area", tags={"building": "*"})],
    "road": [TagRule(geometry="line", tags={"highway": ["primary", "service"]})],
    "water": [TagRule(geometry="coast", tags={"natural": ["coastline"]})],
}
INLAND = {name: rules for name, rules in RULES.items() if name != "water"}


def town(coast: bool = False) -> Database:
    """Houses in rows, a street along them, a house of two wings with a yard, and perhaps a coast."""
    elements: list[dict[str, Any]] = []

    def add(kind: str, tags: dict[str, str], **about: Any) -> int:
        number = len(elements) + 1
        elements.append({"type": kind, "id": number, "tags": tags, "edited": EDITED, **about})
        return number

    def way(tags: dict[str, str], *corners: tuple[float, float]) -> int:
        nodes = [add("node", {}, lon=lon, lat=lat) for lon, lat in corners]
        return add("way", tags, nodes=[*nodes, nodes[0]] if tags.get("building") or not tags else nodes)

    for col in range(6):
        for row in range(4):
            x, y = 10.004 + 0.01 * col, 50.004 + 0.01 * row
            way({"building": "house"}, (x, y), (x + 0.002, y), (x + 0.002, y + 0.001), (x, y + 0.001))
    way({"highway": "primary"}, (9.9, 50.02), (10.2, 50.021))
    rings = [
        way({}, (x, y), (x + side, y), (x + side, y + side), (x, y + side))
        for x, y, side in ((10.0275, 50.0275, 0.002), (10.028, 50.028, 0.001))
    ]
    members = [
        {"type": "way", "ref": ref, "role": role} for ref, role in zip(rings, ("outer", "inner"), strict=True)
    ]
    add("relation", {"type": "multipolygon", "building": "palace"}, members=members)
    if coast:
        way({"natural": "coastline"}, (10.3, 50.038), (9.7, 50.038))  # heading west: sea in the north
    return Database(elements)


EDITED = np.datetime64("2019-01-01").astype(object)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(overpass_client, "FIRST_WAIT_S", 0.01)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[Overpass]:
    with serving(town()) as running:
        yield running


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> gpd.GeoDataFrame:
    """What an undisturbed run fetches in one piece."""
    with serving(town()) as server:
        source = OverpassOsm(provider="overpass", address=server.address)
        return fetch_features(source, INLAND, TOWN, tmp_path_factory.mktemp("cache"))


def fetch(server: Overpass, rules: Any = INLAND, moment: str | None = None, **about: Any) -> gpd.GeoDataFrame:
    source = OverpassOsm(provider="overpass", address=server.address, **about)
    return fetch_features(source, rules, TOWN, Path("cache"), moment=moment)


def same(one: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> bool:
    return bool(one.drop(columns="geometry").equals(other.drop(columns="geometry"))) and bool(
        one.geometry.geom_equals(other.geometry).all()
    )


# what comes out of it


def test_features_come_whole_and_once_however_the_area_is_cut(
    server: Overpass, whole: gpd.GeoDataFrame
) -> None:
    assert whole["class"].value_counts().to_dict() == {"building": 25, "road": 1}
    palace = whole[whole["osm_type"] == "relation"].geometry.item()
    assert len(palace.geoms[0].interiors) == 1
    assert same(fetch(server, max_query_km2=5), whole)
    assert len(server.queries) == 4


def test_pieces_partition_the_area_and_are_small_enough() -> None:
    cut = tiles(TOWN, 0.6)
    assert shapely.union_all(shapely.box(*np.array(cut).T)).equals(shapely.box(*TOWN))
    sides = np.array([(east - west, north - south) for west, south, east, north in cut]) * 111.32
    assert (sides.prod(axis=1) * np.cos(np.radians(50)) <= 0.6).all()


def test_the_state_at_a_date_is_asked_for_and_kept(server: Overpass) -> None:
    server.states["2018-06-01T12:00:00Z"] = Database(list(town().elements.values())[:10])
    then = fetch(server, moment="2018-06-01T12:00:00Z")
    assert '[date:"2018-06-01T12:00:00Z"]' in server.queries[0]
    assert len(then) == 2
    assert then.attrs == {"snapshot": "2018-06-01T12:00:00Z"}
    again = fetch(server, moment="2018-06-01T12:00:00Z")
    assert same(again, then)
    assert len(server.queries) == 1
    assert len(fetch(server)) == 26


def test_todays_state_is_dated_by_the_server_and_asked_for_anew_by_the_next_run(server: Overpass) -> None:
    assert fetch(server).attrs == {"snapshot": STATE}
    assert not Path("cache").exists()
    fetch(server)
    assert len(server.queries) == 2


def test_the_sea_comes_from_coastlines_in_the_area() -> None:
    with serving(town(coast=True)) as server:
        made = fetch(server, RULES, max_query_km2=5)
    water = made[made["class"] == "water"]
    assert water["osm_type"].tolist() == ["coastline"]
    np.testing.assert_allclose(water.total_bounds, [10.0, 50.038, 10.06, 50.04])


@pytest.mark.parametrize(
    ("box", "is_sea"), [((10.0, 50.0, 10.02, 50.01), False), ((10.0, 50.05, 10.02, 50.06), True)]
)
def test_an_area_without_coastline_is_land_or_sea_by_the_nearest_one(box: Any, is_sea: bool) -> None:
    with serving(town(coast=True)) as server:
        source = OverpassOsm(provider="overpass", address=server.address)
        if is_sea:
            made = fetch_features(source, RULES, box, Path("cache"))
            assert shapely.equals(made.geometry.item().simplify(0), shapely.box(*box))
        else:
            assert "water" not in set(fetch_features(source, RULES, box, Path("cache"))["class"])
    assert len(server.queries) == 2
    assert server.queries[1].count("coastline") == 3
    assert "building" not in server.queries[1]


# what may go wrong

JSON = "application/json"
BUSY = Fault(429, b"<p>rate_limited</p>", "text/html", {"Retry-After": "0"})
REMARK = {
    "version": 0.6,
    "osm3s": {"timestamp_osm_base": STATE},
    "elements": [],
    "remark": 'runtime error: Query timed out in "query" at line 1 after 2 seconds.',
}
FAULTS = {
    "too many requests": BUSY,
    "gateway time-out": Fault(504, b"<p>The server is probably too busy</p>", "text/html"),
    "out of order": Fault(503),
    "cut in mid-body": Fault(cut=True),
    "never answers": Fault(delay_s=1.3),
    "a remark of an error": Fault(body=json.dumps(REMARK).encode()),
    "a page instead of JSON": Fault(body=b"<html>We are moving house</html>", kind="text/html"),
    "JSON that ends early": Fault(body=b'{"version": 0.6, "elements": [{"type": "no'),
    "JSON without elements": Fault(body=b"{}"),
}
SAID = {
    "too many requests": "has too many requests from here (HTTP 429)",
    "gateway time-out": "is too busy (HTTP 504)",
    "out of order": "is out of order (HTTP 503)",
    "cut in mid-body": "cut the connection",
    "never answers": "gave no answer within 1 s",
    "a remark of an error": "gave an incomplete answer (runtime error: Query timed out",
    "a page instead of JSON": "did not answer in JSON but in text/html: We are moving house",
    "JSON that ends early": "did not answer in JSON",
    "JSON without elements": "without elements",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_ends_in_the_right_features(
    server: Overpass, whole: gpd.GeoDataFrame, fault: str
) -> None:
    server.faults += [None, FAULTS[fault], None if fault == "never answers" else FAULTS[fault]]
    assert same(fetch(server, max_query_km2=10, timeout_s=1), whole)
    assert not server.faults


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_one_sentence(server: Overpass, fault: str) -> None:
    server.faults += [FAULTS[fault]] * 2
    with pytest.raises(PipelineError) as stop:
        fetch(server, timeout_s=1, attempts=2)
    sentence = str(stop.value)
    assert sentence.startswith(f"{server.address} ")
    assert SAID[fault] in sentence
    assert "2 times in a row; what was fetched so far is kept: run again later" in sentence
    assert len(server.queries) == 2


def test_a_query_that_is_refused_is_not_repeated(server: Overpass) -> None:
    server.faults += [Fault(400, b"<p><strong>Error</strong>: line 1: parse error</p>", "text/html")]
    with pytest.raises(PipelineError, match=r"refuses the query \(HTTP 400: Error : line 1: parse error\)"):
        fetch(server)
    assert len(server.queries) == 1


def test_waiting_grows_unless_the_server_says_how_long(
    server: Overpass, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(overpass_client, "FIRST_WAIT_S", 2)
    monkeypatch.setattr(overpass_client.time, "sleep", waits.append)
    later = Fault(429, headers={"Retry-After": "7"})
    stale = Fault(429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    server.faults += [Fault(503), later, Fault(503), stale, Fault(503), None]
    with caplog.at_level(logging.WARNING):
        fetch(server, rate_limit=False)
    assert [wait for wait in waits if wait] == [2, 7, 8, 32]
    assert "has too many requests from here (HTTP 429); attempt 3 of 6 in 7 s" in caplog.text


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    source = OverpassOsm(provider="overpass", address="http://127.0.0.1:9/api", attempts=2)
    with pytest.raises(PipelineError, match=r"127.0.0.1:9/api cannot be reached"):
        fetch_features(source, INLAND, TOWN, Path("cache"))


@pytest.mark.slow
def test_a_run_broken_in_the_middle_asks_only_for_what_is_missing(
    server: Overpass, whole: gpd.GeoDataFrame
) -> None:
    server.faults += [*[None] * 20, Fault(503)]
    with pytest.raises(PipelineError, match="out of order"):
        fetch(server, max_query_km2=0.6, attempts=1)
    assert len(server.answered) == 20
    made = fetch(server, max_query_km2=0.6, attempts=1)
    assert len(server.queries) == 36 + 1
    assert len(set(server.answered)) == len(server.answered) == 36
    assert same(made, whole)


def test_an_answer_that_a_killed_run_wrote_in_part_is_asked_for_again(
    server: Overpass, whole: gpd.GeoDataFrame
) -> None:
    moment = "2019-06-01T00:00:00Z"
    fetch(server, moment=moment)
    (answer,) = Path("cache").rglob("*.json")
    answer.write_text(answer.read_text()[:500])
    assert same(fetch(server, moment=moment), whole)
    assert len(server.queries) == 2


def test_free_slots_are_asked_for_before_each_query_unless_told_not_to(server: Overpass) -> None:
    fetch(server, max_query_km2=5)
    queries = len(server.queries)
    assert server.status_requests == 1 + queries
    fetch(server, max_query_km2=5, rate_limit=False)
    assert server.status_requests == 1 + queries + 1


def test_an_area_without_any_feature_is_one_sentence(server: Overpass) -> None:
    nothing = {"road": [TagRule(geometry="line", tags={"highway": ["raceway"]})]}
    with pytest.raises(PipelineError, match="knows no feature of the classes road in the area of interest"):
        fetch(server, nothing)


def test_the_settings_of_osmnx_are_left_as_they_were(server: Overpass) -> None:
    names = [name for name in vars(osmnx.settings) if not name.startswith("_")]
    before = {name: getattr(osmnx.settings, name) for name in names}
    fetch(server)
    assert {name: getattr(osmnx.settings, name) for name in names} == before


@pytest.mark.parametrize("fault", ["a remark of an error", "cut in mid-body"])
def test_a_stage_that_fails_leaves_nothing_half_written_and_the_next_run_goes_on(
    server: Overpass, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    grid = utm_grid(10.03, 50.02, 3800, 3800, 10)
    with cog.writing(paths.scene("town"), grid, dtype="uint8", nodata=0) as scene:
        scene.write(np.ones(grid.shape, np.uint8))
    params = whole_params()
    source = {
        "provider": "overpass",
        "address": server.address,
        "max_query_km2": 5,
        "attempts": 1,
        "date": "2020-01-01",
    }
    params["cities"] = {
        "town": {
            "title": "T",
            "role": "train",
            "inputs": ".",
            "scene": {"provider": "local", "path": "x.tif", "bands": {"red": 1}},
            "osm": source,
            "labels": {"source": "osm"},
        }
    }
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    monkeypatch.setattr("sys.argv", ["osm", "town"])
    server.faults += [None, None, FAULTS[fault]]
    with pytest.raises(SystemExit, match=re.escape(SAID[fault])):
        stages.osm.main()
    assert not paths.osm("town").parent.exists() or not list(paths.osm("town").parent.iterdir())
    assert not list(Path().rglob("*.part*"))
    stages.osm.main()
    assert len(osm.load_features(paths.osm("town"))) > 20
    assert len(server.queries) == len(set(server.queries)) + 1
