import os
import subprocess
import sys

import pytest

from ci.before_dvc import check
from ci.retrain import retrain
from tests.conftest import ROOT, shipped_params
from urbanseg import paths
from urbanseg.errors import PipelineError


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("params.yaml", "cities/template.yaml", "regions/template.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def start(*command):
    return subprocess.run(
        [sys.executable, "-m", "ci.before_dvc", *command], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("folder", paths.output_folders(["demo"]), ids=str)
def test_a_file_of_somebody_else_in_a_folder_that_dvc_would_remove_stops_it_first(project, folder):
    (project / folder).mkdir(parents=True)
    (project / folder / "thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match=f"{folder} would be replaced, but it holds thesis.txt"):
        check()


def test_what_the_check_finds_stops_the_command_before_it_starts(project):
    (project / "models/segmenter").mkdir(parents=True)
    (project / "models/segmenter/thesis.txt").write_text("mine")
    done = start("touch", "ran")
    assert done.returncode == 1
    assert "error: models/segmenter would be replaced, but it holds thesis.txt" in done.stderr
    assert not (project / "ran").exists()


def test_without_such_a_file_the_command_runs_with_its_own_exit_code(project):
    (project / "data/scene/demo").mkdir(parents=True)
    (project / "data/scene/demo/scene.tif").touch()
    (project / "data/scene/demo/scene.tif.aux.xml").touch()
    assert start("touch", "ran").returncode == 0
    assert (project / "ran").exists()
    assert start("sh", "-c", "exit 7").returncode == 7


def test_every_folder_that_a_stage_writes_is_checked():
    """All folders among the outputs in dvc.yaml, for the cities of params.yaml."""
    from dvc.repo import Repo  # noqa: PLC0415, takes a second to import

    with Repo(str(ROOT)) as repo:
        outs = {out.def_path for out in repo.index.outs}
    folders = {out for out in outs if "." not in out.rpartition("/")[2]}
    checked = {str(folder) for folder in paths.output_folders(shipped_params().cities)}
    assert len(folders) > 5
    assert {
        f for f in folders if f not in checked and not any(c.startswith(f"{f}/") for c in checked)
    } == set()


def test_retraining_makes_the_same_check_before_anything_else(project):
    (project / "data/map/demo").mkdir(parents=True)
    (project / "data/map/demo/thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match=r"data/map/demo would be replaced, but it holds thesis\.txt"):
        retrain("HEAD", None, refresh=False, accept=False)
    assert (project / "data/map/demo/thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("inputs", ["raw", "raw/in.tif"])
def test_a_city_made_from_a_pipe_stops_it_first(project, inputs):
    (project / "raw").mkdir()
    os.mkfifo(project / "raw/in.tif")
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("inputs: data/none", f"inputs: {inputs}", 1))
    with pytest.raises(PipelineError, match=r"cities.demo.inputs: raw/in.tif is a pipe or a device; DVC"):
        check()
