import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stages import evaluate
from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.metrics.segmentation import class_scores, confusion


def test_headline_figures_stand_at_the_top_level_under_stable_names(scored):
    assert list(scored) == [
        "miou", "grade", "pixel_accuracy", "mean_f1", "mean_boundary_f1", "building_f1", "road_connectivity",
        "road_apls", "delivered_building_f1", "delivered_road_apls", "test_pixels", "absent", "agreement",
        "boundary", "calibration", "classes", "buildings", "roads", "delivered", "intervals",
        "interval_basis", "sets", "forecast",
    ]  # fmt: skip
    assert list(scored["classes"]) == ["other", "building", "road", "vegetation", "water", "bare_soil"]


def test_figures_are_those_of_the_test_pixels(scored, reference, predicted, split):
    counted = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    scores = class_scores(confusion(reference[counted], predicted[counted], 6))
    assert scored["test_pixels"] == counted.sum()
    assert scored["miou"] == pytest.approx(np.nanmean(scores.iou), abs=1e-6)
    assert scored["pixel_accuracy"] == pytest.approx((reference == predicted)[counted].mean(), abs=1e-6)
    for i, figures in enumerate(scored["classes"].values()):
        assert figures["recall"] == (None if i == 4 else pytest.approx(scores.recall[i], abs=1e-6))
    road = scored["classes"]["road"]
    assert road["area_reference_ha"] == pytest.approx((reference == 2)[counted].sum() / 100)
    assert road["area_ratio"] == pytest.approx(
        (predicted == 2)[counted].sum() / (reference == 2)[counted].sum()
    )
    assert road["area_error"] == pytest.approx(road["area_ratio"] - 1, abs=2e-6)


def test_an_absent_class_is_listed_and_its_figures_are_null(scored):
    assert scored["absent"] == ["water"]
    water = scored["classes"]["water"]
    areas = {name for name in water if name.endswith("_ha")}
    assert {water[name] for name in areas} == {0}
    assert {water[name] for name in water if name not in areas} == {None}
    assert scored["intervals"]["classes.water.iou"] is None


def test_grades_follow_the_targets(scored, settings):
    for name, figures in scored["classes"].items():
        target = settings.evaluate.targets.get(name)
        if target is None or figures["iou"] is None:
            assert figures["grade"] is None
        else:
            expected = "good" if figures["iou"] >= target.good else "acceptable"
            assert figures["grade"] == (expected if figures["iou"] >= target.acceptable else "below")
    assert scored["grade"] == (
        "good" if scored["miou"] >= settings.evaluate.targets["overall"].good else "acceptable"
    )
    assert {figures["grade"] for figures in scored["classes"].values()} > {"good", None}


def test_roads_are_described_on_both_sides(scored):
    roads = scored["roads"]
    assert scored["road_connectivity"] == pytest.approx(
        roads["node_pairs_connected"] / roads["node_pairs"], abs=1e-6
    )
    # Four blocks, each with one network.
    assert roads["reference"]["components"] == 4
    assert roads["reference"]["largest_component_share"] > 0.95
    assert 0 < scored["road_apls"] < 1
    assert 0.9 < roads["completeness"] < 1
    assert 0.9 < roads["correctness"] <= 1
    assert roads["prediction"]["components"] > 4
    assert roads["reference"]["length_km"] > 10
    assert roads["prediction"]["length_km"] == pytest.approx(roads["reference"]["length_km"], rel=0.05)


def test_every_headline_figure_and_class_has_an_interval_that_holds_it(scored):
    intervals = scored["intervals"]
    for name in ("miou", "pixel_accuracy", "mean_f1", "mean_boundary_f1", "building_f1"):
        low, high = intervals[name]
        assert low < scored[name] < high
    for name, figures in scored["classes"].items():
        for key in ("iou", "area_adjusted_ha"):
            ends = intervals[f"classes.{name}.{key}"]
            assert ends is None or ends[0] <= figures[key] <= ends[1]
    assert {"road_connectivity", "road_apls"} < set(intervals)


def test_wider_tolerances_score_no_less(scored):
    boundary = scored["boundary"]
    assert list(boundary) == ["iou", "f1_1px", "f1_2px", "f1_3px", "f1_15m", "f1_25m", "f1_50m"]
    assert boundary["f1_1px"] == scored["mean_boundary_f1"]
    by_width = [boundary[f"f1_{name}"] for name in ("1px", "15m", "2px", "25m", "3px", "50m")]
    assert by_width == sorted(by_width)


