import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from urbanseg.metrics.stratified_estimates import adjusted_area, estimate_accuracy

# The worked example of Olofsson et al. 2014 (tables 8 and 9): deforestation, forest gain, stable
# forest and stable non-forest, in pixels of 30 m.
SAMPLE = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED = np.array([200_000.0, 150_000.0, 3_200_000.0, 6_450_000.0])
PIXEL_HA = 0.09

samples = hnp.arrays(np.int64, (3, 3), elements=st.integers(1, 40))
areas = hnp.arrays(np.float64, 3, elements=st.floats(1, 1000))


def test_the_area_of_deforestation_is_that_of_the_paper():
    found = estimate_accuracy(SAMPLE, MAPPED * PIXEL_HA)
    assert found.area[0] == pytest.approx(21_158, abs=1)
    assert 1.96 * found.area_error[0] == pytest.approx(6_158, abs=1)
    assert adjusted_area(SAMPLE, MAPPED)[0] == pytest.approx(235_086, abs=1)


def test_the_accuracies_are_those_of_the_paper():
    found = estimate_accuracy(SAMPLE, MAPPED)
    half = [1.96 * error for error in (found.users_error, found.producers_error)]
    np.testing.assert_allclose(found.users, [0.88, 0.73, 0.93, 0.96], atol=0.005)
    np.testing.assert_allclose(half[0], [0.07, 0.10, 0.04, 0.02], atol=0.005)
    np.testing.assert_allclose(found.producers, [0.75, 0.85, 0.93, 0.96], atol=0.006)
    np.testing.assert_allclose(half[1], [0.21, 0.25, 0.03, 0.02], atol=0.006)
    assert found.overall == pytest.approx(0.95, abs=0.005)
    assert 1.96 * found.overall_error == pytest.approx(0.02, abs=0.005)


@given(samples, areas)
def test_adjusted_areas_cover_what_was_mapped(sample, mapped):
    assert estimate_accuracy(sample, mapped).area.sum() == pytest.approx(mapped.sum())
    np.testing.assert_allclose(adjusted_area(sample, mapped), estimate_accuracy(sample, mapped).area)


@given(hnp.arrays(np.int64, 3, elements=st.integers(2, 40)), areas)
def test_a_perfect_map_is_not_adjusted_and_has_no_error(points, mapped):
    found = estimate_accuracy(np.diag(points), mapped)
    np.testing.assert_allclose(found.area, mapped)
    assert found.overall == pytest.approx(1)
    np.testing.assert_allclose([found.users, found.producers], 1)
    np.testing.assert_allclose([*found.area_error, found.overall_error, *found.producers_error], 0, atol=1e-9)


@given(samples, areas, st.floats(0.01, 100))
def test_shares_do_not_depend_on_the_unit_of_area(sample, mapped, unit):
    one, other = estimate_accuracy(sample, mapped), estimate_accuracy(sample, mapped * unit)
    assert other.overall_error == pytest.approx(one.overall_error)
    np.testing.assert_allclose(other.producers_error, one.producers_error)
    np.testing.assert_allclose(other.area_error, one.area_error * unit)


def test_errors_are_those_of_drawing_many_samples():
    rng = np.random.default_rng(0)
    truth = np.array([[0.8, 0.15, 0.05], [0.1, 0.85, 0.05], [0.02, 0.08, 0.9]])
    mapped = np.array([100.0, 300.0, 600.0])
    drawn = [
        estimate_accuracy(np.array([rng.multinomial(60, row) for row in truth]), mapped) for _ in range(1500)
    ]
    for name in ("overall", "users", "producers", "area"):
        values = np.array([getattr(found, name) for found in drawn])
        claimed = np.array([getattr(found, f"{name}_error") for found in drawn])
        np.testing.assert_allclose(np.sqrt((claimed**2).mean(axis=0)), values.std(axis=0), rtol=0.12)
    np.testing.assert_allclose(np.mean([found.area for found in drawn], axis=0), mapped @ truth, rtol=0.02)


def test_a_mapped_class_without_sample_has_no_estimate():
    sample = SAMPLE.copy()
    sample[1] = 0
    assert np.isnan(adjusted_area(sample, MAPPED)).all()
    with pytest.raises(ValueError, match=r"no sample in the strata \[1\]"):
        estimate_accuracy(sample, MAPPED)


def test_a_class_that_is_nowhere_needs_no_sample():
    sample, mapped = SAMPLE.copy(), MAPPED.copy()
    sample[1], sample[:, 1], mapped[1] = 0, 0, 0
    found = estimate_accuracy(sample, mapped)
    assert found.area[1] == 0
    assert np.isnan(found.users[1])
    assert np.isnan(found.producers[1])
    assert not np.isnan(found.overall_error)
