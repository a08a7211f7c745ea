import json
import sys

import numpy as np
import pytest

from bench import baseline
from tests.unit.metrics.conftest import SHAPE
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.io import cog


@pytest.fixture
def run(city, grid, monkeypatch, capsys):
    """Write a scene and print the baseline's comparison on it."""

    def compare(bands: np.ndarray) -> dict:
        with cog.writing(paths.scene(city), grid, dtype="uint16", count=len(bands)) as target:
            target.write(bands.astype(np.uint16))
        monkeypatch.setattr(sys, "argv", ["baseline", city, "--trees", "5", "--pixels", "3000"])
        baseline.main()
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return compare


def colours(classes: np.ndarray) -> np.ndarray:
    """A band that tells the classes apart."""
    return 100 + 40 * classes[np.newaxis].astype(int)


def test_the_baseline_solves_a_scene_whose_colours_are_its_classes(run, reference):
    assert run(colours(reference)) == {
        "city": "demo",
        "baseline_miou": 1.0,
        "model_miou": None,
        "margin": None,
    }


def test_the_baseline_learns_nothing_from_noise(run):
    noise = np.random.default_rng(5).integers(0, 1000, (2, *SHAPE))
    assert run(noise)["baseline_miou"] < 0.25


def test_the_baseline_learns_from_training_pixels_only(run, reference, split):
    # Colours tell the classes in the test area; in the training area they tell nothing.
    assert run(np.where(split == 2, colours(reference), 100))["baseline_miou"] < 0.25


def test_the_margin_is_the_model_above_the_baseline(run, reference):
    paths.metrics("demo").parent.mkdir()
    paths.metrics("demo").write_text('{"miou": 0.75}')
    assert run(colours(reference))["margin"] == -0.25


def test_a_sample_is_balanced_and_drawn_from_the_training_split(run, reference, split):
    run(np.arange(reference.size).reshape(1, *SHAPE) % 65_000)
    values, classes, counts = baseline.sample(["demo"], 6, 3000, np.random.default_rng(0))
    assert (counts == np.bincount(reference[(split == 0) & (reference != IGNORE)], minlength=6)).all()
    assert (np.bincount(classes, minlength=6) == np.minimum(counts, 500)).all()
    assert values.shape == (len(classes), 1)
    assert len(np.unique(values)) > 0.9 * len(values)


def test_an_unknown_city_gets_one_sentence(city, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["baseline", "atlantis"])
    with pytest.raises(SystemExit, match=r"error: .*no city 'atlantis'"):
        baseline.main()
    assert city == "demo"
