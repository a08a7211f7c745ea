from xml.etree import ElementTree as ET

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from pyproj import CRS

from urbanseg.classes import ClassTable, LandClass
from urbanseg.display.raster_styles import (
    classes_qml,
    paletted_qml,
    scl_qml,
    share_qml,
    splits_qml,
    true_color_qml,
)
from urbanseg.display.stretch import Stretch, rgb_bands, stretch_of, stretched
from urbanseg.display.thumbnails import present_classes, present_scene
from urbanseg.grid import Grid
from urbanseg.io import cog

TABLE = ClassTable(
    (LandClass(0, "other", "#bdc3c7"), LandClass(1, "bare_soil", "#E67E22", 'Soil "&" <sand>'))
)
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)


def renderer(text):
    return ET.fromstring(text).find("pipe/rasterrenderer")  # noqa: S314, our own text


def test_a_legend_lists_the_classes_and_nothing_else():
    entries = renderer(classes_qml(TABLE)).iter("paletteEntry")
    assert [(e.get("value"), e.get("color"), e.get("label")) for e in entries] == [
        (str(each.id), each.color, each.label) for each in TABLE
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [(splits_qml(), range(3)), (scl_qml(), range(1, 12)), (paletted_qml([(7, "#000000", "a")]), [7])],
    ids=["splits", "scl", "one"],
)
def test_codes_are_paletted(text, values):
    assert renderer(text).get("type") == "paletted"
    assert [int(e.get("value")) for e in renderer(text).iter("paletteEntry")] == list(values)


def test_shares_run_from_0_to_100_percent():
    items = [(float(i.get("value")), i.get("label")) for i in renderer(share_qml()).iter("item")]
    assert (items[0], items[-1]) == ((0, "0 %"), (254, "100 %"))
    assert items == sorted(items)


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (("B02", "B03", "B04", "B08"), (3, 2, 1)),
        (("B2", "B3", "B4"), (3, 2, 1)),
        (("red", "green", "blue", "nir"), (1, 2, 3)),
        (("NIR", "Blue ", "Green", "Red"), (4, 3, 2)),
        (("a", "b", "c"), (1, 2, 3)),
        ((None, None), (1,)),
    ],
)
def test_red_green_and_blue_are_found_in_any_order_of_bands(names, bands):
    assert rgb_bands(names) == bands
    shown = renderer(true_color_qml(bands, Stretch((1.0,) * len(bands), 2, 1)))
    if len(bands) == 3:
        assert tuple(int(shown.get(f"{color}Band")) for color in ("red", "green", "blue")) == bands
    else:
        assert (shown.get("type"), shown.get("grayBand")) == ("singlebandgray", "1")


def test_a_stretch_lifts_the_dark_and_keeps_the_balance_of_the_bands():
    values = np.random.default_rng(0).gamma(2, 300, (3, 50, 50)) + np.array([300, 200, 100])[:, None, None]
    valid = np.ones((50, 50), bool)
    stretch = stretch_of(values, valid)
    assert stretch.low[0] > stretch.low[1] > stretch.low[2]
    assert stretch.gamma < 1
    shown = stretched(values, valid, stretch)
    assert np.median(shown) == pytest.approx(102, abs=30)
    assert (stretched(values, ~valid, stretch) == 255).all()


@pytest.mark.parametrize("values", [np.zeros((3, 4, 4)), np.full((1, 4, 4), np.nan)], ids=["even", "nan"])
def test_a_scene_without_contrast_or_data_has_a_stretch(values):
    valid = np.ones((4, 4), bool)
    assert stretch_of(values, valid).width > 0
    assert stretched(values, valid, stretch_of(values, valid)).shape == (4, 4, 3)


def test_a_scene_gets_styles_and_a_thumbnail(tmp_path):
    scene = np.random.default_rng(0).integers(1, 3000, (4, *GRID.shape), np.uint16)
    with cog.writing(
        tmp_path / "scene.tif",
        GRID,
        dtype="uint16",
        count=4,
        nodata=0,
        descriptions=["B02", "B03", "B04", "B08"],
    ) as file:
        file.write(scene)
    present_scene(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scene.qml", "scene.tif", "thumbnail.png"]
    assert renderer((tmp_path / "scene.qml").read_text()).get("redBand") == "3"
    with Image.open(tmp_path / "thumbnail.png") as image:
        assert image.size == (80, 60)


def test_the_thumbnail_of_a_map_has_its_colours(tmp_path):
    with cog.writing(tmp_path / "classes.tif", GRID, dtype="uint8", nodata=255) as file:
        file.write(np.where(np.arange(80) < 40, 1, 255).astype(np.uint8)[None].repeat(60, 0))
    present_classes(tmp_path, TABLE)
    with Image.open(tmp_path / "thumbnail.png") as image:
        shown = np.asarray(image.convert("RGBA"))
    assert tuple(shown[0, 0]) == (*TABLE.classes[1].rgb, 255)
    assert shown[0, -1, 3] == 0
