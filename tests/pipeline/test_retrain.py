"""Retraining as CI does it, without a forge: a bare git remote and a DVC remote, both folders."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from ci import retrain as script
from tests.pipeline import project
from tests.pipeline.project import Project
from urbanseg.errors import PipelineError

CITIES = ("demo", "oasis")
AFTER_PREDICTION = {
    f"{stage}@{city}" for stage in ("vectorize", "evaluate", "project") for city in CITIES
} | {
    "overall",
    "report",
}
AFTER_TRAINING = {"export"} | {f"predict@{city}" for city in CITIES} | AFTER_PREDICTION
LOCKS = ["cities/demo/dvc.lock", "cities/oasis/dvc.lock", "dvc.lock"]
NEUTRAL = {"cities.oasis.title": "Another name"}
FORMATS = {"vectorize.formats": ["gpkg", "fgb"]}
WORSE = {"train.loss.ce_weight": 1e-12, "train.loss.lovasz_weight": 0.0}
"""So small a loss that its gradient vanishes beside the optimiser's epsilon: nothing is learnt."""


class Forge:
    """What machines share: a bare git repository, and the folder that is the DVC remote."""

    def __init__(self, folder, finished):
        self.folder, self.url = folder, folder / "project.git"
        self.clones = 0
        subprocess.run(["git", "clone", "--quiet", "--bare", finished, self.url], check=True)
        (folder / "store").mkdir()
        first = self.clone("main")
        first.dvc("remote", "add", "--default", "storage", str(folder / "store"))
        first.commit("Share results")
        first.git("push", "--quiet", "origin", "main")
        first.dvc("cache", "dir", "--local", str(finished / ".dvc" / "cache"))
        first.run(sys.executable, "-m", "ci.share")

    def clone(self, branch):
        """A machine that has nothing but a fresh clone."""
        self.clones += 1
        folder = self.folder / f"machine{self.clones}"
        subprocess.run(["git", "clone", "--quiet", "--branch", branch, self.url, folder], check=True)
        return Project.at(folder)

    def change(self, branch, values):
        """A developer changes parameters on a new branch and pushes it."""
        machine = self.clone("main")
        machine.git("checkout", "--quiet", "-b", branch)
        for key, value in values.items():
            machine.set(key, value)
        machine.commit(f"Try {branch}")
        machine.git("push", "--quiet", "origin", branch)

    def git(self, *words):
        """Run git in the bare repository."""
        done = subprocess.run(["git", *words], cwd=self.url, capture_output=True, text=True, check=True)
        return done.stdout.strip()


def retrain(machine, *options, base="origin/main"):
    """What the workflows run once the environment stands."""
    return machine.run(sys.executable, "-m", "ci.retrain", "--base", base, *options, check=False)


def report(machine):
    return (machine.folder / "reports" / "retraining.md").read_text()


def ran(done):
    """Stages that ran, as DVC says."""
    return set(project.ran(done.stdout))


@pytest.fixture(scope="module")
def forge(finished, tmp_path_factory):
    shared = Forge(tmp_path_factory.mktemp("forge"), finished)
    yield shared
    shutil.rmtree(shared.folder)


@pytest.fixture(scope="module")
def broken(forge):
    """What a runner said after a change that touches no score, when the last stage fails."""
    forge.change("formats", FORMATS)
    author = forge.clone("formats")
    pipeline = author.folder / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("python -m stages.report", "exit 1"))
    author.commit("Break the report")
    author.git("push", "--quiet", "origin", "formats")
    done = retrain(forge.clone("formats"))
    author.git("reset", "--quiet", "--hard", "HEAD~")
    author.git("push", "--quiet", "--force", "origin", "formats")
    return done


@pytest.fixture(scope="module")
def neutral(forge):
    """The runner's machine and what it said, after a change that touches no score."""
    forge.change("neutral", NEUTRAL)
    runner = forge.clone("neutral")
    return runner, retrain(runner)


@pytest.fixture(scope="module")
def second(forge, neutral):  # noqa: ARG001
    """A colleague's machine: a fresh clone of the neutral change, and its results."""
    machine = forge.clone("neutral")
    machine.dvc("pull")
    return machine


@pytest.fixture(scope="module")
def worse(forge):
    """The same, after a change that makes a bad model."""
    forge.change("worse", WORSE)
    runner = forge.clone("worse")
    return runner, retrain(runner)


@pytest.mark.slow
def test_a_stage_that_fails_costs_only_itself(broken, forge):
    assert broken.returncode != 0
    assert "error: dvc repro --pull failed" in broken.stderr
    made_anew = {f"{stage}@{city}" for stage in ("vectorize", "evaluate", "project") for city in CITIES}
    assert ran(broken) == {"params", "report"} | made_anew
    assert ran(retrain(forge.clone("formats"))) == {"report"}


@pytest.mark.slow
def test_a_neutral_change_passes_and_its_results_are_recorded(forge, neutral):
    _, done = neutral
    assert done.returncode == 0, done.stderr
    assert "gate:" not in done.stderr
    assert ran(done) == {"params", "report"}
    assert forge.git("log", "--format=%s", "main..neutral").splitlines() == [
        "Retrain",
        "Try neutral",
    ]
    assert forge.git("diff", "--name-only", "neutral~", "neutral").split() == ["dvc.lock"]


