"""Keys of params.yaml that are shell code or paths: nothing that starts DVC runs them."""

import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.pipeline.project import Project, ran, small_params
from tests.unit.test_dependencies import STAGES
from urbanseg import paths
from urbanseg.workflows import city_pipelines

RUNS_CODE = [
    "x;touch PWNED",
    "$(touch PWNED)",
    "`touch PWNED`",
    "a|touch PWNED",
    "a&&touch PWNED",
    "a&touch PWNED",
    "a\ntouch PWNED\n",
    "a>PWNED",
]
"""Each of these makes a file if a shell reads it."""

HOSTILE = [
    *RUNS_CODE,
    "a||touch PWNED",
    "a';touch PWNED;'",
    "a\\';touch PWNED;'",
    'a";touch PWNED;"',
    'a"$(touch PWNED)"',
    "a'b",
    'a"b',
    "a b",
    "-h",
    "--help",
    "~",
    "#x",
    "$HOME",
    "${seed}",
    "é",
    "a/b",
    "/home",
    "Demo",
    "demo\n",
    "1x",
    "_x",
    "x" * 65,
]
REFUSED_BY_DVC = ["../x", "a.b", "a@b", "", "a\x00b"]

STUB = """
from pathlib import Path
from stages._cli import city_stage
from urbanseg import paths

@city_stage(writes=paths.scene_dir)
def main(city, params):
    Path("data/scene", city).mkdir(parents=True)
    Path("data/scene", city, "made").write_text(city)

if __name__ == "__main__":
    main()
"""
"""A scene stage that makes nothing but a file with the city's name."""


@pytest.fixture
def project(tmp_path):
    """The project, with a scene stage that takes no time."""
    made = Project(tmp_path, small_params())
    (tmp_path / "stages" / "scene.py").write_text(STUB)
    return made


def call_cities(project, *names):
    demo = next(iter(project.params["cities"].values()))
    project.params["cities"] = {name: deepcopy(demo) for name in names}
    project.write_params()


@pytest.mark.slow
def test_a_key_in_a_command_would_be_run(project):
    """What would happen if the pipeline of a city were made without a check of its name."""
    files = []
    for number, key in enumerate(RUNS_CODE):
        made = city_pipelines.pipeline("stages: {scene: {cmd: %s}}", "x", "y") % json.dumps(f"true {key}")
        files.append(f"cities/x{number}/dvc.yaml")
        project.folder.joinpath(files[-1]).parent.mkdir()
        project.folder.joinpath(files[-1]).write_text(made)
    project.run("dvc", "repro", "--keep-going", *files, check=False)
    assert [file for file in files if not (project.folder / file).with_name("PWNED").exists()] == []


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """The same project for tests that find no name right, so that DVC makes nothing."""
    made = Project(tmp_path_factory.mktemp("refusing"), small_params())
    (made.folder / "stages" / "scene.py").write_text(STUB)
    return made


@pytest.mark.parametrize(
    "keys",
    [
        HOSTILE,
        [REFUSED_BY_DVC[0]],
        *(pytest.param([key], marks=pytest.mark.slow) for key in REFUSED_BY_DVC[1:]),
    ],
    ids=str,
)
def test_dvc_by_hand_stops_at_the_first_stage_and_never_hears_of_the_keys(refusing, keys):
    project = refusing
    call_cities(project, *keys)
    done = project.run("dvc", "repro", "--keep-going", check=False)
    assert done.stdout.count("Running stage") <= 1
    assert done.returncode != 0
    assert not (project.folder / "PWNED").exists()
    assert not (project.folder / "data" / "scene").exists()
    assert not (project.folder / "data" / "params").exists()
    if keys is HOSTILE:
        assert "Running stage 'params'" in done.stdout
        assert done.stderr.count("error: params.yaml: cities: a city can't be called") == 1


@pytest.mark.slow
def test_each_city_is_a_stage_of_its_own(project):
    call_cities(project, "demo", "b2")
    scenes = [paths.city_stage("scene", city) for city in ("demo", "b2")]
    assert set(ran(project.dvc("repro", *scenes))) == {"params", "scene@demo", "scene@b2"}
    made = [(project.folder / f"data/scene/{city}/made").read_text() for city in ("demo", "b2")]
    assert made == ["demo", "b2"]
    project.set("cities.b2.scene.noise", 0.01)
    assert ran(project.dvc("repro", *scenes)) == ["params", "scene@b2"]


