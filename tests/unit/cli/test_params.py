"""An overlay goes into params.yaml only if git can bring back what was there."""

import subprocess

import pytest

from tests.conftest import ROOT
from tests.pipeline.project import environment
from urbanseg.cli.main import execute
from urbanseg.config.params import load
from urbanseg.errors import PipelineError

OVERLAY = ROOT / "params/dubai.yaml"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    return path


def git(*words):
    subprocess.run(["git", *words], check=True, env=environment())


def commit():
    git("init", "--quiet")
    git("add", "params.yaml")
    git("commit", "--quiet", "--message", "x")


def test_an_overlay_is_put_in_and_taken_out(file):
    before = file.read_text()
    commit()
    execute(["params", str(OVERLAY)])
    assert list(load(file).cities) == ["dubai"]
    execute(["params", str(OVERLAY)])  # is so already
    git("checkout", "--quiet", "params.yaml")
    assert file.read_text() == before


@pytest.mark.parametrize("in_git", [True, False])
def test_changes_that_git_does_not_hold_are_not_lost(file, in_git):
    if in_git:
        commit()
        file.write_text(file.read_text().replace("seed: 7", "seed: 8"))
    mine = file.read_text()
    with pytest.raises(PipelineError, match=r"params\.yaml has changes that git does not hold"):
        execute(["params", str(OVERLAY)])
    assert file.read_text() == mine


def test_an_overlay_that_makes_no_valid_parameters_changes_nothing(file, tmp_path):
    commit()
    (tmp_path / "wrong.yaml").write_text("seed: -1\n")
    with pytest.raises(PipelineError, match=r"params\.yaml: seed: .*, got -1"):
        execute(["params", "wrong.yaml"])
    with pytest.raises(PipelineError, match=r"none\.yaml does not exist"):
        execute(["params", "none.yaml"])
    assert "seed: 7" in file.read_text()
