"""The whole loop in a real browser: see what the map lacks, correct it in twenty places, retrain, keep it.

The labels of the city know no water, nor what else is unmapped, so that its model has never seen any.
Somebody paints twenty strokes of water on the page. The blocks around the corrected ones, in which nobody
painted, are then judged by labels with water.
"""

import io
import json
import math
import re
import shutil
import time

import numpy as np
import pytest
import rasterio
from dvc.api import DVCFileSystem
from pyproj import Transformer
from scipy.ndimage import minimum_filter

pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("rio_tiler", reason="the extra review is not installed")

from tests.pipeline.project import Project
from tests.protocol.browser import chromium, launched
from tests.protocol.desk import running
from tests.protocol.page import WIDE, Window, free_port
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import load
from urbanseg.labels.corrections import read
from urbanseg.metrics.segmentation import class_scores, confusion, mean

pytestmark = [pytest.mark.slow, chromium]

STROKES, BLOCK, APART = 20, 64, 6
KILLED_AFTER = 9
"""Strokes, before the server is killed while the next one is drawn."""
MINUTES = 60


@pytest.fixture(scope="module")
def truth(finished):
    with rasterio.open(finished / paths.labels("demo")) as raster:
        return raster.read(1)


@pytest.fixture(scope="module")
def dry(finished, tmp_path_factory):
    """The project, whose labels and model know no water."""
    folder = tmp_path_factory.mktemp("loop") / "project"
    shutil.copytree(finished, folder, symlinks=True)
    project = Project.at(folder)
    project.params["osm"]["rules"]["water"] = []
    project.params["cities"]["demo"]["labels"] = {"source": "osm", "background": "ignore"}
    project.params["train"] |= {
        "encoder_weights": "imagenet", "epochs": 4, "steps_per_epoch": 24, "batch_size": 8,
    }  # fmt: skip
    project.write_params()
    project.repro()
    project.commit("Know no water")
    return project


def places(truth, split, water):
    """Pixels in the middle of water, apart from each other, in blocks that are not for testing."""
    wide = minimum_filter((truth == water) & (split < 2), 9)
    found = []
    for row, col in zip(*np.nonzero(wide), strict=True):
        if all(math.dist((row, col), place) >= APART for place in found):
            found.append((int(row), int(col)))
    assert len(found) >= STROKES
    return [found[n] for n in np.linspace(0, len(found) - 1, STROKES).astype(int)]


class Painter:
    """Paints short strokes at pixels of the scene, which the window shows as a whole."""

    def __init__(self, here: Window, raster) -> None:
        self.here, self.transform = here, raster.transform
        self.to_degrees = Transformer.from_crs(raster.crs, 4326, always_xy=True)

    def at(self, row: int, col: int) -> tuple[float, float]:
        """Where a pixel of the scene is in the window."""
        address = self.here.page.evaluate("new URLSearchParams(location.hash.slice(1)).get('at')")
        lon, lat, zoom = map(float, address.split(","))
        world = 512 * 2**zoom
        there = self.to_degrees.transform(*(self.transform @ (col + 0.5, row + 0.5)))
        (x, y), (middle_x, middle_y) = mercator(*there), mercator(lon, lat)
        left, top = self.here.middle()
        return left + (x - middle_x) * world, top + (y - middle_y) * world

    def begin(self, place) -> None:
        x, y = self.at(*place)
        self.here.page.mouse.move(x - 1, y)
        self.here.page.mouse.down()
        self.here.page.mouse.move(x + 1, y, steps=2)

    def end(self) -> None:
        self.here.page.mouse.up()


def mercator(lon, lat):
    """Web Mercator, 0–1."""
    return (lon + 180) / 360, (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2


def opened(context, desk, water):
    page = context.new_page()
    page.set_default_timeout(180_000)
    here = Window(page, desk)
    here.open()
    here.press("c", "b", str(water + 1))
    return here


def paint(here, raster, spots, before):
    painter = Painter(here, raster)
    for number, spot in enumerate(spots, start=before + 1):
        painter.begin(spot)
        painter.end()
        here.saved(number)
    return painter


def score(predicted, truth, inside, n):
    counted = inside & (truth != IGNORE) & (predicted != IGNORE)
    return mean(class_scores(confusion(truth[counted], predicted[counted], n)).iou)


def around(spots, shape):
    """Pixels of the blocks around those that spots lie in, but not of these."""
    rows, cols = (-(-side // BLOCK) for side in shape)
    own = {(row // BLOCK, col // BLOCK) for row, col in spots}
    near = np.array([[any(max(abs(r - a), abs(c - b)) == 1 for a, b in own) and (r, c) not in own
                      for c in range(cols)] for r in range(rows)])  # fmt: skip
    return np.kron(near, np.ones((BLOCK, BLOCK), bool))[: shape[0], : shape[1]]


def prediction_at(project, revision):
    stored = DVCFileSystem(str(project.folder), rev=revision)
    with rasterio.open(io.BytesIO(stored.read_bytes(str(paths.prediction("demo"))))) as raster:
        return raster.read(1)


def finished_training(desk):
    deadline = time.monotonic() + 60 * MINUTES
    while (job := desk.get("/api/jobs")["jobs"][-1])["state"] in {"queued", "running"}:
        assert time.monotonic() < deadline
        time.sleep(2)
    said = desk.get(f"/api/jobs/{job['id']}/log")["text"]
    assert job["state"] == "done", (job["error"], said[-3000:])
    return job


def test_twenty_corrections_teach_the_blocks_around_them(dry, truth):
    table, port = load(dry.folder / "params.yaml").class_table, str(free_port())
    water, file = table.id_of("water"), dry.folder / paths.corrections("demo")
    desk_of = ("demo", "--user", "anna", "--port", port)
    with rasterio.open(dry.folder / paths.split("demo")) as raster, launched() as browser:
        spots = places(truth, raster.read(1), water)
        context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
        with running(dry.folder, *desk_of) as desk:
            here = opened(context, desk, water)
            painter = paint(here, raster, spots[:KILLED_AFTER], 0)
            painter.begin(spots[KILLED_AFTER])
            desk.process.kill()
            desk.process.wait()
            painter.end()
            here.page.locator("#saving", has_text=re.compile("^1 not")).wait_for()
            assert len(read(file)[0]) == KILLED_AFTER, "what was saved before is on the disk"
            here.page.close()
        with running(dry.folder, *desk_of) as desk:
            here = opened(context, desk, water)
            here.saved(KILLED_AFTER + 1)
            paint(here, raster, spots[KILLED_AFTER + 1 :], KILLED_AFTER + 1)
            assert read(file)[0] == ["water"] * STROKES
            here.press("e")
            here.page.locator("#retrain-title").fill("the river")
            here.page.locator("#retrain").click()
            here.page.wait_for_selector("#cancel-retrain")
            name = finished_training(desk)["result"]["experiment"]
            here.page.locator("#comparison").wait_for()
            here.page.locator("#keep").click()
            here.page.get_by_text("was kept").wait_for()
            assert here.elsewhere == []
            context.close()

    shown = json.loads(dry.dvc("exp", "show", "--json"))
    assert name in {each["name"] for row in shown for each in row["experiments"] or []}
    before, after = (prediction_at(dry, revision) for revision in ("HEAD", name))
    inside = around(spots, truth.shape)
    assert ((truth == water) & inside).sum() > 200
    scores = [score(predicted, truth, inside, len(table)) for predicted in (before, after)]
    assert scores[1] > scores[0] + 0.01, scores
