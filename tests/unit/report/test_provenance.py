import hashlib
from pathlib import Path

import pytest

from urbanseg.config.params import CityParams, Params
from urbanseg.errors import PipelineError
from urbanseg.io.files import read_json
from urbanseg.report.provenance import facts, fingerprint, is_simulated, label_origin, require

ITEM = {
    "id": "S2A_1",
    "properties": {
        "datetime": "2023-06-14T10:26:00Z",
        "created": "2026-01-01T00:00:00Z",
        "eo:cloud_cover": 3.25,
        "providers": [{"name": "ESA", "roles": ["producer"]}, {"name": "us"}],
        "instruments": ["msi"],
        "nested": {"a": 1},
        "nothing": None,
        "harmonised": True,
    },
}


def test_facts_are_worded_and_the_date_of_the_run_is_left_out() -> None:
    assert facts(ITEM) == [
        ("product", "S2A_1"),
        ("provided by", "ESA, us"),
        ("acquired", "2023-06-14T10:26:00Z"),
        ("cloud cover (%)", "3.25"),
        ("instruments", "msi"),
        ("harmonised", "yes"),
    ]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("2020-02-01T00:00:00Z", "1970-01-01T00:00:00Z to 2020-02-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "unknown"),
    ],
)
def test_a_scene_without_a_date_says_so(end: str, said: str) -> None:
    dates = {"datetime": None, "start_datetime": "1970-01-01T00:00:00Z", "end_datetime": end}
    assert facts({"properties": dates}) == [("acquired", said)]


def test_an_item_that_says_nothing_is_no_simulation() -> None:
    assert not is_simulated(ITEM)
    assert is_simulated({"properties": {"simulated": True}})


def test_a_fingerprint_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a.tif").write_bytes(data)
    artefact = fingerprint(tmp_path / "a.tif", "a raster")
    assert artefact.sha256 == hashlib.sha256(data).hexdigest()
    assert artefact.size_text == "1.3 MB"


def test_a_missing_file_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"classes\.tif does not exist.*dvc repro cities/demo/dvc.yaml:predict"
    ):
        require(tmp_path / "classes.tif", "cities/demo/dvc.yaml:predict")


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_damaged_json_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    with pytest.raises(PipelineError, match=r"demo\.json"):
        read_json(tmp_path / "demo.json")


OSM, RASTER = {"source": "osm"}, {"source": "raster", "path": "a.tif", "remap": {1: "road"}}
VECTOR = {"source": "vector", "path": "a.gpkg", "classes": "road"}
CREDIT = "© OpenStreetMap contributors, ODbL"


def layered(**sources: object) -> dict[str, object]:
    return {"layers": list(sources), "sources": sources}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (OSM, CREDIT),
        (RASTER, "a classified raster"),
        (VECTOR, "annotation or survey data"),
        (layered(a=VECTOR, b=OSM), f"annotation or survey data, then {CREDIT}"),
        (layered(a=VECTOR, b=RASTER), "annotation or survey data, then a classified raster"),
    ],
)
def test_openstreetmap_is_named_where_labels_are_its_own(
    params: Params, labels: dict[str, object], said: str
) -> None:
    real = params.cities["demo"].model_dump() | {
        "scene": {"provider": "local", "path": "a.tif", "bands": {"B04": 1}},
        "labels": labels,
    }
    assert label_origin(CityParams.model_validate(real), simulated=False) == said


def test_a_simulated_city_has_a_map_of_its_own(params: Params) -> None:
    assert "made-up" in label_origin(params.cities["demo"], simulated=True)
