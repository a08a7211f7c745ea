"""The page of the review desk in a real browser, before the real server, at both widths."""

import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.protocol.browser import chromium, launched

pytest.importorskip("fastapi", reason="the extra review is not installed")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe is missing; make setup installs it"
)

from tests.protocol.desk import Client, running  # noqa: E402
from tests.protocol.test_review_uploads import photo  # noqa: E402
from tests.unit.review.town import write_town  # noqa: E402

pytestmark = chromium

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PINNED_AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def browser():
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with running(write_town(tmp_path_factory.mktemp("page") / "town"), "demo", "--user", "anna") as client:
        yield client


class Window:
    """One window of the browser, and what it said and asked for."""

    def __init__(self, page, desk: Client) -> None:
        self.page, self.desk = page, desk
        self.said: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda message: self._heard(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        page.on("request", self._asked)

    def _heard(self, text: str) -> None:
        if "GL Driver Message" not in text:  # software GL complains of the tests' own screenshots
            self.said.append(text)

    def _asked(self, request) -> None:
        if not request.url.startswith((f"http://127.0.0.1:{self.desk.port}/", "data:", "blob:")):
            self.elsewhere.append(request.url)

    def open(self, scene: str = "demo") -> None:
        self.page.goto(f"http://127.0.0.1:{self.desk.port}/#token={self.desk.token}&scene={scene}")
        self.settle()

    def settle(self) -> None:
        """Wait until the panels are there and no tile is on its way."""
        self.page.wait_for_selector("#tab-layers")
        self.page.wait_for_load_state("networkidle")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def middle(self) -> tuple[float, float]:
        """The middle of the maps in the window, in pixels."""
        box = self.page.locator(".maps").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def brush(self, length: int = 60, below: int = 0, right: int = 0) -> None:
        """A stroke of the brush to the right through the middle, or so far from it."""
        x, y = self.middle()
        x += right
        self.page.mouse.move(x - length / 2, y + below)
        self.page.mouse.down()
        self.page.mouse.move(x, y + below, steps=4)
        self.page.mouse.move(x + length / 2, y + below, steps=4)
        self.page.mouse.up()

    def count(self) -> int:
        """How many corrections count, as the panel says."""
        return int(self.page.locator("#corrected").inner_text().split()[0])

    def saved(self, count: int) -> None:
        """Wait until so many corrections count, and all are saved."""
        self.page.wait_for_function(
            "count => document.querySelector('#corrected')?.textContent.startsWith(`${count} `)"
            " && document.querySelector('#saving').textContent === 'All corrections are saved.'",
            arg=count,
        )

    def picture(self) -> bytes:
        """What the maps show."""
        self.page.wait_for_load_state("networkidle")
        return self.page.locator(".maps").screenshot()


@contextmanager
def window(browser, desk: Client, size: dict, context=None, **options) -> Iterator[Window]:
    """A window that must not say a word on the console, nor ask any other server."""
    made = context or browser.new_context(viewport=size, reduced_motion="reduce", **options)
    page = made.new_page()
    page.set_default_timeout(90_000)
    found = Window(page, desk)
    yield found
    page.close()
    if context is None:
        made.close()
    assert found.said == []
    assert found.elsewhere == []


def violations(page) -> list[tuple[str, str]]:
    """What axe-core objects to, but for what it calls minor."""
    run = axe.Axe.from_file(PINNED_AXE) if PINNED_AXE.is_file() else axe.Axe()
    found = run.run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] != "minor"]


def records(desk: Client, scene: str = "demo") -> list[dict]:
    return desk.get(f"/api/scenes/{scene}/corrections?since=0")["records"]


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(WIDE, "light", id="wide, light"),
        pytest.param(NARROW, "dark", id="narrow, dark"),
        pytest.param(WIDE, "dark", id="wide, dark", marks=pytest.mark.slow),
        pytest.param(NARROW, "light", id="narrow, light", marks=pytest.mark.slow),
    ],
)
def test_every_panel_is_open_to_all_and_fits_the_window(browser, desk, size, scheme):
    with window(browser, desk, size, color_scheme=scheme) as here:
        here.open()
        tabs = here.page.locator("[role=tab]")
        for i in range(tabs.count()):
            tabs.nth(i).click()
            assert here.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            assert violations(here.page) == []
        here.press("?")
        here.page.wait_for_selector("dialog[open]")
        assert violations(here.page) == []


