import numpy as np
import pytest

from urbanseg.calibration.mixture import mixture_weights


def test_the_member_that_knows_gets_the_weight_and_equal_ones_share_it():
    rng = np.random.default_rng(0)
    good, bad = rng.uniform(0.7, 1, 5000), rng.uniform(0.0, 0.3, 5000)
    assert mixture_weights(np.stack([good, bad]))[0] > 0.999
    assert mixture_weights(np.stack([good, good])) == (0.5, 0.5)


def test_members_that_know_different_pixels_are_mixed_as_is_most_likely():
    rng = np.random.default_rng(1)
    knows = rng.random(4000) < 0.7
    given = np.stack([np.where(knows, 0.9, 0.1), np.where(knows, 0.1, 0.9)])
    found = mixture_weights(given)

    def likelihood(weight):
        return np.log(weight * given[0] + (1 - weight) * given[1]).mean()

    best = max(np.linspace(0, 1, 1001), key=likelihood)
    assert found[0] == pytest.approx(best, abs=0.002)
    assert sum(found) == pytest.approx(1, abs=1e-3)


def test_nothing_to_weigh_is_an_error():
    with pytest.raises(ValueError, match="members and pixels"):
        mixture_weights(np.empty((2, 0)))