@pytest.mark.slow
def test_a_new_city_without_its_pipeline_is_one_sentence_by_hand_and_made_by_make(project):
    demo = project.params["cities"]["demo"]
    text = yaml.safe_dump(
        project.params | {"cities": project.params["cities"] | {"b3": demo}}, sort_keys=False
    )
    (project.folder / "params.yaml").write_text(text)
    done = project.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "error: cities/b3/dvc.yaml is missing; run make repro" in done.stderr
    project.run("python", "-m", "ci.before_dvc")
    assert ran(project.dvc("repro", paths.city_stage("scene", "b3"))) == ["params", "scene@b3"]


def test_no_command_holds_what_dvc_reads_from_params():
    assert len(STAGES) > 10
    assert not [stage["cmd"] for stage in STAGES.values() if "${" in stage["cmd"]]


def test_a_region_whose_name_is_a_command_has_no_pipeline(project):
    hostile = {"a;touch ran;b": {"inputs": "data/none", "model_inputs": "data/none"}}
    text = yaml.safe_dump(project.params | {"regions": hostile}, sort_keys=False)
    (project.folder / "params.yaml").write_text(text)
    for command in (
        ("dvc", "repro"),
        ("dvc", "repro", "-s", "region@a;touch ran;b"),
        ("python", "-m", "ci.before_dvc"),
    ):
        assert project.run(*command, check=False).returncode != 0
    assert [path.name for path in (project.folder / "regions").iterdir()] == ["template.yaml"]
    assert not (project.folder / "ran").exists()


def wrapped(folder):
    """`.venv` of a project whose python is this one, and whose dvc only notes that it was called."""
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("requirements.txt", "requirements-uv.txt", "pyproject.toml"):
        (folder / name).write_text("")
    (folder / ".venv" / ".ready").write_text("")
    (tools / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tools / "dvc").write_text('#!/bin/sh\necho "$@" > dvc_was_called\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A folder with the project, in which make finds its tools."""
    made = Project(tmp_path_factory.mktemp("started"), small_params())
    wrapped(made.folder)
    return made


def make(project, *words):
    """Run make; what it leaves of DVC's is gone before."""
    (project.folder / "dvc_was_called").unlink(missing_ok=True)
    shutil.rmtree(project.folder / ".dvc" / "tmp", ignore_errors=True)
    return project.run("make", *words, check=False)


def has_used_dvc(project):
    return (project.folder / "dvc_was_called").exists() or (project.folder / ".dvc" / "tmp").exists()


TARGETS = {
    "repro": ["$(touch PWNED)", "export"],
    "experiments": ["$(touch PWNED)"],
    "compare": ["x;touch PWNED"],
    "push": ["../x"],
    "retrain": ["demo\n"],
}
"""What make starts DVC for, and names that it is tried with: one place checks them all."""
EACH_TARGET = [pytest.param(name, marks=() if name == "repro" else pytest.mark.slow) for name in TARGETS]


@pytest.mark.parametrize("target", EACH_TARGET)
def test_a_bad_key_is_refused_before_make_starts_dvc(started, target):
    good = started.params["cities"]
    try:
        for key in TARGETS[target]:
            call_cities(started, key)
            done = make(started, target)
            assert done.returncode != 0
            said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert len(said) == 1
            assert said[0].startswith("error: params.yaml: cities: a city can't be called")
            assert "Traceback" not in done.stderr
            assert not has_used_dvc(started)
            assert not (started.folder / "PWNED").exists()
    finally:
        started.params["cities"] = good
        started.write_params()


@pytest.mark.parametrize("target", EACH_TARGET)
def test_good_keys_are_let_through_to_dvc(started, target):
    done = make(started, target, "RETRAIN=--base=nowhere")
    assert "can't be called" not in done.stderr
    assert has_used_dvc(started)


@pytest.mark.parametrize("key", HOSTILE[:1])
def test_the_check_without_a_command_is_one_sentence(started, key, tmp_path, monkeypatch):
    demo = next(iter(started.params["cities"].values()))
    bad = started.params | {"cities": {key: demo}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(bad))
    monkeypatch.setenv("PYTHONPATH", str(started.folder))
    command = [sys.executable, "-m", "ci.before_dvc", "touch", "RAN"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert not Path(tmp_path, "RAN").exists()


def test_the_image_checks_before_it_starts_dvc():
    lines = ROOT.joinpath("Dockerfile").read_text().splitlines()
    (command,) = (line for line in lines if line.startswith("CMD"))
    assert command == 'CMD ["python", "-m", "ci.before_dvc", "dvc", "repro"]'
