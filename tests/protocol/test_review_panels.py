"""Thresholds, classes, suggestions and images on the page of the review desk, in a real browser."""

from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra review is not installed")

from tests.protocol.browser import chromium
from tests.protocol.desk import running
from tests.protocol.page import NARROW, WIDE, window
from tests.protocol.test_review_uploads import photo
from tests.unit.review.town import write_town

pytestmark = chromium


@pytest.fixture(scope="module")
def own_desk(tmp_path_factory):
    """A server whose params.yaml the tests write, and its folder."""
    town = write_town(tmp_path_factory.mktemp("own") / "town")
    with running(town, "demo", "--user", "anna") as client:
        yield client, town


@pytest.mark.slow
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


@pytest.mark.slow
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
