"""The dvc.yaml of each city: made from one template, replaced only as it was made."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.conftest import ROOT, shipped_params
from urbanseg.config.labels import OsmLabels
from urbanseg.config.region import RegionParams
from urbanseg.errors import PipelineError
from urbanseg.workflows.city_pipelines import check, is_made, pipeline, update

TEMPLATE = (ROOT / "cities/template.yaml").read_text()


def cities(**inputs):
    return {
        name: SimpleNamespace(inputs=path, labels=OsmLabels(source="osm")) for name, path in inputs.items()
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "template.yaml").write_text("stages: {make: {cmd: make {city}, deps: [{inputs}]}}\n")
    return tmp_path


@pytest.mark.parametrize("inputs", ["data/none", "../my data/a: b#c", 'quo"te', "é/x", "a\\b", "$HOME"])
def test_inputs_are_a_path_whatever_they_hold(inputs):
    stages = yaml.safe_load(pipeline(TEMPLATE, "town", inputs))["stages"]
    assert stages["scene"]["deps"][0] == inputs
    assert stages["scene"]["outs"] == ["data/scene/town"]
    assert stages["scene"]["cmd"] == "python -m stages.scene town"


def test_only_a_city_that_is_corrected_depends_on_corrections():
    plain, corrected = (
        yaml.safe_load(pipeline(TEMPLATE, "town", "data/none", corrected=each))["stages"]
        for each in (False, True)
    )
    drawn, split = "data/corrections/town.gpkg", "data/corrections/town_split.json"
    more = {"labels": {drawn}, "repair": {drawn, split}, "tiles": {split}}
    for stage, found in corrected.items():
        assert set(found["deps"]) - set(plain[stage]["deps"]) == more.get(stage, set())


def test_a_region_gets_a_pipeline_of_its_own_template(tmp_path):
    (tmp_path / "template.yaml").write_text((ROOT / "regions/template.yaml").read_text())
    region = RegionParams.model_construct(
        inputs=Path("{model_inputs}"), model_inputs=Path("models/segmenter")
    )
    update(tmp_path, {"valley": region})
    text = (tmp_path / "valley/dvc.yaml").read_text()
    stage = yaml.safe_load(text)["stages"]["region"]
    assert is_made(text)
    assert stage["cmd"] == "python -m stages.region valley"
    assert stage["deps"][:2] == ["{model_inputs}", "models/segmenter"]
    assert stage["outs"] == [{"data/region/valley": {"persist": True}}]
    update(tmp_path, {})
    assert not (tmp_path / "valley/dvc.yaml").exists()


def test_inputs_are_no_variable_of_dvc():
    from dvc.parsing.context import Context  # noqa: PLC0415, takes a second to import

    written = yaml.safe_load(pipeline(TEMPLATE, "town", "a/${seed}"))["stages"]["scene"]["deps"][0]
    assert Context(seed=7).resolve(written) == "a/${seed}"


def test_every_city_gets_a_pipeline_and_those_that_are_gone_lose_it_but_not_their_lock(folder):
    update(folder, cities(a="x", b="y"))
    check(folder, cities(a="x", b="y"))
    (folder / "a/dvc.lock").write_text("digests")
    update(folder, cities(b="z"))
    check(folder, cities(b="z"))
    assert not (folder / "a/dvc.yaml").exists()
    assert (folder / "a/dvc.lock").read_text() == "digests"
    assert 'deps: ["z"]' in (folder / "b/dvc.yaml").read_text()


@pytest.mark.parametrize("wanted", [cities(a="x", b="y"), cities(a="other"), {}])
def test_what_does_not_fit_is_named(folder, wanted):
    update(folder, cities(a="x"))
    with pytest.raises(PipelineError, match=r"[ab]/dvc\.yaml (is missing|does not fit).*run make repro"):
        check(folder, wanted)


@pytest.mark.parametrize("wanted", [cities(a="other"), {}])
def test_an_edit_by_hand_is_not_lost(folder, wanted):
    update(folder, cities(a="x"))
    mine = folder / "a/dvc.yaml"
    mine.write_text(mine.read_text() + "# mine\n")
    assert not is_made(mine.read_text())
    with pytest.raises(PipelineError, match="was edited by hand and would be lost"):
        update(folder, wanted)
    assert "# mine" in mine.read_text()


def test_a_changed_template_reaches_every_city(folder):
    update(folder, cities(a="x", b="x"))
    (folder / "template.yaml").write_text("stages: {other: {cmd: make {city}}}\n")
    update(folder, cities(a="x", b="x"))
    assert [path.read_text().count("other") for path in folder.glob("*/dvc.yaml")] == [1, 1]


def test_the_pipelines_in_git_are_up_to_date():
    check(ROOT / "cities", shipped_params().cities)


def test_without_a_template_the_folder_is_wrong(tmp_path):
    with pytest.raises(PipelineError, match="run from the project's folder"):
        update(tmp_path, {})
