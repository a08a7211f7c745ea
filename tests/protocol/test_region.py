"""A region of cells on a Dask cluster, from a STAC API on loopback, through all that may go wrong."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
import rasterio
import shapely
from distributed import Client, LocalCluster
from pyproj import CRS
from pystac.validation import validate_dict

from tests.protocol.region_project import (
    DEADLINE_S,
    LEFT,
    PIXEL,
    TOP,
    Region,
    Size,
    check_against_one_scene,
)  # fmt: skip
from tests.protocol.scenes.drawn_world import DrawnProduct, drawn
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.world import EPSG, centres, day
from tests.unit.workflows.painted import CLASSES
from urbanseg.config.params import load
from urbanseg.imagery.sentinel2.area import project
from urbanseg.region.cells import Cell
from urbanseg.workflows import region as workflow

SMALL = Size(cell=96, window=64, overlap=16)
LARGE = Size(cell=288, window=32, overlap=8)
"""The middle of a cell is farther from its neighbours than these read: by context and a window."""
LARGE_CELLS = 6


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with running(tmp_path_factory.mktemp("cogs")) as served:
        yield served


@contextmanager
def threads(*_: object) -> Iterator[Client]:
    """A real scheduler and two workers in this process, which start at once."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def small(archive, tmp_path, monkeypatch):
    """A region of two by two cells, made by workers in this process."""
    served, url = archive
    region = Region(tmp_path / "project", url, 2, SMALL)
    served.reset([product(region, 3000)])
    monkeypatch.chdir(region.folder)
    monkeypatch.setattr(workflow, "connected", threads)
    return region


def product(region: Region, margin: int, **more: object) -> DrawnProduct:
    """A product that reaches so many metres beyond a region."""
    bounds = shapely.box(*region.bounds).buffer(margin, join_style="mitre").bounds
    return DrawnProduct(day(6, 14), 0.0, bounds=bounds, **more)


def test_a_region_is_one_scene_described_and_nothing_is_asked_twice(archive, small):
    served, _ = archive
    params = load(Path("params.yaml"))
    assert workflow.map_region("land", params) == []
    assert len(small.finished) == 4
    with rasterio.open(small.made / "classes.vrt") as mosaic:
        assert tuple(mosaic.bounds) == small.bounds
        found = mosaic.read(1)
        truth = drawn(*centres(small.bounds, mosaic.width, mosaic.height))
        assert mosaic.colormap(1)[0][:3] == (0xBB, 0x2E, 0x12)
    assert (found == truth).mean() > 0.99
    check_collection(small)
    check_tables(small, found)
    before, asked = small.bytes(), served.count(".")
    assert workflow.map_region("land", params) == []
    assert served.count(".") == asked
    assert small.bytes() == before
    check_against_one_scene(small)


def check_collection(region):
    collection = json.loads((region.made / "collection.json").read_text())
    assert validate_dict(collection)
    items = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    assert len(items) == region.cells**2
    for href in items:
        item = json.loads((region.made / href).read_text())
        assert validate_dict(item | {"stac_extensions": []})
        assert item["collection"] == collection["id"]
        assert item["properties"]["datetime"].startswith("2023-06-14")
        for asset in item["assets"].values():
            assert (region.made / href).parent.joinpath(asset["href"]).stat().st_size == asset["file:size"]


