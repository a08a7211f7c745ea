import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.learn.curves import curve_files
from urbanseg.report.curves import HEIGHT, WIDTH, chart, read_curves, ticks


def write(folder: Path, name: str, text: str) -> None:
    path = folder / "plots" / "metrics" / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_curves_are_grouped_by_what_they_measure_and_count_epochs_from_one(tmp_path: Path) -> None:
    write(tmp_path, "train/loss", "step\tloss\n0\t1.5\n1\t1.0\n")
    write(tmp_path, "val/loss", "step\tloss\n0\t2\n1\tnan\n")
    write(tmp_path, "val/iou_bare_soil", "step\tiou_bare_soil\n0\t0.1\n")
    write(tmp_path, "val/miou", "step\tmiou\n0\tinf\n")
    assert read_curves(tmp_path) == {
        "loss": {"training": [(1, 1.5), (2, 1.0)], "validation": [(1, 2.0)]},
        "iou": {"bare soil": [(1, 0.1)]},
    }


def test_curves_are_read_as_training_writes_them(tmp_path: Path) -> None:
    history = [{"loss": 0.5, "val_miou": 0.1}, {"loss": 0.25, "val_miou": float("nan")}]
    for name, text in curve_files(history).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_curves(tmp_path) == {
        "loss": {"training": [(1, 0.5), (2, 0.25)]},
        "miou": {"validation": [(1, 0.1)]},
    }
    assert json.loads((tmp_path / "metrics.json").read_text())["train"] == {"loss": 0.25}
    assert (tmp_path / "plots/metrics/train/loss.tsv").read_text() == "step\tloss\n0\t0.5\n1\t0.25\n"


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_enclose_the_values_evenly(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    steps = [b - a for a, b in itertools.pairwise(marks)]
    tolerance = 1e-6 * max(1.0, abs(low), span)
    assert len(marks) >= 2
    assert marks[0] <= low + tolerance
    assert marks[-1] >= low + span - tolerance
    assert max(steps) - min(steps) <= tolerance


@pytest.mark.parametrize("scale", [1e-15, 1e-9, 1.0, 1e9])
def test_ticks_follow_the_scale_of_the_values(scale: float) -> None:
    assert ticks(0.13 * scale, 0.87 * scale) == pytest.approx([i * 0.2 * scale for i in range(6)])


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30))
def test_every_point_lies_inside_the_chart(values: list[float]) -> None:
    svg = chart("loss", {"train": list(enumerate(values, start=1))})
    path = re.search(r'points="([^"]*)"', svg)
    assert path is not None
    points = [tuple(map(float, point.split(","))) for point in path[1].split()]
    assert len(points) == len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_names_in_a_chart_are_escaped() -> None:
    assert "<script>" not in chart("<script>", {"<script>": [(1, 1)]})
