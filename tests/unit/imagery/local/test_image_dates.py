"""Dates of images: the nearest of another sensor, and those that are clear enough."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.imagery.local.test_image_files import laid, scene, write
from urbanseg.errors import PipelineError
from urbanseg.imagery.local import image_folder
from urbanseg.imagery.local.image_dates import NearestDate
from urbanseg.io import image_sheet


def test_the_file_of_the_nearest_day_is_taken_and_the_earlier_of_two():
    files = {f"7/{day}": Path(day) for day in ("2016_01_07", "2016-01-19", "20161120")}
    nearest = NearestDate("s1/{id}_{date}.tif", files)
    for day, wanted in {
        "20160106": "2016_01_07",
        "2016_01_13": "2016_01_07",
        "2016-12-31": "20161120",
    }.items():
        assert nearest.of(f"7/{day}", ["id", "date"], "s2") == Path(wanted)
    assert nearest.of("8/20160106", ["id", "date"], "s2") is None
    with pytest.raises(PipelineError, match=r"s2: spring is no date such as 20160113 or 2016_01_13"):
        nearest.of("7/spring", ["id", "date"], "s2")


def test_a_date_of_parts_is_told_from_the_fields_before_it(tmp_path):
    for name in ("000001_2016_01_13", "000001_2016_01_20"):
        write(tmp_path / f"s2_{name}/source.tif", np.ones((8, 8)))
    found = image_sheet.find(f"{tmp_path}/s2_{{id}}_{{date}}/source.tif")
    assert list(found) == ["000001/2016_01_13", "000001/2016_01_20"]
    one = image_sheet.one_of_each(f"{tmp_path}/s2_{{id}}_{{date}}/source.tif", ["id"])
    assert one == {"000001": tmp_path / "s2_000001_2016_01_13/source.tif"}


def test_another_sensor_lies_beside_the_median_of_the_clear_dates(tmp_path, caplog):
    for place in "abcd":
        for number, date in enumerate(("2016_01_13", "2016_05_02", "2016_11_28")):
            write(tmp_path / f"s2/{place}_{date}.tif", np.full((16, 16), 10 * (number + 1)))
            clouded = np.zeros((16, 16))
            clouded[: 16 if place == "d" else 8 * (number == 1)] = 1
            write(tmp_path / f"clouds/{place}_{date}.tif", clouded, "uint8")
        for date, value in {"2016_01_07": -5.0, "2016_11_20": -9.0}.items():
            write(tmp_path / f"s1/{place}_{date}.tif", np.full((16, 16), value), "float32")
    radar = {"images": f"{tmp_path}/s1/{{id}}_{{date}}.tif", "nearest_date": True}
    params = scene(
        images=f"{tmp_path}/s2/{{id}}_{{date}}.tif",
        bands={"grey": 1, "VV": radar},
        dates="median",
        clouds={"images": f"{tmp_path}/clouds/{{id}}_{{date}}.tif", "values": [1], "max_share": 0.4},
    )
    with caplog.at_level("INFO"):
        found, _, _ = laid(params, tmp_path / "out")
    assert sorted(found) == ["a", "b", "c"]
    assert found["a"][:, 0, 0].tolist() == [20.0, -7.0]
    assert "6 of 12 dates are clear enough" in caplog.text
    assert "1 images are skipped as clouded: d (more than 40% of it is cloud)" in caplog.text


def test_a_nearest_date_without_dates_is_refused():
    with pytest.raises(
        ValueError, match=r"bands\.VV\.nearest_date needs a \{date\} in its images and in images"
    ):
        scene(images="s2/{id}.tif", bands={"VV": {"images": "s1/{id}_{date}.tif", "nearest_date": True}})


def test_images_that_are_all_clouded_are_said_to_be(tmp_path):
    for place in "abc":
        write(tmp_path / f"{place}.tif", np.ones((8, 8)))
        write(tmp_path / f"clouds/{place}.tif", np.ones((8, 8)), "uint8")
    clouds = {"images": f"{tmp_path}/clouds/{{id}}.tif", "values": [1], "max_share": 0.5}
    params = scene(images=f"{tmp_path}/{{id}}.tif", bands={"grey": 1}, clouds=clouds)
    with pytest.raises(PipelineError, match=r"no image of .* is complete and clear"):
        image_folder.plan(params)
