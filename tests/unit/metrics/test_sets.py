"""Prediction sets and the forecast in the metrics of a city."""

import json
import sys

import numpy as np
import pytest

from stages import evaluate
from urbanseg import paths
from urbanseg.calibration import conformal, stored
from urbanseg.calibration.forecast import BINS
from urbanseg.calibration.stored import Calibration
from urbanseg.classes import IGNORE
from urbanseg.io import cog
from urbanseg.metrics.sets import count_sets, set_figures

N = 6


def write_sets(city, grid, inside):
    stored_sets = conformal.encode(inside)
    with cog.writing(
        paths.prediction_sets(city), grid, dtype="uint8", count=len(stored_sets), nodata=IGNORE
    ) as target:
        target.write(stored_sets)


def test_the_metrics_tell_how_often_sets_hold_the_class_how_large_they_are_and_how_good_the_forecast_is(
    city, grid, reference, predicted, split, monkeypatch
):
    inside = np.arange(N)[:, None, None] == predicted
    inside[0] = True  # the mapped class, or other
    write_sets(city, grid, inside)
    table = np.zeros((N, BINS, N))
    table[np.arange(N), :, np.arange(N)] = 1
    names = ("other", "building", "road", "vegetation", "water", "bare_soil")
    forecast = stored.make_forecast(table, -0.1, 0.9, 0.2)
    known = Calibration(names, (1.0,) * N, 0.9, 0.0, (0.5,) * N, forecast, "0" * 64)
    stored.write(paths.prediction_dir(city), known)
    monkeypatch.setattr(sys, "argv", ["evaluate", city])
    evaluate.main()
    figures = json.loads(paths.metrics(city).read_text())

    scored = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    held = (reference == predicted) | (reference == 0)
    assert figures["sets"]["coverage"] == pytest.approx(held[scored].mean(), abs=1e-6)
    assert figures["sets"]["mean_size"] == pytest.approx(1 + (predicted != 0)[scored].mean(), abs=1e-6)
    assert figures["sets"]["certain"] == pytest.approx((predicted == 0)[scored].mean(), abs=1e-6)
    roads = scored & (reference == 2)
    assert figures["classes"]["road"]["set_coverage"] == pytest.approx(held[roads].mean(), abs=1e-6)
    assert figures["classes"]["other"]["set_coverage"] == 1
    assert figures["forecast"]["miou"] == pytest.approx(0.8)
    assert (figures["forecast"]["low"], figures["forecast"]["high"]) == (0.6, 1.0)
    assert figures["forecast"]["error"] == pytest.approx(0.8 - figures["miou"], abs=1e-6)


def test_without_sets_there_are_no_figures():
    figures, by_class = set_figures(None, 3)
    assert set(figures.values()) == set(by_class) == {None}


def test_sets_of_another_number_of_classes_are_refused(city, grid):
    write_sets(city, grid, np.ones((20, *grid.shape), bool))
    files = evaluate.Files(
        paths.labels(city), paths.prediction(city), paths.confidence(city), paths.split(city)
    )
    with pytest.raises(evaluate.PipelineError, match=r"set\.tif holds no sets of 6 classes"):
        count_sets(files, paths.prediction_sets(city), [], range(N))
