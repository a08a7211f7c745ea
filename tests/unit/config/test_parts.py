"""params.yaml in parts says what params.yaml says, or nothing."""

import pytest

from tests.conftest import ROOT
from urbanseg.config import parts
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import load
from urbanseg.io import files

BASE = (ROOT / "params.yaml").read_text()
TEXTS = {"base": BASE} | {
    path.stem: overlaid(BASE, path.read_text()) for path in sorted((ROOT / "params").glob("*.yaml"))
}


def write(folder, params, source):
    for name, values in parts.split(params).items():
        files.write_json(folder / name, values)
    files.write_json(folder / parts.ORIGIN, parts.origin(source) | {parts.CITIES: list(params.cities)})


@pytest.fixture(params=TEXTS)
def source(request, tmp_path):
    """params.yaml, with its parts beside it."""
    path = tmp_path / "params.yaml"
    path.write_text(TEXTS[request.param])
    write(tmp_path / "parts", load(path), path)
    return path


def test_the_parts_are_the_whole_without_loss_and_in_its_order(source):
    found, whole = parts.read(source.parent / "parts", source), load(source)
    assert found == whole
    assert list(found.cities) == list(whole.cities)


def test_a_city_reads_itself_alone(source):
    whole = load(source)
    for name in whole.cities:
        alone = parts.read(source.parent / "parts", source, name)
        assert alone == whole.model_copy(update={"cities": {name: whole.cities[name]}})


def test_cities_keep_the_order_of_the_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(BASE.replace("  demo:\n", "  zebra:\n").replace("scene/demo/", "scene/zebra/"))
    write(tmp_path / "parts", load(path), path)
    assert list(parts.read(tmp_path / "parts", path).cities) == ["zebra", "oasis"]


def test_masks_with_numbers_survive_json(tmp_path):
    path = tmp_path / "params.yaml"
    overlay = (ROOT / "params/dubai_tiles.yaml").read_text()
    start = overlay.index("remap: {")
    numbers = overlay[:start] + "remap: {0: other, 255: building}" + overlay[overlay.index("}", start) + 1 :]
    path.write_text(overlaid(BASE, numbers))
    write(tmp_path / "parts", load(path), path)
    assert parts.read(tmp_path / "parts", path) == load(path)
    assert load(path).cities["dubai_tiles"].labels.remap == {0: "other", 255: "building"}


@pytest.mark.parametrize("city", [None, "demo"])
def test_parts_of_other_parameters_are_not_read(source, city):
    source.write_text(BASE.replace("seed: 7", "seed: 8"))
    assert parts.read(source.parent / "parts", source, city) is None


def test_parts_of_other_code_are_not_read(source, monkeypatch):
    monkeypatch.setattr(parts, "origin", lambda path: {"params.yaml": files.sha256(path), "code": "other"})
    assert parts.read(source.parent / "parts", source) is None


@pytest.mark.parametrize("city", ["nowhere", "../origin", "", "a b"])
def test_there_is_no_part_of_what_is_no_city(source, city):
    assert parts.read(source.parent / "parts", source, city) is None


def test_without_parts_there_is_nothing_to_read(tmp_path):
    (tmp_path / "params.yaml").write_text(BASE)
    assert parts.read(tmp_path / "parts", tmp_path / "params.yaml") is None


def test_a_default_in_code_stands_in_the_parts(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(BASE.replace("  max_gap_months: 6 ", "  # gone "))
    assert "max_gap_months" not in path.read_text()
    assert parts.split(load(path))["osm.json"]["osm"]["max_gap_months"] == 6
