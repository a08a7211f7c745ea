"""A place or a box becomes a map: its scene is found, downloaded, and mapped."""

import json

import numpy as np
import pytest
import rasterio

from tests.protocol.scenes.conftest import Town
from tests.unit.workflows.painted import write_model
from urbanseg.errors import PipelineError
from urbanseg.imagery.item import COPERNICUS
from urbanseg.workflows.map_many import map_area
from urbanseg.workflows.map_model import Models
from urbanseg.workflows.map_result import Wishes

BOX = [9.002, 48.725, 9.02, 48.735]


def mapped(town: Town, where: dict, dates: str | None = None, **more: object):
    model = Models(write_model(town.folder / "model"))
    section = town.scene("earth_search")
    source = {key: value for key, value in section.items() if key not in {"area", "dates", "provider"}} | more
    out = town.folder / "out"
    wishes = Wishes(force=True)
    return map_area(where, dates or town.dates, out, model, wishes, overwrite=False, archive=source), out


def test_a_place_is_found_downloaded_and_mapped(town: Town) -> None:
    found, out = mapped(town, {"place": "Kiosk", "geocoder": f"{town.url}/geocoder"})
    assert found["image"] == "Kiosk"
    with rasterio.open(out / "scene.tif") as scene, rasterio.open(out / "classes.tif") as classes:
        assert classes.shape == scene.shape
        assert classes.transform == scene.transform
        assert (classes.read(1) < 255).any()
    item = json.loads((out / "item.json").read_text())
    assert item["id"] == "Kiosk"
    assert item["properties"]["source:products"]
    assert item["properties"]["datetime"].startswith("20")
    assert item["properties"]["attribution"] == COPERNICUS.attribution
    assert [link["href"] for link in item["links"]] == [COPERNICUS.link]
    assert item["assets"]["thumbnail.png"]["roles"] == ["thumbnail"]
    assert {path.stem for path in out.glob("*.qml")} >= {path.stem for path in out.glob("*.tif")}
    assert "Kiosk" in (out / "report.html").read_text()
    assert not list(town.folder.glob(".out*"))


def test_a_box_is_mapped_and_dates_count(town: Town) -> None:
    with rasterio.open(mapped(town, {"bbox": BOX})[1] / "scene.tif") as scene:
        assert scene.count == 4
        assert np.isfinite(scene.bounds).all()


def test_where_nothing_is_found_there_is_one_sentence_and_no_folder(town: Town) -> None:
    with pytest.raises(PipelineError, match="1999"):
        mapped(town, {"bbox": BOX}, "1999-01-01/1999-02-01")
    assert not (town.folder / "out").exists()


@pytest.mark.parametrize("dates", ["yesterday", "2023-05-01", "2023-06-01/2023-05-01"])
def test_dates_that_do_not_read_are_one_sentence(town: Town, dates: str) -> None:
    with pytest.raises(PipelineError, match="dates"):
        mapped(town, {"bbox": BOX}, dates)
