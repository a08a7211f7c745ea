"""The models that ship are trained on what is listed, and on nothing else."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from ci import models
from tests.conftest import ROOT
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import parse
from urbanseg.errors import PipelineError

LISTED = (ROOT / models.SOURCES).read_text()
OVERLAYS = sorted((ROOT / models.OVERLAYS).glob("*.yaml"))


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_each_overlay_is_valid_and_its_inputs_are_listed(path: Path) -> None:
    overlay = path.read_text()
    cities = parse(overlaid((ROOT / "params.yaml").read_text(), overlay), path.name).cities
    wanted = models.sources(LISTED, overlay)
    inputs = {str(city.inputs) for city in cities.values()} - {"data/none"}
    for each in inputs:
        below = each.removeprefix(f"{models.DATA}/")
        assert any(source == below or source.startswith(f"{below}/") for source in wanted)
    assert bool(wanted) == bool(inputs)


def test_hold_outs_are_of_places_that_are_not_trained_on() -> None:
    overlay = (ROOT / models.OVERLAYS / "s2-urban.yaml").read_text()
    cities = parse(overlaid((ROOT / "params.yaml").read_text(), overlay), "s2-urban").cities
    of_role = {
        role: {city.scene.osm_path for city in cities.values() if city.role == role and city.scene.osm_path}
        for role in ("train", "holdout")
    }
    assert len(of_role["train"]) == 4
    assert len(of_role["holdout"]) == 2
    assert not of_role["train"] & of_role["holdout"]
    seeds = [city.scene.world.seed for city in cities.values()]
    assert len(set(seeds)) == len(seeds) == 50


def test_scores_are_made_of_the_cities_that_were_not_trained_on(tmp_path: Path) -> None:
    overlay = (ROOT / models.OVERLAYS / "s2-urban.yaml").read_text()
    (tmp_path / "params.yaml").write_text(overlaid((ROOT / "params.yaml").read_text(), overlay))
    first, *rest = models.targets(tmp_path)
    assert first == "export"
    assert len(rest) == 20
    assert all(target.startswith(("cities/copenhagen_", "cities/baltimore_")) for target in rest)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project with one overlay and one source."""
    root = tmp_path / "project"
    (root / models.OVERLAYS).mkdir(parents=True)
    (root / "params.yaml").write_text("seed: 7\ncities:\n  a:\n    inputs: data/none\n")
    overlay = "seed: 8\ncities:\n  b:\n    inputs: ../shared/data/x/one.txt\n"
    (root / models.OVERLAYS / "small.yaml").write_text(overlay)
    (root / models.SOURCES).write_text(
        f"{hashlib.sha256(b'one').hexdigest()}  x/one.txt\n{'0' * 64}  y/two.txt\n"
    )
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    (tmp_path / "data/x").mkdir(parents=True)
    (tmp_path / "data/x/one.txt").write_text("one")
    monkeypatch.setattr(models, "ROOT", root)
    return tmp_path


def test_a_working_copy_holds_the_overlay_with_the_data_where_they_are(project: Path) -> None:
    models.prepare("small", project / "data", project / "work/small")
    text = (project / "work/small/params.yaml").read_text()
    assert "seed: 8" in text
    assert f"inputs: {project / 'data'}/x/one.txt" in text


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("small", None, "does not exist; put the sources"), ("small", "two", "is not what .* lists"),
     ("none", "one", "the models are small")],
)  # fmt: skip
def test_what_is_missing_or_another_stops_it(
    project: Path, name: str, content: str | None, sentence: str
) -> None:
    source = project / "data/x/one.txt"
    source.unlink() if content is None else source.write_text(content)
    with pytest.raises(PipelineError, match=sentence):
        models.prepare(name, project / "data", project / "work")
    assert not (project / "work").exists()
