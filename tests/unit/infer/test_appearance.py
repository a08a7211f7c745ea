"""The ground of a class is as far from the training as it looks, and the difference is named."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from urbanseg.errors import PipelineError
from urbanseg.infer import appearance
from urbanseg.model.spec import Spec

SPEC = Spec(["red", "green", "blue"], [120.0] * 3, [60.0] * 3, ["other", "water"], "Unet", "resnet18")
SIDE = 64


def lake(seed, level=(20, 40, 60), blur=0.5, contrast=6.0, spots=0.0):
    """A tile of water, ``(3, 64, 64)``."""
    rng = np.random.default_rng(seed)
    waves = gaussian_filter(rng.normal(size=(SIDE, SIDE)), blur)
    tile = np.array(level)[:, None, None] + contrast * waves / waves.std() + rng.normal(0, 1, (3, SIDE, SIDE))
    tile[:, rng.random((SIDE, SIDE)) < spots] += 120
    return tile


def numbers(seeds, **look):
    everywhere = np.ones((SIDE, SIDE), bool)
    return np.array([appearance.describe(lake(seed, **look), everywhere, SPEC) for seed in seeds])


@pytest.fixture(scope="module")
def known():
    rows = np.concatenate([numbers(range(40)), numbers(range(40, 60), level=(90, 90, 80), blur=2)])
    entry = {"tiles": rows.round(3).tolist(), "edge": 0.5, "single": 0.9}
    return appearance.read({appearance.KEY: {"water": entry}}, SPEC, "domain.json")["water"]


LOOKS = {
    "darker": ({"level": (0, 10, 20)}, "is darker in"),
    "red": ({"level": (70, 40, 60)}, "is brighter in red"),
    "spotted": ({"spots": 0.02}, "has more small spots"),
    "flat": ({"contrast": 0.5}, "is more even"),
    "smooth": ({"blur": 3}, "has less detail"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_unlike_ground_is_beyond_the_edge_and_the_difference_is_named(known, look):
    change, words = LOOKS[look]
    found = numbers(range(100, 110), **change)
    assert appearance.score(found, known, apart=10) > 1
    assert any(text.startswith(words) for text in appearance.reasons(found, known, SPEC, most=3))


@pytest.mark.parametrize("look", [{}, {"level": (90, 90, 80), "blur": 2}])
def test_ground_of_one_kind_is_familiar_however_rare_it_is(known, look):
    assert appearance.score(numbers(range(200, 210), **look), known, apart=10) < 1


def test_single_tiles_may_be_further_away(known):
    found = numbers([300], blur=1.2)
    assert appearance.score(found, known, apart=1) < appearance.score(np.repeat(found, 9, 0), known, apart=9)


def test_classes_are_described_by_their_own_pixels_alone():
    tile, classes = lake(0), np.zeros((SIDE, SIDE), np.uint8)
    classes[:, 30:] = 1
    classes[:, 60:] = 255
    before = appearance.parts(tile, classes, SPEC)
    assert set(before) == {"all", "other", "water"}
    tile[:, :, :30] += 100
    tile[:, :, 60:] = np.nan
    after = appearance.parts(tile, classes, SPEC)
    np.testing.assert_array_equal(before["water"], after["water"])
    assert not np.allclose(before["other"], after["other"])
    assert np.isfinite(after["all"]).all()


def test_too_little_or_too_scattered_ground_is_left_out():
    classes = np.zeros((SIDE, SIDE), np.uint8)
    classes[:3] = 1
    assert "water" not in appearance.parts(lake(0), classes, SPEC)
    classes = (np.add.outer(np.arange(SIDE), 3 * np.arange(SIDE)) % 8 == 0).astype(np.uint8)
    assert "water" not in appearance.parts(lake(0), classes, SPEC)


def test_models_from_before_there_were_any_know_no_class():
    assert appearance.read({"bands": SPEC.bands}, SPEC, "domain.json") == {}


@pytest.mark.parametrize(
    "damage", [{"tiles": [[0.0]] * 9}, {"tiles": None}, {"edge": 0}, {"edge": "x"}, {"single": float("nan")}]
)
def test_statistics_of_another_model_are_one_sentence(damage):
    entry = {"tiles": numbers(range(4)).tolist(), "edge": 0.5, "single": 0.9} | damage
    kept = json.loads(json.dumps({appearance.KEY: {"water": entry}}))
    with pytest.raises(PipelineError, match=r"^domain\.json: its appearance of classes is of another model"):
        appearance.read(kept, SPEC, "domain.json")
