"""The demo renders a town, maps it by the model that ships, and says where the report is."""

import subprocess
import sys

import pytest
import rasterio

from ci import demo
from tests.conftest import ROOT
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import parse
from urbanseg.errors import PipelineError


def test_its_town_is_valid_and_none_of_the_pipeline():
    text = (ROOT / "params.yaml").read_text()
    (town,) = parse(overlaid(text, demo.TOWN.format(side=demo.SIDE_M)), "the demo").cities.values()
    others = [city.scene.layout for city in parse(text, "params.yaml").cities.values()]
    assert town.scene.layout.seed not in {layout.seed for layout in others}


def test_it_wants_one_folder(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["demo"])
    with pytest.raises(PipelineError, match="give one folder"):
        demo.main()


@pytest.mark.slow
def test_a_town_is_rendered_and_mapped_and_a_second_run_replaces_it(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["demo", str(tmp_path / "out")])
    monkeypatch.setattr(demo, "SIDE_M", 640)
    for _ in range(2):
        demo.main()
        assert capfd.readouterr().out.endswith(f"open {tmp_path / 'out/map/report.html'}\n")
    with rasterio.open(tmp_path / "out/map/classes.tif") as classes:
        assert classes.shape == (64, 64)
    assert (tmp_path / "out/map/report.html").exists()


def test_make_runs_it_in_a_folder_that_git_ignores():
    text = (ROOT / "Makefile").read_text()
    assert "python -m ci.demo $(DEMO)" in text
    folder = text.split("DEMO ?= ")[1].split("\n")[0]
    subprocess.run(["git", "check-ignore", "--quiet", folder + "/"], cwd=ROOT, check=True)
