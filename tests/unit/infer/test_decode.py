from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from urbanseg.calibration.conformal import holds
from urbanseg.calibration.forecast import BINS
from urbanseg.calibration.stored import Calibration, make_forecast
from urbanseg.classes import CONFIDENCE_SCALE
from urbanseg.errors import PipelineError
from urbanseg.infer.decode import Decoder, argmax_and_max, kept_classes, min_confidence_by_class

NAMES = ["other", "building", "road", "water"]


def scores(seed, weight=1.0):
    return (np.random.default_rng(seed).dirichlet(np.ones(4), (5, 7)).T * weight).astype(np.float32)


@given(st.integers(0, 1000), st.floats(0.01, 9))
def test_rasters_say_what_scipy_and_sorting_say(seed, weight):
    given_scores = scores(seed)
    layers = Decoder(extras=("probabilities", "entropy", "margin"))(given_scores * np.float32(weight))
    np.testing.assert_array_equal(layers["classes"], given_scores.argmax(0))
    first, second = np.sort(given_scores, axis=0)[:-3:-1]
    expected = {
        "confidence": first,
        "probabilities": given_scores,
        "entropy": stats.entropy(given_scores, axis=0) / np.log(4),
        "margin": first - second,
    }
    for name, share in expected.items():
        np.testing.assert_allclose(
            layers[name] / CONFIDENCE_SCALE, share, atol=0.51 / CONFIDENCE_SCALE, err_msg=name
        )


@given(st.integers(0, 1000), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_no_class_is_answered_below_the_confidence_it_needs(seed, least):
    given_scores = scores(seed)
    layers = Decoder(tuple(least))(given_scores.copy())
    for (row, col), answered in np.ndenumerate(layers["classes"]):
        shares = given_scores[:, row, col]
        able = [i for i in range(4) if shares[i] >= np.float32(least[i])]
        assert answered == (max(able, key=lambda i: shares[i]) if able else 0)
        assert (
            abs(layers["confidence"][row, col] / CONFIDENCE_SCALE - shares[answered])
            < 0.51 / CONFIDENCE_SCALE
        )


@pytest.mark.parametrize("rest", [0, 2, None])
def test_where_no_class_is_sure_enough_the_rest_is_answered_or_nothing(rest):
    given_scores = np.array([[[0.1, 0.1]], [[0.6, 0.2]], [[0.1, 0.3]], [[0.2, 0.4]]], np.float32)
    layers = Decoder((0.0, 0.5, 0.5, 0.5) if rest == 0 else (0.5,) * 4, rest=rest)(given_scores)
    assert layers["classes"].tolist() == [[1, 255 if rest is None else rest]]
    expected = 255 if rest is None else round(254 * [0.1, 0.2, 0.3, 0.4][rest])
    assert layers["confidence"].tolist() == [[round(254 * 0.6), expected]]


def test_the_probability_of_road_is_kept_where_another_class_wins_but_not_below_the_confidence_it_needs():
    given_scores = np.array([[0.6, 0.75], [0.1, 0.05], [0.3, 0.2], [0, 0]], np.float32)[:, None]
    for least, kept in ((), [76, 51]), ((0, 0, 0.25, 0), [76, 0]):
        layers = Decoder(least, roads=(2,))(given_scores.copy())
        assert layers["road_probability"].tolist() == [kept]
        assert layers["classes"].tolist() == [[0, 0]]
    assert Decoder(roads=(1, 2))(given_scores.copy())["road_probability"].tolist() == [[102, 64]]
    assert "road_probability" not in Decoder()(given_scores)


@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_the_strongest_claim_is_the_first_of_the_greatest(seed, classes):
    claims = np.random.default_rng(seed).integers(0, 4, (classes, 9, 5)).astype(np.float32)  # many ties
    best, highest = argmax_and_max(claims)
    assert np.array_equal(best, claims.argmax(axis=0))
    assert np.array_equal(highest, claims.max(axis=0))


def test_without_any_score_all_is_zero():
    layers = Decoder(extras=("entropy", "margin"))(np.zeros((4, 2, 2), np.float32))
    assert all((layer == 0).all() for layer in layers.values())


def test_names_of_classes_become_numbers():
    assert min_confidence_by_class({"road": 0.6}, NAMES) == (0, 0, 0.6, 0)
    assert min_confidence_by_class({}, NAMES) == ()
    assert kept_classes(["water"], NAMES, 0).tolist() == [True, False, False, True]
    assert kept_classes(["water"], NAMES, None).tolist() == [False, False, False, True]
    assert kept_classes(None, NAMES, 0) is None


@pytest.mark.parametrize(
    ("call", "key"), [(lambda: min_confidence_by_class({"rail": 0.5}, NAMES), "predict.min_confidence"),
                      (lambda: kept_classes(["rail"], NAMES, 0), "predict.classes")]
)  # fmt: skip
def test_a_class_that_the_model_does_not_know_is_refused(call, key):
    with pytest.raises(PipelineError, match=f"{key} names rail, but the model knows other, building"):
        call()


def calibration(**changes):
    table = np.full((4, BINS, 4), 0.25)
    known = Calibration(
        tuple(NAMES),
        (0.5, 1.0, 2.0, 3.0),
        0.9,
        0.0,
        (0.4, 0.5, 0.6, 0.9),
        make_forecast(table, 0, 1, 0.1),
        "0" * 64,
    )
    return replace(known, **changes)


@given(st.integers(0, 1000))
def test_calibration_changes_the_probabilities_and_no_class(seed):
    given_scores = scores(seed)
    plain = Decoder(extras=("probabilities",))(given_scores.copy())
    found = Decoder(extras=("probabilities", "set"), calibration=calibration())(given_scores.copy())
    np.testing.assert_array_equal(found["classes"], plain["classes"])
    sharper = plain["classes"] == 0
    assert (found["confidence"][sharper] >= plain["confidence"][sharper]).all()
    softer = plain["classes"] == 3
    assert (found["confidence"][softer] <= plain["confidence"][softer]).all()
    np.testing.assert_allclose(found["probabilities"].astype(int).sum(axis=0), CONFIDENCE_SCALE, atol=2)
    assert holds(found["set"], found["classes"]).all()


def test_sets_hold_the_classes_whose_probability_is_high_enough():
    chances = np.array([0.5, 0.3, 0.15, 0.05], np.float32)[:, None, None]
    limits = (0.4, 0.75, 0.84, 0.96)  # not the first by its threshold, but it is the likeliest; not the third
    known = calibration(temperatures=(1.0,) * 4, thresholds=limits)
    assert Decoder(extras=("set",), calibration=known)(chances)["set"][:, 0, 0].tolist() == [3, 1 + 2 + 8]


def test_sets_without_a_calibration_are_refused():
    with pytest.raises(
        PipelineError, match=r"the model has no calibration\.json; take set out of predict\.rast"
    ):
        Decoder(extras=("set",))
