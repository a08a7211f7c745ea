import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from pyproj import Transformer

from urbanseg.config.folder import FolderScene
from urbanseg.config.params import Params
from urbanseg.grid import Grid
from urbanseg.report.page import CityReport, map_data, render

TOGETHER = {"miou": 0.512, "grade": "below", "pixel_accuracy": 0.7, "test_pixels": 24690}
TRAINING = {"val_miou": 0.61, "best_epoch": 17, "epochs": 20}
CURVES = {"loss": {"train": [(1, 1.5), (2, 1.0)], "val": [(1, 2.0)]}}
ADDRESSES = {"src", "href", "srcset", "poster", "data", "action", "xlink:href"}
"""Attributes by which an element makes a browser load or open something."""


class Page(HTMLParser):
    """Elements, addresses and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def addresses(self) -> list[str]:
        return [v or "" for _, attributes in self.elements for k, v in attributes.items() if k in ADDRESSES]


@pytest.fixture
def html(city: CityReport, params: Params) -> str:
    return render([city], TRAINING, CURVES, params, TOGETHER)


def test_the_page_loads_nothing_from_outside_itself(html: str) -> None:
    page = Page(html)
    assert not page.all("link")
    assert all("src" not in script for script in page.all("script"))
    for address in page.addresses:
        assert address.startswith(("data:image/", "#", "../")), address[:80]
    assert re.findall(r"url\(|@import|https?://|fetch\(|import\(", html) == []


def test_the_page_forbids_browsers_to_load_anything(html: str) -> None:
    policy = next(meta["content"] for meta in Page(html).all("meta") if meta.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_each_picture_is_inside_and_described(html: str) -> None:
    images = Page(html).all("img")
    names = ("scene", "labels", "prediction", "errors", "confidence", "split")
    worst = [f"scene, labels, map and errors of failure {number}" for number in (1, 2)]
    assert [image["alt"] for image in images] == [f"A & <b>B</b>: {name}" for name in (*names, *worst)]
    assert all((image["src"] or "").startswith("data:image/") for image in images)


def test_titles_are_shown_and_never_run(html: str) -> None:
    assert "<b>B</b>" not in html
    assert "A & <b>B</b>" in Page(html).text


def test_the_page_says_what_the_vectors_score_or_why_they_are_not_scored(
    city: CityReport, params: Params, html: str
) -> None:
    assert "The map as vectors" not in html, "results of before have no vectors"
    basis = {"roads": "9 lines of a <file>", "buildings": "none: a <file> has no polygons"}
    roads = dict.fromkeys(
        ("completeness", "correctness", "quality", "connectivity", "apls_pooled", "apls_mean"), 0.123
    )
    delivered = {"roads": roads, "buildings": None, "basis": basis}
    scored = dataclasses.replace(city, metrics={**city.metrics, "delivered": delivered})
    page = Page(render([scored], TRAINING, CURVES, params, TOGETHER))
    assert {"class": "vectors"} in page.all("table")
    assert "0.123" in page.text
    assert "Reference of buildings: none: a <file> has no polygons." in page.text
    nothing = dataclasses.replace(city, metrics={**city.metrics, "delivered": {**delivered, "roads": None}})
    page = Page(render([nothing], TRAINING, CURVES, params, TOGETHER))
    assert {"class": "vectors"} not in page.all("table")
    assert "Reference of roads: 9 lines of a <file>." in page.text


def test_the_page_is_the_same_bytes_each_time(city: CityReport, params: Params) -> None:
    one, other = (render([city], TRAINING, CURVES, params, TOGETHER) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("simulated", [True, False])
def test_the_page_calls_a_scene_simulated_if_and_only_if_its_item_does(
    city: CityReport, params: Params, simulated: bool
) -> None:
    item = {"id": "x", "properties": {"simulated": simulated}}
    text = Page(render([dataclasses.replace(city, item=item)], TRAINING, CURVES, params, TOGETHER)).text
    assert ("This scene is simulated." in text) is simulated


def test_scores_grades_and_absence_are_said(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "0.700" in text
    assert "below target" in text
    assert "12 345 test pixels" in text
    assert "bare soil – absent" in text
    assert "road connectivity" not in text
    assert "2023-06-14T10:26:00Z" in text


def test_intervals_stand_beside_their_scores(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "95 %: 0.66–0.74; overlap of map and labels" in text
    assert "0.700 0.65–0.75" in text


def test_several_cities_are_also_scored_together(city: CityReport, params: Params) -> None:
    other = dataclasses.replace(city, name="other")
    both, alone = (
        " ".join(Page(render(cities, TRAINING, CURVES, params, TOGETHER)).text.split())
        for cities in ([city, other], [city])
    )
    assert "All together all test pixels 0.512 below target 0.700 24 690" in both
    assert "All together" not in alone


def test_failures_and_diagrams_are_told(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "The worst parts of the test area" in text
    assert "precision by recall, as less confident pixels are left blank road bare soil" in text
    assert "row 0, column 40" in text
    assert "Horizontally" not in text


def test_a_transfer_city_is_called_one(city: CityReport, params: Params) -> None:
    target = dataclasses.replace(city, params=params.cities["oasis"])
    assert "never trained on" in Page(render([target], TRAINING, CURVES, params, TOGETHER)).text


def test_what_transfer_brought_is_shown_where_there_was_one(city: CityReport, params: Params) -> None:
    gain = {"transfer": {"demo": {"before": 0.4321, "after": 0.6543}}}
    text = " ".join(Page(render([city], TRAINING | gain, CURVES, params, TOGETHER)).text.split())
    assert "Training started from the model in data/none" in text
    assert "demo 0.432 0.654" in text
    assert "Training started from" not in Page(render([city], TRAINING, CURVES, params, TOGETHER)).text


def test_what_the_map_needs_survives_the_page(html: str, city: CityReport, grid: Grid) -> None:
    written = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert written is not None
    data = json.loads(written[1])
    told = {"name": "demo", "rows": 40, "cols": 60, "vectors": None}
    assert data == json.loads(json.dumps(map_data(grid, city.views.layers) | told))
    assert data["colors"]["labels"][1] == [187, 46, 18, "building"]


def test_images_on_a_sheet_have_no_place_on_earth(city: CityReport, params: Params) -> None:
    files = {"provider": "folder", "images": "a/{n}.png", "bands": {"red": 1}, "resolution_m": 1.0}
    scene = FolderScene.model_validate(files | {"splits": {"val": ["1"], "test": ["2"]}})
    sheet = dataclasses.replace(city, params=city.params.model_copy(update={"scene": scene}))
    text = render([sheet], TRAINING, CURVES, params, TOGETHER)
    assert "no georeference" in text
    assert "EPSG:32632" not in text
    assert '"lonlat": []' in text


@pytest.mark.parametrize("share", [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.25, 0.875)])
def test_the_lattice_of_the_map_gives_longitude_and_latitude(grid: Grid, share: tuple[float, float]) -> None:
    data: dict[str, Any] = map_data(grid, {})
    side = round(len(data["lonlat"]) ** 0.5) - 1
    across, down = share
    shown = data["lonlat"][round(down * side) * (side + 1) + round(across * side)]
    x, y = grid.transform @ (across * grid.width, down * grid.height)
    assert shown == pytest.approx(Transformer.from_crs(32632, 4326, always_xy=True).transform(x, y), abs=1e-6)
