"""The page of the review desk in a real browser: a window of it, and what tests do in it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import ROOT
from tests.protocol.desk import Client

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe is missing; make setup installs it"
)

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
MIDDLE = {"width": 1000, "height": 600}
"""Wide enough for the panels beside the maps, and small for software that draws them."""
PINNED_AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"


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
        """What the maps show once they have come to rest, without what is said above them."""
        self.page.wait_for_load_state("networkidle")
        maps, said = self.page.locator(".maps"), self.page.locator(".told:not(.error)")
        before, now = b"-", b""
        while now != before:
            before = now
            said.evaluate_all("all => all.forEach(each => each.replaceChildren())")
            now = maps.screenshot()
            self.page.wait_for_timeout(250)
        return now


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
