"""A secret in params.yaml is refused by every parameter, and no error of any kind shows it."""

import traceback
from copy import deepcopy
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import whole_params
from urbanseg.config.params import load, validated
from urbanseg.errors import PipelineError

SECRET = "hunter2-9c41"  # noqa: S105
FORMS = [
    f"https://bob:{SECRET}@example.org/api",
    f"https://{SECRET}@example.org/api",
    f"https://:{SECRET}@example.org/api",
    f"https://bob:a%40{SECRET}@example.org/api",
    f"https://bob:a/{SECRET}@example.org/api",
    f"https://bob:a {SECRET}@example.org/api",
    f"https://example.org/api?key={SECRET}",
    f"https://example.org/api?{SECRET}",
    f"https://example.org/api#{SECRET}",
    f"https://example.org/api;token={SECRET}",
]
AREA = {"area": {"bbox": [9, 48, 9.1, 48.1]}, "dates": "2023-05-01/2023-07-31"}
STAC = {"provider": "stac", "profile": "planetary_computer", **AREA}
HUB = {"provider": "sentinelhub", "profile": "cdse", **AREA}
URLS: dict[str, tuple[str, dict[str, Any]]] = {
    "cities.town.scene.url": ("scene", STAC),
    "cities.town.scene.sas_url": ("scene", STAC),
    "cities.town.scene.base_url": ("scene", HUB),
    "cities.town.scene.token_url": ("scene", HUB),
    "cities.town.scene.area.geocoder": ("scene", {**STAC, "area": {"place": "Ulm"}}),
    "cities.town.osm.address": ("osm", {"provider": "overpass"}),
    "predict.scheduler": ("osm", {"provider": "none"}),
}
OTHERS = ["seed", "cities.town.title", "cities.town.inputs", "cities.town.role", "cities.town.scene",
          "cities.town.scene.path", "cities.town.scene.provider", "cities.town.scene.bands.red",
          "cities.town.scene.nodata", "cities.town.scene.secret", "cities.town.labels.path", "osm.keep_tags",
          "cities.town.labels.remap", "train.init_from", "train.epochs", "train.device", "classes.road.color",
          "tiles", "labels.priority", "nothing"]  # fmt: skip


WHOLE: dict[str, Any] = whole_params()


def params(section: str = "osm", value: Any = None) -> dict[str, Any]:
    """All of params.yaml with one city, and a section of that city as given."""
    found = deepcopy(WHOLE)
    town: dict[str, Any] = {"title": "Town", "role": "train", "inputs": "."}
    town |= {"scene": {"provider": "local", "path": "x.tif", "bands": {"red": 1}}}
    town |= {"osm": {"provider": "none"}}
    town |= {"labels": {"source": "raster", "path": "x.tif", "remap": {1: "road"}}}
    found["cities"] = {"town": deepcopy(town | ({section: value} if value else {}))}
    return found


dump = partial(yaml.safe_dump, sort_keys=False)


def put(found: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        found = found[parent]
    found[last] = value


def refusal(tmp_path: Path, content: str | dict[str, Any]) -> str:
    """The sentence for a file or its values; nothing that Python prints of the error shows the secret."""
    path = tmp_path / "params.yaml"
    if isinstance(content, str):
        path.write_text(content)
    with pytest.raises(PipelineError) as caught:
        load(path) if isinstance(content, str) else validated(content, str(path))
    printed = "".join(traceback.format_exception(caught.value))
    assert SECRET in str(content)
    assert SECRET not in printed + repr(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_without_a_secret_the_parameters_are_valid(tmp_path: Path) -> None:
    for key, (section, value) in URLS.items():
        found = params(section, value)
        put(found, key, "tcp://10.0.0.1:8786" if key == "predict.scheduler" else "https://example.org/api/")
        (tmp_path / "params.yaml").write_text(dump(found))
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize("form", range(len(FORMS)))
@pytest.mark.parametrize("key", URLS)
def test_an_address_with_a_secret_is_refused_in_words_that_name_its_key(
    tmp_path: Path, key: str, form: int
) -> None:
    found = params(*URLS[key])
    address = FORMS[form].replace("https", "tcp") if key == "predict.scheduler" else FORMS[form]
    put(found, key, address)
    assert refusal(tmp_path, found).startswith(
        f"{key}: must not hold a user name or password, a query or a fragment; "
        "secrets belong in the environment"
    )


@pytest.mark.parametrize("key", [key for key in URLS if key != "predict.scheduler"])
@pytest.mark.parametrize("value", [SECRET, f"ftp//{SECRET}", [SECRET], {"key": SECRET}, {SECRET.encode()}])
def test_what_is_no_address_is_refused_and_not_repeated(tmp_path: Path, key: str, value: Any) -> None:
    found = params(*URLS[key])
    put(found, key, value)
    assert refusal(tmp_path, found).startswith(f"{key}: ")


@pytest.mark.parametrize(("key", "form"), zip(OTHERS, cycle(range(len(FORMS)))))
def test_an_address_with_a_secret_is_shown_by_no_parameter(tmp_path: Path, key: str, form: int) -> None:
    for value in (FORMS[form], [FORMS[form]], {FORMS[form]: 1}, {"x": FORMS[form]}, FORMS[form].encode()):
        found = params()
        put(found, key, value)
        refusal(tmp_path, found)


@pytest.mark.parametrize("form", [0, 1, 6])
@pytest.mark.parametrize("parent", ["cities", "cities.town", "train", "classes", "cities.town.scene.bands"])
def test_an_address_with_a_secret_as_a_key_is_refused_and_not_repeated(
    tmp_path: Path, parent: str, form: int
) -> None:
    found = params()
    section = found
    for part in parent.split("."):
        section = section[part]
    section[FORMS[form]] = 1
    refusal(tmp_path, found)


@pytest.mark.parametrize("name", ["client_secret", "password", "token", "api_key"])
@pytest.mark.parametrize("section", ["train", "cities.town", "cities.town.scene", "cities.town.osm"])
def test_credentials_as_parameters_are_unknown_and_not_repeated(
    tmp_path: Path, section: str, name: str
) -> None:
    found = params()
    put(found, f"{section}.{name}", SECRET)
    assert refusal(tmp_path, f"# {SECRET}\n{dump(found)}").startswith(f"{section}.{name}: is not a parameter")


@pytest.mark.parametrize(
    "text",
    [
        f"url: [https://bob:{SECRET}@x.org",
        f"a: 1\n  url: https://bob:{SECRET}@x.org",
        f"password: {SECRET}\npassword: {SECRET}",
        f"password: 'a\npassword: {SECRET}",
        f"{SECRET}: 1\n{SECRET}: 2",
        f"url: *{SECRET}",
        f"url: !{SECRET} 1",
        f"url: !!int {SECRET}",
        f"url: !!binary {SECRET}",
        f"url: !!timestamp {SECRET}",
        f"url: @{SECRET}",
        f"%{SECRET}\nurl: 1",
        f"url: {SECRET}\x07",
        f"url: {{{SECRET}",
        f"&{SECRET} &{SECRET} a",
    ],
    ids=str.split,
)
def test_broken_yaml_is_refused_without_quoting_the_file(tmp_path: Path, text: str) -> None:
    assert "is not valid YAML" in refusal(tmp_path, text)


def test_broken_yaml_is_refused_with_its_place(tmp_path: Path) -> None:
    said = refusal(tmp_path, f"seed: [1\npassword: {SECRET}")
    assert "expected ',' or ']'" in said
    assert said.endswith(", line 2, column 9")
