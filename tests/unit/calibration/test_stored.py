import json
from dataclasses import replace

import numpy as np
import pytest

from urbanseg.calibration import forecast, stored
from urbanseg.calibration.stored import FILE, Calibration
from urbanseg.errors import PipelineError


def calibration(n=3):
    table = np.random.default_rng(0).dirichlet(np.ones(n), (n, forecast.BINS))
    return Calibration(
        tuple("abcdefg"[:n]),
        tuple(0.5 + 0.5 * i for i in range(n)),
        0.9,
        0.5,
        (float("inf"), *(0.9 - 0.1 * i for i in range(n - 1))),
        stored.make_forecast(table, -0.5, 1.5, 0.08),
        "0" * 64,
    )


def test_what_is_written_is_read_again_and_equal_bytes_are_written(tmp_path):
    (tmp_path / "again").mkdir()
    for folder in (tmp_path, tmp_path / "again"):
        stored.write(folder, calibration())
    assert stored.read(tmp_path) == calibration()
    assert (tmp_path / FILE).read_bytes() == (tmp_path / "again" / FILE).read_bytes()
    (tmp_path / FILE).unlink()
    assert stored.read(tmp_path) is None


def test_classes_are_matched_by_name_and_an_unknown_one_is_in_no_set():
    own = calibration()
    found = own.for_classes(["c", "new", "a", "b"])
    assert found.temperatures == (1.5, 1.0, 0.5, 1.0)
    assert found.thresholds == (own.thresholds[2], -1.0, float("inf"), own.thresholds[1])
    table, before = np.array(found.forecast.table), np.array(own.forecast.table)
    np.testing.assert_array_equal(table[[0, 2, 3]][:, :, [0, 2, 3]], before[[2, 0, 1]][:, :, [2, 0, 1]])
    np.testing.assert_allclose(table.sum(axis=2), 1, atol=1e-4)
    assert own.for_classes("abc") is own


@pytest.mark.parametrize(
    "change",
    [
        {"coverage": 1.5}, {"difficulty": -1}, {"classes": {}}, {"classes": {"a": 1}}, {"forecast": {}},
        {"forecast": {"offset": 0, "slope": "x", "margin": 0}},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_sentence(tmp_path, change):
    stored.write(tmp_path, calibration())
    content = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(content | change))
    with pytest.raises(
        PipelineError, match=r"calibration\.json is no calibration of a model; remove it, or run"
    ):
        stored.read(tmp_path)


def test_a_temperature_of_zero_is_refused(tmp_path):
    stored.write(tmp_path, replace(calibration(), temperatures=(0.0, 1.0, 1.0)))
    with pytest.raises(PipelineError, match="no calibration"):
        stored.read(tmp_path)