@pytest.mark.slow
def test_the_report_compares_every_city_and_shows_pictures_that_exist(neutral):
    runner, _ = neutral
    assert "**Gate: passed**" in report(runner)
    for city in (*CITIES, "overall"):
        scores = json.loads((runner.folder / f"metrics/{city}.json").read_text())
        row = next(line for line in report(runner).splitlines() if line.startswith(f"| {city} | mean IoU"))
        assert f"| {scores['miou']:.4f} | {scores['miou']:.4f} | +0.0000 |" in row
        assert re.search(r"\| \+0\.0000 to \+0\.0000 \| paired \d+ cells.* \| – \| noise \|$", row)
    pictures = re.findall(r"!\[.*?\]\((.+?)\)", report(runner))
    assert len(pictures) == 4
    assert all((runner.folder / "reports" / picture).is_file() for picture in pictures)


@pytest.mark.slow
def test_a_second_machine_gets_the_results_without_computing_anything(second, neutral):
    runner, _ = neutral
    assert second.repro() == []
    for path in ("models/segmenter/model.safetensors", "data/map/demo/demo.gpkg", "reports/index.html"):
        assert (second.folder / path).read_bytes() == (runner.folder / path).read_bytes()


@pytest.mark.slow
def test_touching_only_the_readme_runs_and_records_nothing(forge, second):
    (second.folder / "README.md").write_text("Read me.\n")
    second.commit("Write a README")
    before = forge.git("rev-parse", "neutral")
    done = retrain(second, base="HEAD~")
    assert done.returncode == 0, done.stderr
    assert ran(done) == set()
    assert "Nothing had to run." in report(second)
    assert forge.git("rev-parse", "neutral") == before


@pytest.mark.slow
def test_touching_the_loss_runs_training_and_what_follows_and_nothing_before(worse):
    _, done = worse
    assert ran(done) == {"params", "train"} | AFTER_TRAINING


@pytest.mark.slow
def test_worse_parameters_fail_with_the_score_the_drop_and_the_interval(forge, worse):
    runner, done = worse
    assert done.returncode != 0
    said = re.search(
        r"gate: overall: mean IoU dropped by (0\.\d+), from (0\.\d+) to (0\.\d+); "
        r"one-sided p = 0\.\d+ on paired \d+ cells.*, 95 % interval −0\.\d+ to [−+]0\.\d+\n",
        done.stderr,
    )
    assert said, done.stderr
    drop, before, after = (float(said[i]) for i in (1, 2, 3))
    assert drop > 0.05
    assert drop == pytest.approx(before - after, abs=2e-4)
    assert "**Gate: failed" in report(runner)
    assert said[0].removeprefix("gate: ") in report(runner)
    row = next(line for line in report(runner).splitlines() if line.startswith("| overall | mean IoU"))
    assert "paired" in row
    assert forge.git("log", "--format=%s", "main..worse") == "Try worse"


@pytest.mark.slow
@pytest.mark.usefixtures("worse")
def test_failed_results_are_shared_and_can_be_accepted_though_the_branch_moved(forge):
    runner, author = forge.clone("worse"), forge.clone("worse")
    (author.folder / "README.md").write_text("Read me.\n")
    author.commit("Write a README")
    author.git("push", "--quiet", "origin", "worse")

    done = retrain(runner, "--accept")
    assert done.returncode == 0, done.stderr
    assert ran(done) == set()  # all of it comes from the run cache
    assert "accepted by hand" in report(runner)
    assert forge.git("log", "--format=%s", "main..worse").splitlines() == [
        "Retrain",
        "Write a README",
        "Try worse",
    ]
    changed = set(forge.git("diff", "--name-only", "worse~", "worse").splitlines())
    assert changed == {*LOCKS, *(f"metrics/{name}.json" for name in (*CITIES, "overall", "training"))}


@pytest.mark.slow
def test_a_model_is_registered_by_a_tag_and_fetched_by_its_name(forge, neutral, tmp_path):
    runner, _ = neutral
    runner.run("gto", "register", "segmenter", "--version", "v1.0.0")
    runner.git("push", "--quiet", "origin", "--tags")
    elsewhere = tmp_path / "model"
    runner.dvc("artifacts", "get", str(forge.url), "segmenter", "--rev", "v1.0.0", "--out", str(elsewhere))
    expected = sorted((runner.folder / "models" / "segmenter").iterdir())
    assert [path.read_bytes() for path in sorted(elsewhere.iterdir())] == [p.read_bytes() for p in expected]


@pytest.mark.parametrize(
    ("base", "touched", "sentence"),
    [
        ("nowhere", False, "there is no revision or experiment 'nowhere'"),
        ("HEAD", True, "there are changes that are not committed"),
    ],
)
def test_what_cannot_end_well_is_refused_before_any_work(forge, monkeypatch, base, touched, sentence):
    machine = forge.clone("main")
    if touched:
        machine.set("seed", 8)
    monkeypatch.chdir(machine.folder)
    with pytest.raises(PipelineError, match=sentence):
        script.retrain(base, None, refresh=False, accept=False)
