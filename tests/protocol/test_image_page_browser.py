"""The page of one image's map in a real browser: whole, silent, and open to all."""

import dataclasses

import pytest

from tests.protocol.browser import chromium, opened
from tests.unit.report.test_image_page import REPORT
from urbanseg.report.image_page import render

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe is missing; make setup installs it"
)
pytestmark = chromium

ZONES = [["district", *(f"class_{i}_ha" for i in range(12))], ["Old Town", *["1,234.5"] * 12]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_an_image_is_whole_and_open_to_all(tmp_path, scheme):
    file = tmp_path / "report.html"
    file.write_text(render(dataclasses.replace(REPORT, zones=ZONES)), encoding="utf-8")
    with opened(file) as page:
        page.emulate_media(color_scheme=scheme)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.Axe().run(page).response["violations"]
            assert [(v["id"], v["nodes"][0]["html"][:90]) for v in found if v["impact"] != "minor"] == []
