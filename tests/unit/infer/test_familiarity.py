"""An image is compared with the training in one place: by its statistics, or by mean and deviation alone."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.infer.familiarity import require_familiar
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
