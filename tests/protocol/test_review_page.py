"""The page of the review desk in a real browser, before the real server: what it shows, at both widths."""

import math

import pytest

pytest.importorskip("fastapi", reason="the extra review is not installed")

from tests.protocol.browser import chromium
from tests.protocol.page import MIDDLE, NARROW, WIDE, violations, window

pytestmark = chromium


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(WIDE, "light", id="wide, light", marks=pytest.mark.slow),
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
    with window(browser, desk, MIDDLE) as here:
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
    with window(browser, desk, MIDDLE) as here:
        here.open()
        pictures = [here.picture()]
        for press in ("Shift+3", "Shift+2", "Alt+2", "h", "h"):
            here.press(press)
            pictures.append(here.picture())
        assert len(set(pictures[:4])) == 4
        assert pictures[4] == pictures[1]  # the bare scene, which has no layer on it
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


@pytest.mark.slow
def test_swipe_and_side_by_side_show_two_maps_and_the_divider_takes_keys(browser, desk):
    with window(browser, desk, MIDDLE) as here:
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
