import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from stages import evaluate
from tests.unit.metrics.conftest import ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.metrics.segmentation import class_scores, confusion


@pytest.fixture
def scored(city, monkeypatch) -> dict:
    """What the evaluate stage writes for the city."""
    monkeypatch.setattr(sys, "argv", ["evaluate", city])
    evaluate.main()
    return json.loads(paths.metrics(city).read_text())


def test_headline_figures_stand_at_the_top_level_under_stable_names(scored):
    assert list(scored) == [
        "miou", "grade", "pixel_accuracy", "mean_f1", "mean_boundary_f1", "road_connectivity",
        "test_pixels", "absent", "classes", "roads",
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
    assert (water["area_reference_ha"], water["area_predicted_ha"]) == (0, 0)
    assert {water[k] for k in water if k not in {"area_reference_ha", "area_predicted_ha"}} == {None}


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
    assert roads["reference"]["components"] == 1
    assert roads["reference"]["largest_component_share"] == 1
    assert roads["prediction"]["components"] > 1
    assert roads["reference"]["length_km"] > roads["prediction"]["length_km"] > 10


def test_the_confusion_table_adds_up_to_the_test_pixels(scored, city):
    table = pd.read_csv(paths.evaluation_dir(city) / "confusion.csv")
    assert list(table) == ["actual", "predicted", "pixels", "share"]
    assert table["pixels"].sum() == scored["test_pixels"]
    np.testing.assert_allclose(table.groupby("actual")["share"].sum(), 1, atol=1e-5)
    right = table[table["actual"] == table["predicted"]].set_index("actual")["share"]
    for name, share in right.items():
        assert scored["classes"][name]["recall"] == pytest.approx(share)


def test_the_class_table_repeats_the_scores_beside_their_targets(scored, city, settings):
    table = pd.read_csv(paths.evaluation_dir(city) / "classes.csv").set_index("class")
    assert list(table.index) == ["other", "building", "road", "vegetation", "bare_soil"]
    for name, row in table.iterrows():
        assert row["iou"] == scored["classes"][name]["iou"]
    assert table.loc["road", "target_good"] == settings.evaluate.targets["road"].good
    assert np.isnan(table.loc["other", "target_good"])


def test_a_second_run_gives_the_same_bytes(scored, city):
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
