"""Every number of params.yaml has a type and bounds, every list of names names each once."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from affine import Affine
from pydantic import ValidationError
from pyproj import CRS

from stages import evaluate
from tests.conftest import ROOT, whole_params
from urbanseg.config.params import Params, load, parse
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid

AREA = {"area": {"bbox": [9, 48, 9.1, 48.1]}, "dates": "2023-05-01/2023-07-31"}
LOCAL = {"provider": "local", "path": "x.tif", "bands": {"red": 1}}
SCENES: dict[str, dict[str, Any]] = {
    "local": LOCAL
    | {"nodata": 0, "scale": 1, "offset": 0, "resolution_m": 1, "bbox": [9, 48, 9.1, 48.1]}
    | {"mask": {"path": "x.tif", "kind": "cloud", "band": 1, "values": [1]}},
    "hub": {"provider": "sentinelhub", "profile": "cdse", "resolution_m": 10, "request_px": 256} | AREA,
    "stac": {"provider": "stac", "profile": "earth_search", "min_clear": 0.5, "hosts": ["x.org"]}
    | {"bands": ["B02"], "choose": {"rule": "median", "dates": 2}}
    | {"patience": {"attempts": 1, "wait_s": 1, "timeout_s": 1}}
    | AREA,
    "folder": {"provider": "folder", "images": "{a}.jpg", "bands": {"red": 1}, "resolution_m": 1}
    | {"splits": {"train": ["c"], "val": ["a"], "test": ["b"]}},
}
VECTOR = {"source": "vector", "path": "x.gpkg", "classes": "road"}
RASTER = {"source": "raster", "path": "x.tif", "remap": {1: "road"}}
LABELS: dict[str, dict[str, Any]] = {
    "hub": {"layers": ["a", "b"], "sources": {"a": VECTOR, "b": RASTER}},
    "folder": {"source": "masks", "masks": "{a}.png", "remap": {1: "road"}},
}
OSM = {
    "hub": {"provider": "overpass", "max_query_km2": 1, "timeout_s": 1, "attempts": 1},
    "stac": {"provider": "pbf", "path": "x.pbf", "date": "2023-06-14"},
}


def whole() -> dict[str, Any]:
    """Parameters with a city of every provider, and all that has a default in code."""
    params: dict[str, Any] = whole_params()
    params["predict"] |= {"classes": ["road"], "min_confidence": {"road": 0.5}, "rasters": ["margin"]}
    params["vectorize"] |= {"square": ["building"], "min_hole_m2": {"road": 5}}
    for name, scene in SCENES.items():
        town = {"title": name, "role": "train", "inputs": ".", "scene": scene}
        town |= {"osm": OSM.get(name, {"provider": "none"}), "labels": LABELS.get(name, RASTER)}
        params["cities"][f"{name}_town"] = town
    return params


WHOLE = whole()


def leaves(value: Any, key: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All values in a nested one, lists too, with the keys that lead there."""
    yield key, value
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*key, name))


NUMBERS = [key for key, value in leaves(WHOLE) if type(value) in {int, float}]
LISTS = [key for key, value in leaves(WHOLE) if isinstance(value, list) and isinstance((*value, 0)[0], str)]


def with_value(key: tuple[Any, ...], value: Any) -> dict[str, Any]:
    params = deepcopy(WHOLE)
    section: Any = params
    for part in key[:-1]:
        section = section[part]
    section[key[-1]] = value
    return params


def accepted(keys: list[tuple[Any, ...]], change: Any) -> list[str]:
    """Those of the keys under which a changed value is taken."""
    found = []
    for key in keys:
        value = WHOLE
        for part in key:
            value = value[part]
        try:
            Params.model_validate(with_value(key, change(value)))
        except ValidationError:
            continue
        found.append(".".join(map(str, key)))
    return found


def test_the_example_is_valid_and_holds_most_parameters() -> None:
    Params.model_validate(WHOLE)
    assert len(NUMBERS) > 150
    assert len(LISTS) > 20


@pytest.mark.parametrize("value", [True, 1e300, -1e300, float("nan")])
def test_no_number_is_a_boolean_and_all_are_bounded(value: Any) -> None:
    free = {"cities.local_town.scene.nodata"} if value in {1e300, -1e300} else set()
    assert set(accepted(NUMBERS, lambda _: value)) == free


def test_no_list_of_names_has_a_name_twice() -> None:
    assert accepted(LISTS, lambda names: [*names, names[0]]) == []


