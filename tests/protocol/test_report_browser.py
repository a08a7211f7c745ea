"""The report's page in a real browser: Debian's Chromium, driven by Playwright, judged by axe-core."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from tests.conftest import shipped_params
from tests.protocol.browser import chromium
from tests.unit.report import small_city
from urbanseg.grid import Grid
from urbanseg.io.raster import reading
from urbanseg.report import vectors
from urbanseg.report.page import render
from urbanseg.report.provenance import Artefact
from urbanseg.report.quality import read_quality

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe is missing; make setup installs it"
)
pytestmark = chromium

WIDE, NARROW = 1440, 390
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 40, 60)
PARAMS = shipped_params()
TRAINING = {"val_miou": 0.61, "best_epoch": 17, "epochs": 20}
CURVES = {
    "loss": {"training": [(1, 1.5), (2, 1.0)], "validation": [(1, 2.0), (2, 1.2)]},
    "iou": {c.name.replace("_", " "): [(1, 0.1), (2, 0.1 * c.id)] for c in PARAMS.class_table},
}
TOGETHER = {"miou": 0.512, "grade": "below", "pixel_accuracy": 0.7, "test_pixels": 24690}
MAGENTA = [208, 28, 139]

PIXELS = """map => {
    const {width, height} = map.canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    copy.drawImage(map.canvas, 0, 0);
    const found = copy.getImageData(0, 0, width, height).data;
    const colors = new Set(), half = {left: 0, right: 0};
    for (let i = 0; i < found.length; i += 4) if (found[i + 3]) {
        colors.add([found[i], found[i + 1], found[i + 2]].join());
        half[(i / 4) % width < width / 2 ? "left" : "right"]++;
    }
    return {share: half, all: width * height / 2, colors: [...colors]};
}"""
CLIPPED = """() => [...document.querySelectorAll(".scroll, table, .failures, pre")]
    .filter(box => box.scrollWidth > box.clientWidth + 1 || box.getBoundingClientRect().right > innerWidth)
    .map(box => box.getAttribute("aria-label") ?? box.className)"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two small cities, the second without files of its map."""
    folder = tmp_path_factory.mktemp("report")
    rasters = small_city.write_rasters(folder, GRID)
    counts = small_city.count_blocks(rasters, PARAMS)
    tables = small_city.write_tables(folder, counts)
    city = small_city.read_city(rasters, PARAMS, read_quality(tables, rasters, GRID, PARAMS.class_table))
    with reading(rasters.prediction) as prediction:
        codes = prediction.read_band()
    cells = [(GRID.transform @ (col, row), codes[row, col]) for row in range(40) for col in range(60)]
    cover = gpd.GeoDataFrame(
        {"class_id": [code for _, code in cells], "area_m2": 100.0, "confidence": 0.75},
        geometry=[shapely.box(x, y - 10, x + 10, y) for (x, y), _ in cells],
        crs=GRID.crs,
    )
    line = shapely.LineString([(500_010, 5_399_800), (500_590, 5_399_800)])
    roads = gpd.GeoDataFrame({"width_m": [12.0]}, geometry=[line], crs=GRID.crs)
    shares = np.linspace(0, 1, 6)
    city = dataclasses.replace(
        city,
        vectors=vectors.draw(cover, roads, GRID, 100_000, PARAMS.class_table),
        downloads=[("gpkg", Artefact(Path("data/map/demo/demo.gpkg"), "the map", size=1200))],
        confusion=dataclasses.replace(
            city.confusion,
            names=[c.name.replace("_", " ") for c in PARAMS.class_table],
            rows=[[(round(100 * share), share) for share in np.roll(shares, i)] for i in range(6)],
        ),
    )
    other = dataclasses.replace(city, name="other", params=PARAMS.cities["oasis"], vectors=None, downloads=())
    path = folder / "index.html"
    path.write_text(render([city, other], TRAINING, CURVES, PARAMS, TOGETHER), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser, page_file) -> Iterator[Callable[..., Any]]:
    """Opens the page, and says afterwards if it wrote to the console or asked for anything beside itself."""
    contexts, said, asked = [], [], []

    def go(width: int = WIDE, scheme: str = "light", address: str = "") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            offline=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{page_file.as_uri()}{address}")
        page.wait_for_function("() => maps.size === 2 && [...maps.values()].every(map => map.view.scale > 0)")
        return page

    yield go
    for context in contexts:
        context.close()
    assert said == []
    beside = [url for url in asked if not url.startswith((page_file.as_uri(), "data:", "blob:"))]
    assert beside == []


