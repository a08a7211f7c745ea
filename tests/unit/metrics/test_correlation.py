import numpy as np
import pytest

from urbanseg.grid import Window, blocks
from urbanseg.metrics.correlation import _pairs, _sums, effective_units

GRID = blocks((640, 512), 64)
"""Ten rows of eight units."""


def dense(windows, reach):
    """Effective units and expected products and squares of deviations, from whole matrices."""
    places = np.array([(w.row / w.height, w.col / w.width) for w in windows])
    distance = np.hypot(*(places[:, np.newaxis] - places).transpose(2, 0, 1))
    correlations, beside = np.exp(-distance / reach), np.isclose(distance, 1)
    n = len(windows)
    centred = np.eye(n) - 1 / n
    deviations = centred @ correlations @ centred
    return n**2 / correlations.sum(), (beside * deviations).sum(), np.trace(deviations)


def clustered(reach, rng, count, windows=GRID):
    """Values of units whose correlation declines exponentially: ``(units, count)``."""
    places = np.array([(w.row / w.height, w.col / w.width) for w in windows])
    distance = np.hypot(*(places[:, np.newaxis] - places).transpose(2, 0, 1))
    return np.linalg.cholesky(np.exp(-distance / reach)) @ rng.standard_normal((len(windows), count))


@pytest.mark.parametrize("windows", [GRID, GRID[:13] + GRID[30:33] + GRID[77:]])
@pytest.mark.parametrize("reach", [0.3, 1, 4])
def test_sums_by_offset_are_those_of_whole_matrices(windows, reach):
    assert _sums(_pairs(windows), reach) == pytest.approx(dense(windows, reach))


def test_units_that_vary_apart_are_worth_what_they_are():
    made = np.random.default_rng(0).standard_normal((80, 400))
    found = effective_units([made - made.mean(axis=0)], [GRID])
    assert abs(found.correlation.mean() + 1 / 79) < 0.01
    assert np.percentile(found.units, 40) > 65


@pytest.mark.parametrize("reach", [0.5, 1, 2])
def test_the_worth_of_clustered_units_is_found_although_their_mean_is_taken_off(reach):
    made = clustered(reach, np.random.default_rng(1), 400)
    found = effective_units([made - made.mean(axis=0)], [GRID])
    assert np.median(found.units) == pytest.approx(dense(GRID, reach)[0], rel=0.15)


def test_units_of_two_cities_are_no_neighbours():
    made = clustered(1, np.random.default_rng(2), 3)
    one, other = made[:40], made[40:]
    alone = effective_units([one], [GRID[:40]])
    both = effective_units([one, one], [GRID[:40], GRID[:40]])
    np.testing.assert_allclose(both.correlation, alone.correlation)
    np.testing.assert_allclose(both.units, np.tile(alone.units, (2, 1)))
    assert effective_units([one, other], [GRID[:40], GRID[40:]]).units.shape == (2, 3)


def test_where_nothing_varies_or_none_is_beside_another_all_count():
    still = effective_units([np.zeros((80, 1))], [GRID])
    assert np.isnan(still.correlation).all()
    assert still.units == pytest.approx(80)
    apart = [Window(200 * i, 0, 64, 64) for i in range(12)]
    assert effective_units([np.arange(12.0)[:, np.newaxis] - 5.5], [apart]).units == pytest.approx(12)