@pytest.mark.parametrize(
    "key", sorted({key for key, value in leaves(WHOLE) if isinstance(value, dict) and key[-1:] != ("tags",)})
)
def test_no_mapping_takes_a_key_that_nobody_reads(key: tuple[Any, ...]) -> None:
    free = {"line_width_m"}  # values of tags
    if key and key[-1] not in free:
        with pytest.raises(ValidationError):
            Params.model_validate(with_value((*key, "Zzz!" * 40), 1))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("seed", True, "seed: must be a number, not true or false, got True"),
        ("seed", 2**64, "seed: input should be less than 4294967296"),
        ("labels.priority", ["road", "road"], "labels.priority: names road twice"),
        ("evaluate.bootstrap.cell_m", 1e-9, "evaluate.bootstrap.cell_m: .* greater than or equal to 1"),
        ("evaluate.boundary_tolerances_m", [1e12], "evaluate.boundary_tolerances_m.0: .*1000, got 1000000"),
        ("train.crop", 512, "train.crop 512 must not be above the tile size 128"),
        ("train.threads", 1e9, "train.threads: .* less than or equal to 1024"),
        ("train.upsample", True, "train.upsample: must be a number"),
        ("predict.overlap", 385, "predict: overlap 385 must be 384 at most, three quarters of the size 512"),
        ("tiles.overlap", 127, "tiles: overlap 127 must be 96 at most"),
        ("vectorize.min_area_m2", {"road": 1e300}, "vectorize.min_area_m2.road: .* 1000000000, got 1e"),
        ("osm.skip", [{"a": ["b", "b"]}], "osm.skip.0.a: names b twice"),
        ("predict.classes", ["hut"], "predict.classes names the class 'hut'"),
        ("predict.min_confidence", {"hut": 1}, "predict.min_confidence names the class 'hut'"),
        ("cities.local_town.scene.bands", {"red": True}, "scene.bands.red: must be a number, not true"),
        ("cities.local_town.scene.bands", {"": 1}, "scene.bands.: string should have at least 1"),
        ("cities.local_town.scene.scale", 0, "scene.scale: input should be greater than 0, got 0"),
        ("cities.local_town.scene.bbox", [-999, 0, 999, 1], "scene.bbox.0: .*-180, got -999"),
        ("cities.local_town.scene.bbox", [1, 2, 3], "scene.bbox.3: is missing"),
        ("cities.local_town.scene.path", "", "scene.path: must be a path of printable characters, got ''"),
        ("cities.local_town.scene.path", "a\0b", "scene.path: must be a path of printable"),
        ("cities.local_town.labels.remap", {True: "road"}, "must be a number, not true or false"),
        ("cities.stac_town.scene.assets", {"red": "x"}, "scene.assets.red: input should be 'B01', "),
        ("cities.folder_town.scene.splits.val", ["a", "a"], "scene.splits.val: names a twice"),
        ("cities.demo.scene.layout.seed", -1, "scene.layout.seed: .* greater than or equal to 0"),
        ("cities.demo.scene.resolution_m", 1e6, "scene.resolution_m: .* 1000, got 1000000"),
        ("cities.demo.scene.resolution_m", 1e-9, "scene.resolution_m: .* 0.01, got 1e-09"),
        ("cities.demo.scene.resolution_m", 200, "resolution_m 200 must be 50 × render_m 2 at most"),
        ("cities.demo.scene.render_m", 0.2, "render_m 0.2 makes 64000 fine pixels"),
        ("cities.demo.scene.datetime", "0001-01-01T00:00:00+14:00", "datetime: must be a time of which"),
        ("cities", {"": {}}, "cities: a city can't be called ''"),
    ],
)
def test_a_value_out_of_bounds_is_one_sentence_that_names_it(key: str, value: Any, sentence: str) -> None:
    text = yaml.safe_dump(with_value(tuple(key.split(".")), value), sort_keys=False)
    with pytest.raises(PipelineError, match=sentence) as caught:
        parse(text, "params.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("time", ["2023-06-14T10:26:00Z", "2023-06-14T12:26:00+02:00"])
def test_an_unquoted_time_is_taken_as_a_quoted_one(tmp_path: Path, time: str) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace('"2023-06-14T10:26:00Z"', time), encoding="utf-8")
    assert time in path.read_text(encoding="utf-8")
    assert load(path).cities["demo"].scene == load(ROOT / "params.yaml").cities["demo"].scene


def test_a_tolerance_of_too_many_pixels_of_the_grid_is_refused() -> None:
    params = load(ROOT / "params.yaml")
    grid = Grid(CRS(32632), Affine(0.15, 0, 500000, 0, -0.15, 5400000), 64, 64)
    with pytest.raises(PipelineError, match=r"a boundary tolerance of 50 m is more than 256 pixels of 0\.15"):
        evaluate.plan(params, grid)
