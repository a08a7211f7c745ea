"""Thresholds, colours and what to look at next, through the server."""

import shutil

import numpy as np
import pytest
import rasterio

from tests.protocol.desk import running
from tests.unit.review.town import write_town
from urbanseg import paths
from urbanseg.config.params import load
from urbanseg.infer.decode import Decoder
from urbanseg.infer.majority_filter import majority

pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("rio_tiler", reason="the extra review is not installed")


@pytest.fixture(scope="module")
def desk(town):
    with running(town, "--user", "anna") as client:
        yield client


@pytest.fixture(scope="module")
def whole(desk):
    """Bounds a little larger than the scene."""
    west, south, east, north = desk.get("/api/scenes/demo")["bounds"]
    return f"{west - 0.001},{south - 0.001},{east + 0.001},{north + 0.001}"


def classes(town, name):
    with rasterio.open(town / name) as raster:
        return raster.read()


def test_areas_are_what_the_decoder_makes_of_the_probabilities(desk, town, whole):
    table = load(town / "params.yaml").class_table
    stored = classes(town, paths.prediction_dir("demo") / "probabilities.tif").astype(np.float32) / 254
    found = desk.get(f"/api/scenes/demo/areas?min=building:0.6,water:0.3&bounds={whole}")
    assert not found["approximate"]
    least = [0.6 if n == "building" else 0.3 if n == "water" else 0 for n in table.names]
    counts = np.bincount(Decoder(tuple(least))(stored)["classes"].ravel(), minlength=len(table))
    before = np.bincount(classes(town, paths.prediction("demo")).ravel(), minlength=len(table))
    for name, after, delivered in zip(table.names, counts, before, strict=False):
        area = found["classes"][name]
        assert area["hectares"] == pytest.approx(after * 0.01, abs=0.5, rel=2e-3), "10 m pixels"
        assert area["before"] == pytest.approx(delivered * 0.01, rel=2e-3)


def test_scores_are_of_labelled_blocks_that_are_no_test(desk, town, whole):
    scores = desk.get(f"/api/scenes/demo/areas?bounds={whole}")["scores"]
    labels, predicted = classes(town, paths.labels("demo"))[0], classes(town, paths.prediction("demo"))[0]
    train = np.s_[:, : labels.shape[1] // 2]
    a, b = labels[train], predicted[train]
    known = a != 255
    water = [(a == 4) & known, (b == 4) & known]
    expected = (water[0] & water[1]).sum() / (water[0] | water[1]).sum()
    assert scores["iou"]["water"] == pytest.approx(expected, abs=0.01)
    assert scores["miou"] == pytest.approx(scores["before"], abs=0.02)


def test_clean_up_is_the_majority_filter_of_the_pipeline(desk, town, whole):
    stored = classes(town, paths.prediction_dir("demo") / "probabilities.tif").astype(np.float32) / 254
    cleaned = majority(Decoder()(stored)["classes"], 2, 6)
    found = desk.get(f"/api/scenes/demo/areas?clean=median&clean_px=2&bounds={whole}")["classes"]
    counts = np.bincount(cleaned.ravel(), minlength=6) * 0.01
    for (name, area), expected in zip(found.items(), counts, strict=True):
        assert area["hectares"] == pytest.approx(expected, abs=0.6, rel=0.01), name


@pytest.mark.parametrize(
    "query", ["", "bounds=1,2,3", "bounds=9,48,nan,49", "bounds=0,0,1,1", "bounds=10,48,9,49"]
)
def test_a_view_of_nothing_is_a_sentence(desk, query):
    assert desk.call("GET", f"/api/scenes/demo/areas?{query}")[0] == 422


def test_apply_and_save_write_params_and_keep_its_comments(tmp_path):
    root = write_town(tmp_path / "town", rasters=False)
    before = (root / "params.yaml").read_text()
    with running(root) as client:
        least = {"building": 0.6, "road": 0}
        client.post("/api/thresholds", {"min_confidence": least, "clean": "median", "clean_px": 2})
        title = '<script>alert(1)</script> "Häuser": #1'
        found = client.post("/api/classes", {"building": {"color": "#FF0000", "title": title}})["classes"]
        assert found[1] == {"id": 1, "name": "building", "title": title, "color": "#ff0000"}
        params = load(root / "params.yaml")
        assert params.predict.min_confidence == {"building": 0.6}
        assert (params.predict.clean, params.predict.clean_px) == ("median", 2)
        after = (root / "params.yaml").read_text()
        changed = [a for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
        assert [line.split(":")[0].strip() for line in changed] == [
            "building",
            "min_confidence",
            "clean",
            "clean_px",
        ]
        for line in after.splitlines():
            if line.strip().startswith(("min_confidence: {", "clean:", "clean_px:")):
                assert "#" in line
        for path, body in [
            ("thresholds", {"min_confidence": {"lava": 0.5}}), ("thresholds", {"clean": "x"}),
            ("thresholds", {"min_confidence": {"road": 7}}), ("thresholds", {}),
            ("thresholds", {"min_confidence": {"road": "0.5}\nseed: 1"}}),
            ("classes", {"lava": {"color": "#000000"}}), ("classes", {"road": {"color": "red"}}),
            ("classes", {}),
            ("classes", {"road": {"title": "water"}}), ("classes", {"road": {"title": "a\nb"}}),
        ]:  # fmt: skip
            assert client.call("POST", f"/api/{path}", body)[0] == 422, body
        assert (root / "params.yaml").read_text() == after


def test_suggestions_leave_out_test_blocks_and_what_was_answered(desk, town):
    first = desk.get("/api/scenes/demo/suggestions?n=3")["blocks"]
    assert {block["split"] for block in first} == {"train"}
    scores = [block["score"] for block in first]
    assert scores == sorted(scores, reverse=True)
    left = desk.post(f"/api/scenes/demo/suggestions/{first[0]['id']}", {"answer": "done"})["left"]
    again = desk.get("/api/scenes/demo/suggestions?n=20")["blocks"]
    assert first[0]["id"] not in [block["id"] for block in again]
    assert left == 3, "four of six blocks are no test"
    log = (town / paths.questions("demo")).read_text()
    assert '"event": "done"' in log
    assert '"user": "anna"' in log
    assert desk.call("POST", "/api/scenes/demo/suggestions/r9c9", {"answer": "done"})[0] == 404
    assert desk.call("POST", f"/api/scenes/demo/suggestions/{first[0]['id']}", {"answer": "x"})[0] == 422


def test_without_stored_probabilities_it_says_what_to_do(desk, town, whole):
    file = town / paths.prediction_dir("demo") / "probabilities.tif"
    shutil.move(file, aside := file.with_suffix(".aside"))
    try:
        assert "predict.rasters" in desk.get("/api/scenes/demo")["thresholds"]["unavailable"]
        status, body, _ = desk.call("GET", f"/api/scenes/demo/areas?min=water:0.5&bounds={whole}")
        assert status == 422
        assert "predict.rasters" in body["error"]
    finally:
        shutil.move(aside, file)
