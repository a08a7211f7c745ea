"""Titles of classes reach GIS through the stages, and not what a model learns from."""

import json
from xml.etree import ElementTree as ET

from stages.train import training_set
from tests.pipeline.test_bad_input import Town, prepare
from urbanseg.config import params


def test_the_stages_hand_titles_on_beside_the_names(tmp_path, monkeypatch):
    town = Town(tmp_path)
    titles = {"road": "Ways & <paths>"}
    town.params["classes"]["road"]["title"] = titles["road"]
    prepare(town, "scene", "osm", "labels", "tiles", "dataset")
    summary = json.loads((tmp_path / "data/dataset.json").read_text())
    assert "titles" not in summary
    names = list(town.params["classes"])
    assert summary["classes"] == names
    drawn = ET.parse(tmp_path / "data/labels/town.tif.aux.xml").iter("Category")  # noqa: S314
    assert [category.text for category in drawn][: len(names)] == [titles.get(name, name) for name in names]

    monkeypatch.chdir(tmp_path)
    data = training_set(summary, params.load(tmp_path / "params.yaml"))
    assert data.spec.classes == names