def check_tables(region, found):
    areas = pd.read_csv(region.made / "areas.csv").set_index("class")["ha"]
    hectares = [float((found == i).sum()) / 100 for i in range(len(CLASSES))]
    assert areas[CLASSES].tolist() == pytest.approx(hectares, abs=1e-3)
    zones = pd.read_csv(region.made / "zones.csv").set_index("name")
    assert zones.loc["all", "water_ha"] == pytest.approx(areas["water"], abs=1e-3)
    west = float((found[:, : SMALL.cell // 2] == CLASSES.index("water")).sum()) / 100
    assert zones.loc["west", "water_ha"] == pytest.approx(west, abs=1e-3)


CORRUPT = Cell(TOP // (LARGE.cell * PIXEL) - 3, LEFT // (LARGE.cell * PIXEL) + 2)
"""One in the midst of the large region, whose image is."""


def offer(served, region):
    """A product of the region but for a hole in the middle of a cell, and a corrupt one of that hole."""
    x, y = ((at + 0.5) * region.side for at in (CORRUPT.col, CORRUPT.row))
    hole = (x - 60.0, y - 60.0, x + 60.0, y + 60.0)
    of_hole = DrawnProduct(day(6, 14, 1), 0.0, granule="32UNV", bounds=hole)
    served.reset([product(region, 2400, hole=hole), of_hole])
    served.fail(f"cogs/.*{of_hole.id}/", "truncate", times=10**9)


def wait_for(stage, region, cells):
    """Until so many cells are done."""
    deadline = time.monotonic() + DEADLINE_S
    while len(region.finished) < cells:
        assert time.monotonic() < deadline
        assert stage.poll() is None, stage.stdout.read()
        time.sleep(0.05)


def wait_for_another_worker(stage, workers):
    """Until Dask has started one beside these."""
    deadline = time.monotonic() + DEADLINE_S
    while not set(workers_of(stage)) - set(workers):
        assert time.monotonic() < deadline
        assert stage.poll() is None, stage.stdout.read()
        time.sleep(0.05)


def workers_of(stage):
    """The processes of Dask's workers that live."""
    found = []
    for child in psutil.Process(stage.pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie, too, is none
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def searched(served, region):
    """The cells for which the catalogue was asked, as often as it was."""
    found = []
    for request in served.matching("/search$"):
        shape = shapely.geometry.shape(json.loads(request.body)["intersects"])
        middle = project(shape, CRS.from_epsg(EPSG)).centroid
        found.append(Cell(int(middle.y // region.side), int(middle.x // region.side)).id)
    return sorted(found)


@pytest.mark.slow
def test_a_region_that_is_disturbed_in_every_way_ends_as_one_that_is_not(archive, tmp_path, monkeypatch):
    served, url = archive
    calm = Region(tmp_path / "calm", url, LARGE_CELLS, LARGE)
    offer(served, calm)
    said = calm.run()
    cells = calm.finished
    assert len(cells) == LARGE_CELLS**2 - 1, said
    failures = pd.read_csv(calm.made / "failures.csv")
    assert failures[["cell", "kind"]].to_numpy().tolist() == [[CORRUPT.id, "failed"]]

    disturbed = Region(tmp_path / "disturbed", url, LARGE_CELLS, LARGE)
    offer(served, disturbed)
    served.fail("cogs", "status", times=3, skip=60, code=429, headers={"Retry-After": "0"})
    served.fail("cogs", "status", times=3, skip=200, code=503)
    served.fail("/search$", "status", times=2, skip=3, code=503)
    stage = disturbed.start()
    wait_for(stage, disturbed, 4)
    workers = workers_of(stage)
    assert len(workers) == 2
    workers[-1].kill()
    wait_for_another_worker(stage, workers)
    wait_for(stage, disturbed, 18)
    children = psutil.Process(stage.pid).children(recursive=True)
    stage.kill()
    stage.wait()
    assert not psutil.wait_procs(children, timeout=60)[1]
    finished = disturbed.finished
    assert 18 <= len(finished) < len(cells)
    assert served.met().count("status") == 8

    offer(served, disturbed)
    disturbed.run()
    tries = 3  # of the corrupt cell
    assert searched(served, disturbed) == sorted([*(cells - finished), *[CORRUPT.id] * tries])
    assert disturbed.bytes() == calm.bytes()

    served.reset([product(calm, 2400)])
    monkeypatch.chdir(calm.folder)
    check_against_one_scene(calm)
