from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.classes import ClassTable, LandClass
from urbanseg.config.evaluate import Target
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.metrics.accumulate import SceneCounts
from urbanseg.metrics.boundary import BandCounts, BoundaryCounts
from urbanseg.metrics.objects import Detections
from urbanseg.metrics.plots import write_tables
from urbanseg.metrics.roads import RoadScores
from urbanseg.metrics.summary import Evaluation, summary
from urbanseg.metrics.summary import evaluation as evaluate
from urbanseg.report.scores import (
    class_rows,
    grouped,
    headline,
    interval,
    read_confusion,
    road_rows,
    vector_rows,
)

TABLE = ClassTable(tuple(LandClass(i, n, "#112233") for i, n in enumerate(["other", "road", "bare_soil"])))
TARGETS = {"road": Target(acceptable=0.5, good=0.7), "overall": Target(acceptable=0.6, good=0.75)}


@pytest.fixture
def evaluation() -> Evaluation:
    matrix = np.array([[60, 20, 0], [10, 90, 0], [0, 0, 0]], dtype=np.int64)
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 20, 20)
    none = BoundaryCounts.none(3)
    counts = SceneCounts(
        grid=grid,
        cells=[Window(0, 0, 10, 20), Window(10, 0, 10, 20)],
        pixels=np.stack([matrix // 2, matrix // 2]),
        outlines=BoundaryCounts(*np.zeros((4, 2, 3), np.int64)),
        buildings=Detections(*np.zeros((4, 2), np.int64)),
        blocks=[Window(0, 0, 20, 20)],
        roads=[RoadScores()],
        tolerances={"1px": none},
        tolerances_m={"1px": 10.0},
        bands=BandCounts.none(3),
        confidence=np.zeros((3, 255, 2), np.int64),
        mapped=matrix.sum(axis=0),
    )
    return evaluate(counts, TABLE, TARGETS, seed=0, samples=20)


def test_the_confusion_of_the_evaluation_is_read_back(tmp_path: Path, evaluation: Evaluation) -> None:
    write_tables(tmp_path, evaluation)
    confusion = read_confusion(tmp_path / "confusion.csv")
    assert confusion.names == ["other", "road"]
    assert confusion.rows == [[(60, 0.75), (20, 0.25)], [(10, 0.1), (90, 0.9)]]


def test_the_scores_of_the_evaluation_are_worded(evaluation: Evaluation) -> None:
    metrics = summary(evaluation)
    figures = {figure.label: figure for figure in headline(metrics)}
    assert figures["mean IoU"].value == f"{metrics['miou']:.3f}"
    assert figures["mean IoU"].grade == "acceptable"
    assert figures["mean IoU"].interval == ""
    metrics["intervals"]["miou"], metrics["interval_basis"]["miou"] = [0.71, 0.72], "80 cells worth 31"
    assert headline(metrics)[0].interval == "0.71–0.72 (80 cells worth 31)"
    assert "road connectivity" not in figures
    rows = class_rows(metrics, TABLE, TARGETS)
    assert [row.name for row in rows] == ["other", "road", "bare soil"]
    assert rows[1].scores["grade"] == "good"
    assert rows[1].target == TARGETS["road"]
    assert rows[2].scores["iou"] is None
    assert ("separate parts", "0", "0") in road_rows(metrics["roads"])
    assert ("share of the largest part", "–", "–") in road_rows(metrics["roads"])
    assert ("share near a road of the other", "–", "–") in road_rows(metrics["roads"])


def test_figures_of_the_vectors_stand_beside_those_of_the_raster() -> None:
    roads = dict.fromkeys(
        ("completeness", "correctness", "quality", "connectivity", "apls_pooled", "apls_mean"), 0.5
    )
    houses = {
        "precision": 0.1,
        "recall": 0.2,
        "f1": 0.3,
        "c_iou": 0.4,
        "hausdorff_m": 11.04,
        "vertex_ratio": 1.9,
    }
    metrics = {
        "roads": roads | {"quality": 0.6},
        "buildings": {"precision": 0.7},
        "building_f1": 0.8,
        "delivered": {"roads": roads, "buildings": houses},
    }
    rows = {name: values for name, *values in vector_rows(metrics)}
    assert rows["roads: matched length over all"] == ["0.600", "0.500"]
    assert rows["buildings: precision"] == ["0.700", "0.100"]
    assert rows["buildings: F1"] == ["0.800", "0.300"]
    assert rows["buildings: Hausdorff distance (m), median"] == ["–", "11.040"]
    assert len(rows) == 12
    metrics["delivered"]["roads"] = None
    assert {name.split(":")[0] for name, *_ in vector_rows(metrics)} == {"buildings"}
    assert vector_rows({}) == []


def test_an_interval_that_is_not_known_is_not_said() -> None:
    assert interval({"intervals": {"miou": None}}, "miou") == ""
    assert interval({}, "miou") == ""
    assert interval({"intervals": {"classes.road.iou": [0.123, 0.456]}}, "classes.road.iou") == "0.12–0.46"


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "actual,predicted,pixels,share\nroad,road,many,1\n"])
def test_what_is_no_confusion_table_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "confusion.csv"
    path.write_text(text)
    with pytest.raises(PipelineError, match=r"confusion\.csv is no confusion table"):
        read_confusion(path)


def test_numbers_are_grouped_in_thousands() -> None:
    assert grouped(1234567) == "1\u202f234\u202f567"
    assert grouped(7) == "7"
    assert grouped(7.25) == "7.2"
    assert grouped(712.5) == "712"
    assert grouped(None) == "–"
