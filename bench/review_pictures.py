"""The pictures of docs/review.md, taken of the page in Chromium.

``python -m bench.review_pictures FOLDER [--out docs] [--only layers …]`` starts ``urbanseg review demo`` in
FOLDER, a project whose pipeline has run with ``predict.rasters: [probabilities]``, and writes five PNG. It
draws corrections there, so FOLDER is a copy. The last training that was started on its page is shown, if
there is one.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from tests.protocol.browser import launched
from tests.protocol.desk import running
from tests.protocol.page import Window

CITY = "demo"
WIDE, NARROW = {"width": 1200, "height": 720}, {"width": 390, "height": 760}
COLORS = 256
"""Of a picture: it is stored with a palette."""


def layers(here: Window) -> None:
    """The prediction above the scene, swiped."""
    here.press("w")
    here.page.locator("#side-right").click()
    here.page.locator("#layer-prediction").check()
    here.page.locator("#layer-labels").uncheck()
    here.page.locator("#side-left").click()
    here.page.locator("#layer-prediction").uncheck()
    here.page.locator("#side-right").click()


def find(here: Window) -> None:
    """Labels and prediction of the worst block, side by side."""
    here.press("w", "w", "f")
    here.page.locator(".blocks button").first.click()


def thresholds(here: Window) -> None:
    """Areas and scores under another threshold, closer."""
    here.press("z", "t")
    here.page.wait_for_selector(".areas tbody tr")
    here.page.locator("#threshold-building").fill("0.7")


def correct(here: Window) -> None:
    """A stroke of the brush, a region, a polygon and what is unknown."""
    x, y = here.middle()
    here.press("z", "c", "b", "5")
    here.settle()
    count = here.count()
    here.brush(120, -120, -180)
    here.press("r", "2")
    here.page.mouse.click(x - 60, y + 40)
    here.press("p", "4")
    for right, down in ((90, -60), (230, -30), (210, 90), (80, 70)):
        here.page.mouse.click(x + right, y + down)
    here.press("Enter", "b", "0")
    here.brush(80, 150, 120)
    here.saved(count + 4)
    here.press("5")


def narrow(here: Window) -> None:
    """Suggestions, and a training if there was one."""
    here.press("e")
    here.page.locator("#suggest").click()
    here.page.locator(".queue button").first.click()
    if (compared := here.page.locator("#comparison")).count():
        compared.scroll_into_view_if_needed()


PICTURES: dict[str, tuple[dict[str, int], str, Callable[[Window], None]]] = {
    "layers": (WIDE, "light", layers),
    "find": (WIDE, "light", find),
    "thresholds": (WIDE, "light", thresholds),
    "correct": (WIDE, "dark", correct),
    "narrow": (NARROW, "dark", narrow),
}
"""Size, colours and what is done before each."""


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--user", default="anna")
    parser.add_argument("--only", nargs="*", choices=PICTURES, default=list(PICTURES))
    asked = parser.parse_args()
    with running(asked.folder, CITY, "--user", asked.user) as desk, launched() as browser:
        for name in asked.only:
            size, scheme, prepare = PICTURES[name]
            context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
            here = Window(context.new_page(), desk)
            here.open(CITY)
            prepare(here)
            here.picture()  # waits until the maps rest
            save(here.page, asked.out / f"review_{name}.png")
            context.close()
            if here.said:
                raise RuntimeError(f"{name}: the page says {here.said}")


def save(page: Any, file: Path) -> None:
    """Write what the window shows, in few colours."""
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shown.quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
