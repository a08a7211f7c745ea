"""A real browser for tests: Debian's Chromium, driven by Playwright, cut off from the network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium; get it with: apt install chromium"
)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is missing; make setup installs it"
)


@contextmanager
def launched() -> Iterator[Any]:
    """A browser without a window."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(file: Path, harmless: str = "") -> Iterator[Any]:
    """A page from a file; an error if it says more than what is harmless, or asks for anything else."""
    said: list[str] = []
    with launched() as browser:
        page = browser.new_context(offline=True).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.goto(file.as_uri())
        yield page
    assert [text for text in said if not harmless or harmless not in text] == []
