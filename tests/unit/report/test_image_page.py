"""The page of one image: complete in itself, readable without colours and without a mouse."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from tests.unit.report.test_page import Page
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.report.image_page import Familiarity, ImageReport, amount, confidence_picture, render

TABLE = ClassTable(
    (LandClass(0, "bare_soil", "#ffeedd"), LandClass(1, "water", "#0000ff", "Lakes & <rivers>"))
)
CLASSES = np.array([[0, 1, 1], [IGNORE, 1, 0]], np.uint8)
REPORT = ImageReport(
    title="a <b>town</b>.tif",
    picture=np.full((2, 3, 3), 90, np.uint8),
    classes=CLASSES,
    confidence=np.where(CLASSES == IGNORE, IGNORE, 200).astype(np.uint8),
    table=TABLE,
    areas={"bare_soil": 1234.56, "water": 3.456},
    unknown=0.5,
    unit="ha",
    means={"water": 0.87},
    histogram=np.array([0, 2, 3]),
    familiarity=Familiarity(),
    pixel_m=10.0,
    figures=[("roads", "3.2 km")],
    facts=[("model", "s2")],
    files=[("map.gpkg", "polygons")],
)


def text_of(html):
    """What is read, a space for each tag; thin spaces stay."""
    return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_it_loads_nothing_and_runs_no_title():
    html = render(REPORT)
    page = Page(html)
    assert all(address.startswith("data:image/") or address == "map.gpkg" for address in page.addresses)
    assert re.findall(r"url\(|@import|https?://|fetch\(|import\(", html) == []
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "<b>town</b>" not in html
    assert "<rivers>" not in html
    assert html == render(REPORT)


def test_areas_confidence_and_provenance_are_said():
    text = text_of(render(REPORT))
    assert "bare soil 1\u202f234.6 99.7 %" in text
    assert "Lakes & <rivers> 3.46 0.3 % 87 %" in text
    assert "unknown 0.50 0.0 %" in text
    assert "roads 3.2 km" in text
    assert "model s2" in text


def test_pixels_are_called_pixels():
    text = text_of(render(replace(REPORT, unit="px", areas={"bare_soil": 2.0, "water": 3.0}, pixel_m=None)))
    assert "Pixels" in text
    assert "does not say how large its pixels are" in text
    assert "Hectares" not in text


@pytest.mark.parametrize(
    ("familiarity", "words"),
    [
        (Familiarity(), "not measured"),
        (Familiarity(["a band is dark"]), "with warnings"),
        (Familiarity([], 0.3), "like the training Distance 0.3"),
        (Familiarity(["haze"], 0.3), "like the training, with warnings"),
        (Familiarity(["season"], 1.7), "unlike the training"),
        (Familiarity(["season"], 9.0), "nothing like the training: do not use this map"),
    ],
)
def test_how_far_the_image_is_from_the_training(familiarity, words):
    text = text_of(render(replace(REPORT, familiarity=familiarity)))
    assert words in text
    assert all(warning in text for warning in familiarity.warnings)
    assert ("No warning was given" in text) == (not familiarity.warnings)


def test_pictures_have_words_and_controls_have_names():
    html = render(REPORT)
    page = Page(html)
    assert [bool(image.get("alt")) for image in page.all("img")] == [True] * 3
    assert "Lakes & <rivers> 0.3 %" in page.all("img")[1]["alt"]
    labelled = re.findall(r"<label[^>]*>.*?</label>", html, re.DOTALL)
    inputs = re.findall(r"<(?:input|select)[^>]*>", html)
    assert all(any(tag in label for label in labelled) for tag in inputs)
    assert len(inputs) == 3 + len(TABLE)


def test_zones_are_a_table():
    text = text_of(render(replace(REPORT, zones=[["district", "water_ha"], ["Old", "1.0"]])))
    assert "Zones district water_ha Old 1.0" in text
    assert "Zones" not in text_of(render(REPORT))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(0.126, "ha", "0.13"), (12345.67, "ha", "12\u202f345.7"), (12345.0, "px", "12\u202f345")],
)
def test_amounts_read_well(value, unit, words):
    assert amount(value, unit) == words


def test_confidences_become_lighter():
    picture = confidence_picture(np.array([[0, 127, 254, IGNORE]], np.uint8)).rgba
    light = picture[0, :3, :3].astype(int).sum(axis=1)
    assert (np.diff(light) > 0).all()
    assert picture[0, 3, 3] == 0