def test_the_adjusted_areas_cover_the_map(scored):
    classes = scored["classes"].values()
    mapped, adjusted = (sum(c[f"area_{kind}_ha"] for c in classes) for kind in ("mapped", "adjusted"))
    assert adjusted == pytest.approx(mapped)
    road = scored["classes"]["road"]
    assert road["area_ratio"] > 1
    assert road["area_adjusted_ha"] < road["area_mapped_ha"]


def test_the_confusion_table_adds_up_to_the_test_pixels(scored, city):
    table = pd.read_csv(paths.evaluation_dir(city) / "confusion.csv")
    assert list(table) == ["actual", "predicted", "pixels", "share", "share_of_predicted"]
    assert table["pixels"].sum() == scored["test_pixels"]
    np.testing.assert_allclose(table.groupby("actual")["share"].sum(), 1, atol=1e-5)
    np.testing.assert_allclose(table.groupby("predicted")["share_of_predicted"].sum(), 1, atol=1e-5)
    for _, row in table[table["actual"] == table["predicted"]].iterrows():
        assert scored["classes"][row["actual"]]["recall"] == pytest.approx(row["share"])
        assert scored["classes"][row["actual"]]["precision"] == pytest.approx(row["share_of_predicted"])


def test_the_class_table_repeats_the_scores_beside_their_targets(scored, city, settings):
    table = pd.read_csv(paths.evaluation_dir(city) / "classes.csv").set_index("class")
    assert list(table.index) == ["other", "building", "road", "vegetation", "bare_soil"]
    for name, row in table.iterrows():
        assert row["iou"] == scored["classes"][name]["iou"]
    assert table.loc["road", "target_good"] == settings.evaluate.targets["road"].good
    assert np.isnan(table.loc["other", "target_good"])
    assert (table["iou_low"] < table["iou"]).all()
    assert (table["iou"] < table["iou_high"]).all()


def test_the_reliability_table_tells_the_calibration_error(scored, city):
    table = pd.read_csv(paths.evaluation_dir(city) / "reliability.csv")
    assert table["pixels"].sum() == scored["test_pixels"]
    gaps = (table["accuracy"] - table["confidence"]).abs()
    ece = (gaps * table["pixels"]).sum() / table["pixels"].sum()
    assert scored["calibration"]["ece"] == pytest.approx(ece, abs=1e-5)
    right = (table["accuracy"] * table["pixels"]).sum() / table["pixels"].sum()
    assert right == pytest.approx(scored["pixel_accuracy"], abs=1e-5)


def test_precision_and_recall_start_at_those_of_the_map(scored, city):
    table = pd.read_csv(paths.evaluation_dir(city) / "precision_recall.csv")
    for _, row in table[table["confidence"] == 0].iterrows():
        for name in ("precision", "recall"):
            assert row[name] == pytest.approx(scored["classes"][row["class"]][name], abs=2e-6)
    road = table[table["class"] == "road"]
    assert road["precision"].iloc[-1] > road["precision"].iloc[0]


def test_outlines_are_told_at_every_tolerance(scored, city):
    table = pd.read_csv(paths.evaluation_dir(city) / "outlines.csv")
    means = table.groupby("tolerance")["f1"].mean()
    for name, value in means.items():
        assert scored["boundary"][f"f1_{name}"] == pytest.approx(value, abs=2e-6)
    assert table.groupby("tolerance")["tolerance_m"].first()["2px"] == 20


def test_a_second_run_gives_the_same_bytes(scored, city, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evaluate", city])
    files = [paths.metrics(city), *sorted(paths.evaluation_dir(city).iterdir())]
    before = [file.read_bytes() for file in files]
    evaluate.main()
    assert [file.read_bytes() for file in files] == before
    assert scored["miou"] > 0


def test_a_failure_leaves_nothing_behind(city, monkeypatch):
    whole = paths.prediction(city).read_bytes()
    paths.prediction(city).write_bytes(whole[: len(whole) * 3 // 4])
    monkeypatch.setattr(sys, "argv", ["evaluate", city])
    with pytest.raises(SystemExit, match=r"error: .*classes\.tif .*truncated or damaged"):
        evaluate.main()
    assert not paths.metrics(city).exists()
    assert not paths.evaluation_dir(city).exists()


def test_evaluation_does_not_import_torch():
    code = "import sys, stages.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