@pytest.fixture
def wide(visit) -> Any:
    return visit()


def state(page: Any, city: str = "demo") -> dict[str, str]:
    """The view of a map, as its address says it."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    address = page.locator(f"#{city} .permalink").get_attribute("href") or ""
    return dict(part.split("=") for part in address.removeprefix("#").split("&"))


def pixels(page: Any, city: str = "demo") -> dict:
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(f"() => ({PIXELS})(maps.get('{city}'))")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (WIDE, "light"),
        (NARROW, "dark"),
        pytest.param(WIDE, "dark", marks=pytest.mark.slow),
        pytest.param(NARROW, "light", marks=pytest.mark.slow),
    ],
)
def test_the_page_is_whole_and_open_to_all(visit, width: int, scheme: str) -> None:
    page = visit(width, scheme)
    for city in ("demo", "other"):
        drawn = pixels(page, city)
        assert min(drawn["share"].values()) > 0.4 * drawn["all"], city
        assert len(drawn["colors"]) > 20
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [
        (v["id"], [n["html"][:90] for n in v["nodes"][:3]]) for v in found if v["impact"] != "minor"
    ] == []
    unreachable = """[...document.querySelectorAll("*")].filter(box => box.scrollWidth > box.clientWidth
        && /auto|scroll/.test(getComputedStyle(box).overflowX) && box.tabIndex < 0).map(e => e.className)"""
    assert page.evaluate(unreachable) == []
    if width == WIDE:
        assert page.evaluate(CLIPPED) == []


def test_a_class_and_the_roads_are_switched_in_the_legend(wide) -> None:
    wide.evaluate("maps.get('demo').view.divider = 0; maps.get('demo').redraw()")
    for name, color in (("water", "49,101,162"), ("building", "187,46,18")):
        button = wide.locator(f"#demo [data-class='{name}']")
        assert color in pixels(wide)["colors"]
        button.click()
        assert color not in pixels(wide)["colors"]
        assert button.get_attribute("aria-pressed") == "false"
    wide.locator("#demo select[data-side=right]").select_option("labels")
    assert "187,46,18" not in pixels(wide)["colors"]
    wide.locator("#demo select[data-side=right]").select_option("polygons")
    assert "255,255,255" in pixels(wide)["colors"]
    wide.locator("#demo [data-roads]").click()
    assert "255,255,255" not in pixels(wide)["colors"]


def test_a_failure_and_a_confusion_lead_to_their_places(wide) -> None:
    whole = state(wide)
    assert "box" not in whole
    wide.locator("#demo .failures button").first.click()
    failure = state(wide)
    assert failure["box"] == "0,40,20,20"
    assert float(failure["zoom"]) > float(whole["zoom"])
    cell = wide.get_by_role("button", name=re.compile("building taken for road")).first
    places = json.loads(cell.get_attribute("data-places"))
    for place in [*places, places[0]]:
        cell.click()
        found = state(wide)
        assert found["box"] == ",".join(map(str, place))
        assert (found["confused"], found["left"], found["right"]) == ("1,2", "labels", "prediction")
    assert ",".join(map(str, MAGENTA)) in pixels(wide)["colors"]
    assert wide.locator("#demo canvas").evaluate("canvas => canvas === document.activeElement")
    wide.locator("#demo [data-do=fit]").click()
    assert "box" not in state(wide)


def test_an_address_shows_the_same_view_again(wide, visit) -> None:
    wide.locator("#other select[data-side=left]").select_option("errors")
    wide.locator("#other [data-class=road]").click()
    wide.locator("#other .confusion button").nth(3).click()
    wide.evaluate("maps.get('other').zoom(1.7, 300, 200)")
    found = state(wide, "other")
    again = visit(NARROW, address="#" + "&".join(f"{k}={v}" for k, v in found.items()))
    seen = state(again, "other")
    far = [
        abs(float(a) - float(b)) for a, b in zip(found["at"].split(","), seen["at"].split(","), strict=True)
    ]
    assert max(far) < 60  # on a narrow screen, the edge of the scene may move the middle
    assert seen | {"at": "", "zoom": ""} == found | {"at": "", "zoom": ""}
    assert again.evaluate("scrollY") > 1000


def test_an_address_by_hand_does_no_harm(visit) -> None:
    wrong = "#map=demo&at=NaN,x&zoom=1e99&left=<b>&right=none&hide=99,-1,x&box=1,2&confused=77,0&opacity=x"
    found = state(visit(address=wrong))
    assert (found["left"], found["right"]) == ("scene", "polygons")
    assert "hide" not in found


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl(wide) -> None:
    wide.locator("#demo canvas").scroll_into_view_if_needed()
    wide.locator("#demo canvas").hover(position={"x": 100, "y": 100})
    zoom, top = state(wide)["zoom"], wide.evaluate("scrollY")
    wide.mouse.wheel(0, 200)
    wide.wait_for_function(f"() => scrollY > {top + 50}")
    assert state(wide)["zoom"] == zoom
    assert "Ctrl" in wide.locator("#demo .hint").inner_text()
    wide.mouse.wheel(0, -200)
    wide.wait_for_function(f"() => scrollY < {top + 50}")
    wide.locator("#demo canvas").hover(position={"x": 100, "y": 100})
    wide.keyboard.down("Control")
    wide.mouse.wheel(0, -200)
    wide.keyboard.up("Control")
    wide.wait_for_function("() => maps.get('demo').view.scale > 1.2 * maps.get('demo').least()")


def test_the_map_is_used_by_keys_alone(wide) -> None:
    wide.locator("#demo canvas").focus()
    before = state(wide)
    for key in ("+", "+", "ArrowRight"):
        wide.keyboard.press(key)
    after = state(wide)
    assert float(after["zoom"]) == pytest.approx(2.25 * float(before["zoom"]), rel=0.01)
    assert after["at"] != before["at"]
    assert "polygon" in wide.locator("#demo .readout").inner_text()


def test_classes_keep_their_colours_in_charts_and_no_other_line_has_one(wide) -> None:
    keys = """[...document.querySelectorAll(".key.of-class")].map(
        key => [key.textContent.trim(), getComputedStyle(key).getPropertyValue("--class").trim()])"""
    wanted = {c.name.replace("_", " "): c.color for c in PARAMS.class_table}
    found = wide.evaluate(keys)
    assert len(found) == 6 + 2 * 2
    assert all(wanted[name] == color for name, color in found)
    rgb = {f"rgb({', '.join(map(str, c.rgb))})" for c in PARAMS.class_table}
    strokes = """of => [...document.querySelectorAll(`.chart ${of} .series`)].map(
        line => getComputedStyle(line).stroke)"""
    assert set(wide.evaluate(strokes, ".of-class")) == rgb
    others = wide.evaluate(strokes, "g:not(.of-class)")
    assert len(others) == 2 + 2 * 2
    assert not set(others) & rgb
    titles = wide.locator(".chart .axis").all_text_contents()
    assert titles[-4:] == ["epoch", "loss", "epoch", "IoU"]


def test_paper_has_the_map_as_it_stands_and_whole_tables(wide) -> None:
    wide.locator("#demo [data-class=water]").click()
    wide.evaluate("dispatchEvent(new Event('beforeprint'))")
    drawn = wide.evaluate(f"() => ({PIXELS})(maps.get('demo'))")  # at once, as a browser does
    assert min(drawn["share"].values()) > 0.9 * drawn["all"]
    assert "49,101,162" not in drawn["colors"]
    wide.emulate_media(media="print", color_scheme="dark")
    wide.set_viewport_size({"width": 695, "height": 1000})  # A4 between its margins
    assert wide.evaluate(CLIPPED) == []
    for name in ("#demo .stage", "#other .stage", ".classes", ".confusion", ".failures"):
        box = wide.locator(name).first.bounding_box()
        assert box is not None, name
        assert box["height"] > 80, name
    assert not wide.locator("#demo .tools").is_visible()
    assert wide.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pages = re.findall(rb"/Type\s*/Page\b", wide.pdf(format="A4"))
    assert 3 <= len(pages) <= 8


def test_the_files_of_the_map_are_one_click_away(wide) -> None:
    link = wide.locator("#demo .downloads a")
    assert link.get_attribute("href") == "../data/map/demo/demo.gpkg"
    assert link.get_attribute("download") is not None
    with wide.expect_download() as found:
        wide.locator("#demo [data-do=picture]").click()
    assert found.value.suggested_filename == "demo.png"
    assert Path(found.value.path()).read_bytes().startswith(b"\x89PNG")
