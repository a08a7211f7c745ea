"""An image is compared with the training in one place: by its statistics, or by mean and deviation alone."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.infer import appearance
from urbanseg.infer.familiarity import Ground, judge, require_familiar, require_familiar_ground
from urbanseg.infer.stitching import Strip
from urbanseg.model import domain
from urbanseg.model.spec import Spec

SPEC = Spec(["red", "green", "blue"], [120.0] * 3, [60.0] * 3, ["other", "water"], "Unet", "resnet18")


class Pixels:
    """An image in memory."""

    def __init__(self, pixels):
        self.pixels = pixels
        self.grid = Grid(CRS.from_epsg(32640), Affine.identity(), *pixels.shape[1:])

    def read(self, window=None, _bands=None):
        return self.pixels[:, *(window or Window(0, 0, *self.grid.shape)).slices]

    def valid(self, window=None, _bands=None):
        return np.ones(self.read(window).shape[1:], bool)


def noise(*means):
    return np.stack([np.random.default_rng(i).normal(m, 30, (192, 192)) for i, m in enumerate(means)])


def judged(pixels, known, **options):
    return require_familiar(Pixels(pixels), [1, 2, 3], SPEC, known, "town.tif", **options)


@pytest.fixture(scope="module")
def known():
    return domain.statistics(domain.tiles(noise(120, 120, 120), np.ones((192, 192), bool)), SPEC)


def test_a_single_band_is_warned_of_where_no_statistics_were_kept(caplog):
    assert judged(noise(120, 400, 290), None) is None
    (said,) = caplog.messages
    assert said.startswith("town.tif: the band green is around 399.6, but the model was trained on 120 ± 60;")


def test_with_statistics_one_warning_names_the_band(known, caplog):
    with pytest.raises(PipelineError, match=r"nothing like what the model was trained on .*the band green"):
        judged(noise(120, 400, 120), known)
    assert not caplog.messages
    assert judged(noise(120, 400, 120), known, force=True).is_foreign
    assert len(caplog.messages) == 1


def test_what_is_like_the_training_is_not_warned_of(known, caplog):
    assert not judged(noise(120, 120, 120), known).is_unusual
    assert judged(noise(120, 120, 120), None) is None
    assert not caplog.messages


@pytest.fixture(scope="module")
def known_ground(known):
    """Of a training in which water is dark, and all else as it is."""
    tiles = [noise(20, 20, 20)[:, :64, :64] + shift for shift in np.linspace(-5, 5, 20)]
    everywhere = np.ones((64, 64), bool)
    rows = [appearance.describe(tile, everywhere, SPEC).round(3).tolist() for tile in tiles]
    return known | {appearance.KEY: {"water": {"tiles": rows, "edge": 0.5, "single": 0.9}}}


def predicted(shape, value, part):
    """An image whose upper rows are predicted to be of a class, seen strip by strip."""
    ground, classes = Ground(shape), np.zeros(shape, np.uint8)
    classes[: round(part * shape[0])] = value
    strips = [
        Strip(Window(row, 0, 50, shape[1]), {"classes": classes[row : row + 50]})
        for row in range(0, shape[0], 50)
    ]
    assert list(ground.watched(iter(strips))) == strips
    for window, noted in ground.classes.items():
        np.testing.assert_array_equal(noted, classes[window.slices])
    return ground


@pytest.mark.parametrize(("value", "part", "is_told"), [(1, 0.4, True), (1, 0.03, False), (0, 1, False)])
def test_what_is_taken_for_a_class_is_compared_with_that_class(known_ground, caplog, value, part, is_told):
    image = Pixels(noise(120, 120, 120))
    ground = predicted((192, 192), value, part)
    before = require_familiar(image, [1, 2, 3], SPEC, known_ground, "town.tif")
    found = require_familiar_ground(
        before, ground, image, [1, 2, 3], SPEC, known_ground, "town.tif", force=True
    )
    assert found.is_unusual == is_told
    assert len(caplog.messages) == is_told
    if is_told:
        assert "what it takes for water (" in caplog.text
        assert "is brighter in red, green and blue" in caplog.text
        with pytest.raises(PipelineError, match=r"nothing like .* takes for water \(.*--force"):
            require_familiar_ground(before, ground, image, [1, 2, 3], SPEC, known_ground, "town.tif")


def test_without_statistics_of_classes_what_was_said_before_stands(known):
    image = Pixels(noise(120, 120, 120))
    before = require_familiar(image, [1, 2, 3], SPEC, known, "town.tif")
    ground = predicted((192, 192), 1, 1)
    for kept in (known, None):
        assert require_familiar_ground(before, ground, image, [1, 2, 3], SPEC, kept, "town.tif") is before


def test_a_kind_of_place_that_the_training_had_is_familiar_though_it_is_far_from_the_mean(known):
    field = noise(200, 200, 200)
    everywhere = np.ones((64, 64), bool)
    rows = [appearance.describe(field[:, k : k + 64, k : k + 64], everywhere, SPEC) for k in range(0, 128, 8)]
    kept = {appearance.ALL: {"tiles": np.array(rows).round(3).tolist(), "edge": 0.5, "single": 0.9}}
    assert judge(Pixels(field), [1, 2, 3], SPEC, known).is_unusual
    found = judge(Pixels(field), [1, 2, 3], SPEC, known | {appearance.KEY: kept})
    assert not found.is_unusual
    assert found.reasons == []
    assert judge(Pixels(noise(20, 20, 20)), [1, 2, 3], SPEC, known | {appearance.KEY: kept}).is_unusual