def test_the_token_leaves_the_address_bar_and_a_reload_shows_the_same_place(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        here.press("f", "o")
        here.page.locator(".blocks button").first.click()
        here.settle()
        address = here.page.evaluate("location.href")
        assert desk.token not in address
        before = here.picture()
        here.page.reload()
        here.settle()
        assert here.page.evaluate("location.href") == address
        assert here.page.locator("#tab-find").get_attribute("aria-selected") == "true"
        here.page.locator(".blocks button").first.click()
        here.page.mouse.move(*here.middle())
        assert here.picture() == before


def test_without_a_token_nothing_is_shown_but_what_to_do(browser, desk):
    with window(browser, desk, NARROW) as here:
        here.page.goto(f"http://127.0.0.1:{desk.port}/")
        assert "urbanseg review" in here.page.locator("main").inner_text()
        assert violations(here.page) == []


def test_layers_classes_and_opacity_change_the_map(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        pictures = [here.picture()]
        for press in ("Shift+3", "Shift+2", "Alt+2", "h", "h"):
            here.press(press)
            pictures.append(here.picture())
        assert len(set(pictures[:5])) == 5
        assert pictures[5] == pictures[3]
        here.page.locator("#layer-labels-opacity").fill("20")
        assert here.picture() != pictures[5]


def test_the_line_below_the_map_says_what_is_under_the_pointer(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        here.page.mouse.move(*here.middle())
        here.page.wait_for_selector(".value.map")
        text = here.page.locator(".values").inner_text()
        for word in ("° N", "pixel", "map", "confidence", "bands"):
            assert word in text


def test_the_map_is_moved_and_corrected_without_a_pointer(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        old = len(records(desk))
        here.page.locator(".left .maplibregl-canvas").focus()
        here.press("z")
        here.page.wait_for_timeout(400)
        here.press("ArrowRight")
        here.page.wait_for_selector(".value.map")
        here.press("c", "b", "3")
        count = here.count()
        here.press("Space")
        here.saved(count + 1)
        here.press("p")
        for move in ("ArrowRight", "ArrowDown", "ArrowLeft"):
            here.press("Space", move)
            here.page.wait_for_timeout(400)
        here.press("Space", "Enter")
        here.saved(count + 2)
        found = records(desk)[old:]
        assert [record["tool"] for record in found] == ["brush", "polygon"]
        assert {record["class"] for record in found} == {"road"}


def test_swipe_and_side_by_side_show_two_maps_and_the_divider_takes_keys(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        one = here.picture()
        here.press("w")
        swipe = here.picture()
        divider = here.page.get_by_role("slider", name="Divider between the left and the right map")
        divider.focus()
        here.press("End")
        assert divider.get_attribute("aria-valuenow") == "100"
        here.press("Home")
        assert here.picture() != swipe
        here.press("w")
        split = here.picture()
        here.press("w")
        assert len({one, swipe, split}) == 3


def test_blocks_are_listed_by_error_and_found_by_class(browser, desk):
    with window(browser, desk, NARROW) as here:
        here.open()
        here.press("f")
        wrong = desk.get("/api/scenes/demo/blocks")["features"]
        known = [row["properties"] for row in wrong if row["properties"]["wrong"] is not None]
        worst = max(known, key=lambda row: row["wrong"])
        percent = math.floor(100 * worst["wrong"] + 0.5)
        assert f"{percent} % wrong" in here.page.locator(".blocks li").first.inner_text()
        here.page.locator("#search").fill("wat")
        assert "water" in here.page.locator(".blocks li").first.inner_text()
        here.page.locator(".blocks button").first.click()
        assert here.page.locator(".told").inner_text().startswith("Block")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_strokes_are_saved_undone_brought_back_and_survive_a_reload(browser, desk, size):
    with window(browser, desk, size) as here:
        here.open()
        here.press("c", "b", "5")
        old, count = len(records(desk)), here.count()
        here.brush()
        here.saved(count + 1)
        here.brush(below=40)
        here.saved(count + 2)
        here.press("Control+z")
        here.saved(count + 1)
        here.page.reload()
        here.settle()
        here.saved(count + 1)
        here.press("Control+Shift+z")
        here.saved(count + 2)
        here.press("Control+z", "Control+z")
        here.saved(count)
        found = records(desk)[old:]
        assert [r["action"] for r in found] == ["add", "add", "undo", "redo", "undo", "undo"]
        assert {r["class"] for r in found if r["action"] == "add"} == {"water"}


def test_a_region_a_polygon_of_the_map_and_what_is_unknown_are_corrected_by_a_click(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        x, y = here.middle()
        here.press("c", "r", "2")
        old, count = len(records(desk)), here.count()
        here.page.mouse.click(x + 30, y + 30)
        here.saved(count + 1)
        here.press("a", "4")
        here.page.mouse.click(x - 90, y - 90)
        here.saved(count + 2)
        here.press("b", "0")
        here.brush()
        here.saved(count + 3)
        found = records(desk)[old:]
        assert [r["tool"] for r in found] == ["region", "reassign", "unknown"]
        assert [r["class"] for r in found] == ["building", "vegetation", "ignore"]


def test_two_windows_see_the_corrections_of_each_other(browser, desk):
    context = browser.new_context(viewport=WIDE)
    with window(browser, desk, WIDE, context) as one, window(browser, desk, WIDE, context) as two:
        for here in (one, two):
            here.open()
            here.press("c", "b")
        old, count = len(records(desk)), one.count()
        one.brush()
        two.brush(below=60)
        for here in (one, two):
            here.saved(count + 2)
        assert len(records(desk)) == old + 2
    context.close()


def test_a_correction_on_a_test_block_says_that_it_teaches_nothing(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        here.press("c", "b")
        here.brush(right=250)  # the right half of the scene is for testing
        here.page.wait_for_function(
            "() => document.querySelector('.told').textContent.includes('not to training')"
        )
        assert records(desk)[-1]["split"] == "test"


def test_the_corrections_are_downloaded_as_a_geopackage(browser, desk):
    with window(browser, desk, WIDE) as here:
        here.open()
        here.press("c")
        here.page.locator("summary", has_text="QGIS").click()
        with here.page.expect_download() as download:
            here.page.locator("#export").click()
        assert Path(download.value.path()).read_bytes().startswith(b"SQLite format 3\0")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_stroke_that_a_killed_server_did_not_take_is_sent_to_the_next_one(browser, tmp_path):
    town, port = write_town(tmp_path / "town"), str(free_port())
    with running(town, "demo", "--user", "anna", "--port", port) as desk:
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        page.set_default_timeout(90_000)
        here = Window(page, desk)
        here.open()
        here.press("c", "b")
        here.brush()
        here.saved(1)
        desk.process.kill()
        desk.process.wait()
        here.brush(below=60)
        here.page.wait_for_function(
            "() => document.querySelector('#saving').textContent.startsWith('1 not saved')"
        )
        assert here.count() == 2
        page.close()
    with running(town, "demo", "--user", "anna", "--port", port) as desk:
        with window(browser, desk, WIDE, context) as here:
            here.open()
            here.press("c")
            here.saved(2)
        assert len(records(desk)) == 2
        context.close()


@pytest.fixture(scope="module")
def own_desk(tmp_path_factory):
    """A server whose params.yaml the tests write, and its folder."""
    town = write_town(tmp_path_factory.mktemp("own") / "town")
    with running(town, "demo", "--user", "anna") as client:
        yield client, town


def test_thresholds_redraw_the_map_with_areas_and_are_written_on_apply(browser, own_desk):
    desk, town = own_desk
    with window(browser, desk, WIDE) as here:
        here.open()
        here.press("t")
        here.page.wait_for_selector(".areas tbody tr")
        before = here.picture(), here.page.locator(".areas").inner_text()
        here.page.locator("#threshold-building").fill("0.9")
        here.page.wait_for_function(
            "text => document.querySelector('.areas').innerText !== text", arg=before[1]
        )
        assert here.picture() != before[0]
        assert "building: 0.9" not in (town / "params.yaml").read_text()
        here.page.locator("#apply").click()
        here.page.wait_for_function(
            "() => document.querySelector('.told').textContent.includes('params.yaml')"
        )
        assert "building: 0.9" in (town / "params.yaml").read_text()
        here.page.locator("#reset").click()
        assert here.page.locator("#threshold-building").input_value() != "0.9"


HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_name_of_a_class_is_text_and_is_written_only_on_save(browser, own_desk):
    desk, town = own_desk
    with window(browser, desk, WIDE) as here:
        here.open()
        before = (town / "params.yaml").read_text()
        here.page.locator("#class-water-title").fill(HOSTILE)
        here.page.locator("#class-water-color").fill("#00ffee")
        here.page.locator("#tab-correct").click()
        assert HOSTILE in here.page.locator("#draw-water").inner_text()
        assert (town / "params.yaml").read_text() == before
        here.press("l")
        here.page.locator("#save-classes").click()
        here.page.wait_for_function("() => document.querySelector('.told').textContent.includes('saved')")
        written = desk.get("/api/project")["classes"]
        assert {row["title"]: row["color"] for row in written}[HOSTILE] == "#00ffee"
        here.page.reload()
        here.settle()
        assert here.page.locator("#class-water-title").input_value() == HOSTILE


def test_the_queue_of_suggestions_shows_a_block_and_asks_no_more_when_it_is_done(browser, own_desk):
    desk, _ = own_desk
    with window(browser, desk, WIDE) as here:
        here.open()
        here.press("e")
        here.page.locator("#suggest").click()
        first = here.page.locator(".queue button").first
        first.wait_for()
        name = first.get_attribute("id").removeprefix("suggestion-")
        first.click()
        assert here.page.locator(".told").inner_text().startswith(f"Suggestion {name}")
        here.page.locator("#done").click()
        here.page.wait_for_function(f"() => !document.getElementById('suggestion-{name}')")
        left = desk.get("/api/scenes/demo/suggestions?n=50")["blocks"]
        assert name not in {block["id"] for block in left}


DROP = """([bytes, name]) => {
    const moved = new DataTransfer();
    moved.items.add(new File([new Uint8Array(bytes)], name));
    document.dispatchEvent(new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true}));
}"""


def test_an_image_that_is_dropped_is_mapped_opened_and_downloaded(browser, own_desk):
    desk, _ = own_desk
    with window(browser, desk, NARROW) as here:
        here.page.set_default_timeout(300_000)
        here.open()
        here.press("i")
        here.page.locator("#pixel").fill("0.5")
        here.page.evaluate(DROP, [list(photo()), HOSTILE + ".jpg"])
        job = here.page.locator(".job").first
        job.get_by_role("button", name="Map it anyway").click()  # no model knows such colours
        job.get_by_role("button", name="Open").click()
        here.page.wait_for_function("() => document.querySelector('#scene').value !== 'demo'")
        here.settle()
        assert here.page.locator("#scene option:checked").inner_text().startswith("<img src=x")
        assert here.page.locator("#tab-correct").count() == 0, "corrections are of cities"
        with here.page.expect_download() as download:
            job.get_by_role("button", name="map.gpkg").click()
        assert Path(download.value.path()).read_bytes().startswith(b"SQLite format 3\0")


def test_a_job_is_cancelled_and_removed(browser, own_desk):
    desk, _ = own_desk
    with window(browser, desk, WIDE) as here:
        here.open()
        here.press("i")
        here.page.locator("#pixel").fill("0.5")
        here.page.evaluate(DROP, [list(photo()), "second.jpg"])
        job = here.page.locator(".job", has_text="second.jpg")
        here.page.locator("[id^=cancel-]:not([id^=cancel-sending])").click()  # of the job, not of the sending
        job.get_by_role("button", name="Remove").click()
        job.wait_for(state="detached")
        here.page.evaluate(DROP, [[1, 2, 3], "notes.txt"])
        assert "no GeoTIFF" in here.page.locator(".told").inner_text()
