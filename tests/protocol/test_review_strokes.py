"""Corrections on the page of the review desk, in a real browser: drawn, undone, kept, whoever is killed."""

from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra review is not installed")

from tests.protocol.browser import chromium
from tests.protocol.desk import running
from tests.protocol.page import NARROW, WIDE, Window, free_port, records, window
from tests.unit.review.town import write_town

pytestmark = chromium


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "size", [pytest.param(WIDE, id="wide"), pytest.param(NARROW, id="narrow", marks=pytest.mark.slow)]
)
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


@pytest.mark.slow
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


@pytest.mark.slow
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
