"""Parameters of label sources: what is accepted, and what gets a sentence that names the key."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import whole_params
from urbanseg.config.labels import MaskLabels, OverpassOsm, RasterLabels, check_utc
from urbanseg.config.params import Params, load
from urbanseg.config.remaps import TABLES
from urbanseg.errors import PipelineError

FOLDER = {
    "provider": "folder",
    "images": "x/{a}.jpg",
    "bands": {"red": 1},
    "resolution_m": 1,
    "splits": {"val": ["a"], "test": ["b"]},
}


def town(tmp_path: Path, **about: Any) -> Params:
    params = whole_params()
    city = {
        "title": "T",
        "role": "train",
        "inputs": ".",
        "scene": {"provider": "local", "path": "x.tif", "bands": {"red": 1}},
        "osm": {"provider": "pbf", "path": "x.osm.pbf"},
        "labels": {"source": "osm"},
    }
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params | {"cities": {"town": city | about}}, sort_keys=False))
    return load(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "osm: {provider: overpass, address: 'ftp://x'}",
            "town.osm.address: must be an address that begins with https",
        ),
        ("osm: {provider: overpass, date: yesterday}", "town.osm.date: must be a date, or .*got 'yesterday'"),
        ("osm: {provider: overpass, max_query_km2: 0}", "town.osm.max_query_km2: .*greater than 0"),
        ("osm: {provider: overpas}", "town.osm: .*'overpass', 'pbf', 'none'"),
        ("labels: {source: raster, path: x, remap: worldcove}", "labels.remap: .*worldcover, nlcd"),
        ("labels: {source: raster, path: x, remap: {'#ff0000': road}}", "labels.remap.#ff0000: .*integer"),
        ("labels: {source: vectr}", "town.labels: source must be osm, raster, vector, masks or polygons"),
        ("labels: {source: vector, path: x, classes: {a: road}}", "town.labels: classes must be"),
        ("labels: {source: vector, path: x, classes: hous}", "town.labels.classes names the class 'hous'"),
        ("labels: {layers: [a], sources: {a: {source: osm, backgrund: x}}}", "sources.a.backgrund: is not"),
        ("labels: {layers: [a], sources: {a: {source: osm, background: x}}}", "sources.a.background names"),
        ("labels: {layers: [a, b], sources: {a: {source: osm}}}", "layers must name each of sources once"),
        ("labels: {source: masks, masks: '{x}', remap: {1: road, '#ff0000': road}}", "all be whole numbers"),
        ("labels: {source: masks, masks: '{x}', remap: {red: road}}", "colours such as #3c1098"),
        ("labels: {source: masks, masks: x.png, remap: {1: road}}", "labels.masks: .*got 'x.png'"),
        ("labels: {source: masks, masks: '{x}', remap: {1: road}}", "town: .* go together"),
        ("labels: {source: polygons, files: x.gpkg, classes: road}", "town: .* go together"),
        ("labels: {source: polygons, files: x.gpkg, classes: {a: road}}", "labels: classes must be"),
    ],
)
def test_a_wrong_parameter_gets_a_sentence_that_names_it(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence) as caught:
        town(tmp_path, **yaml.safe_load(text))
    assert "\n" not in str(caught.value)


def test_layers_with_openstreetmap_need_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"labels.sources.a.source is osm, but osm.provider is none"):
        town(
            tmp_path, osm={"provider": "none"}, labels={"layers": ["a"], "sources": {"a": {"source": "osm"}}}
        )


def test_a_folder_of_images_is_for_training(tmp_path: Path) -> None:
    masks = {"source": "masks", "masks": "x/{a}.png", "remap": {1: "road"}}
    with pytest.raises(PipelineError, match=r"folder and labels.source masks or polygons go together"):
        town(tmp_path, scene=FOLDER)
    with pytest.raises(PipelineError, match=r"set splits.train and splits.val to \[\]"):
        town(tmp_path, role="holdout", scene=FOLDER, labels=masks)
    assert town(tmp_path, scene=FOLDER, labels=masks).cities["town"].labels.source == "masks"


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"town.osm.address: must not hold a user name or password"
    ) as caught:
        town(tmp_path, osm={"provider": "overpass", "address": "https://me:hunter2@example.org/api"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2023-06-14", "2023-06-14T00:00:00Z"),
        ("2023-06-14T10:26:00Z", "2023-06-14T10:26:00Z"),
        ("2023-06-14 10:26:00+02:00", "2023-06-14T08:26:00Z"),
        (dt.date(2023, 6, 14), "2023-06-14T00:00:00Z"),
        (dt.datetime(2023, 6, 14, 10, tzinfo=dt.UTC), "2023-06-14T10:00:00Z"),
    ],
)
def test_dates_are_points_in_time_in_utc(value: Any, expected: str) -> None:
    assert check_utc(value) == expected
    assert OverpassOsm(provider="overpass", date=value).date == expected


@pytest.mark.parametrize("value", ["2023-06-14T10:26:00", "June", 2023, None, dt.datetime(2023, 6, 14)])
def test_a_time_without_its_offset_is_no_point_in_time(value: Any) -> None:
    with pytest.raises(ValueError, match="must be a date"):
        check_utc(value)


def test_the_scenes_date_is_asked_for_by_name_and_addresses_end_without_a_slash() -> None:
    server = OverpassOsm(provider="overpass", date="scene", address="http://localhost/api/")
    assert server.date == "scene"
    assert server.address == "http://localhost/api"


def test_tables_are_known_by_name_and_colours_in_any_case() -> None:
    assert RasterLabels(source="raster", path=Path("x"), remap="nlcd").remap == TABLES["nlcd"]
    masks = MaskLabels(source="masks", masks="{x}", remap={"#3C1098": "building"})
    assert masks.remap == {"#3c1098": "building"}
    assert MaskLabels(source="masks", masks="{x}", remap="deepglobe").remap == TABLES["deepglobe"]
