"""A region of cells on a Dask cluster, from a STAC API on loopback, through all that may go wrong."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
import shapely
import yaml
from distributed import Client, LocalCluster
from pyproj import Transformer
from pystac.validation import validate_dict

from tests.conftest import ROOT
from tests.protocol.scenes.drawn_world import BANDS, DrawnProduct, drawn
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.world import EPSG, centres, day
from tests.unit.workflows.painted import CLASSES, write_model
from urbanseg.config.params import load
from urbanseg.imagery.sentinel2 import archives, area, satellite
from urbanseg.infer import outputs
from urbanseg.infer.scene import predict_scene
from urbanseg.io import raster
from urbanseg.mapping.tidiness import chosen_for
from urbanseg.mapping.vector_map import vector_layers
from urbanseg.region.cells import Cell
from urbanseg.workflows import region as workflow
from urbanseg.workflows.map_model import load_model
from urbanseg.workflows.region import planned

PIXEL, CELL, WINDOW, OVERLAP, CONTEXT = 10, 96, 64, 16, 96
MARGIN = 192
LEFT, TOP = 501_120, 5_399_040
"""A corner at which cells and windows begin: multiples of 96 and of 48 pixels."""
DEADLINE_S = 900


class Region:
    """A project with a region of so many cells along a side, whose scenes an archive on loopback has."""

    def __init__(self, folder: Path, url: str, cells: int, **work: object) -> None:
        self.folder, self.cells = folder, cells
        folder.mkdir(parents=True)
        write_model(folder / "model")
        self.bounds = (LEFT, TOP - PIXEL * CELL * cells, LEFT + PIXEL * CELL * cells, TOP)
        to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
        inner = shapely.segmentize(shapely.box(*self.bounds).buffer(-3), 500)
        outline = shapely.transform(inner, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1])))
        (folder / "area.geojson").write_text(shapely.to_geojson(outline))
        west = shapely.box(self.bounds[0], self.bounds[1], LEFT + PIXEL * CELL // 2, TOP)
        zones = gpd.GeoDataFrame(
            {"name": ["west", "all"]}, geometry=[west, shapely.box(*self.bounds)], crs=EPSG
        )
        zones.to_file(folder / "zones.gpkg")
        self.params = parameters(url, work)
        self.write()

    def write(self) -> None:
        """params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params, sort_keys=False))

    def start(self) -> subprocess.Popen[str]:
        """The stage, in a process of its own."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "stages.region", "land"], cwd=self.folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self) -> str:
        """The stage to its end; returns what it says."""
        stage = self.start()
        said, _ = stage.communicate(timeout=DEADLINE_S)
        assert stage.returncode == 0, said
        return said

    @property
    def made(self) -> Path:
        """What the stage writes."""
        return self.folder / "data/region/land"

    @property
    def finished(self) -> set[str]:
        """Ids of the cells that are done."""
        return {path.parent.name for path in self.made.glob("cells/e*/cell.json") if ".part" not in str(path)}

    def bytes(self) -> dict[str, bytes]:
        """All that was made, by its path."""
        return {
            path.relative_to(self.made).as_posix(): path.read_bytes()
            for path in sorted(self.made.rglob("*"))
            if path.is_file()
        }


def parameters(url: str, work: dict[str, object]) -> dict[str, object]:
    """Parameters with the classes of the painted model, and a region."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    colors = ("#bb2e12", "#5fa979", "#3165a2", "#505050")
    params["classes"] = {
        name: {"id": i, "color": c} for i, (name, c) in enumerate(zip(CLASSES, colors, strict=True))
    }
    params["osm"]["rules"], params["labels"]["priority"], params["labels"]["min_share"] = {}, [], {}
    params["evaluate"]["targets"] = {"overall": {"acceptable": 0.6, "good": 0.75}}
    scene = {"provider": "local", "path": "x.tif", "bands": {"red": 1}}
    labels = {"source": "raster", "path": "x.tif", "remap": {1: "road"}}
    city = {"title": "Town", "role": "train", "inputs": ".", "scene": scene, "osm": {"provider": "none"}}
    params["cities"] = {"town": city | {"labels": labels}}
    params["predict"] |= {"size": WINDOW, "overlap": OVERLAP, "threads": 1, "backend": "onnx"}
    params["regions"] = {
        "land": {
            "title": "Land",
            "inputs": "area.geojson",
            "model_inputs": "model",
            "model": "model",
            "scene": {
                "provider": "stac",
                "profile": "earth_search",
                "url": f"{url}/stac/earth_search",
                "area": {"file": "area.geojson"},
                "dates": "2023-05-01/2023-07-31",
                "bands": list(BANDS),
                "crs": f"EPSG:{EPSG}",
                "request_px": 256,
                "min_clear": 0.5,
                "patience": {"attempts": 3, "wait_s": 0.05, "timeout_s": 30},
            },
            "cells": {"size_px": CELL, "context_px": CONTEXT},
            "zones": "zones.gpkg",
            "work": {"workers": 2, "requests_per_s": 1000, "retries": 2} | work,
        }
    }
    return params


def product(margin: int, **more: object) -> DrawnProduct:
    """A product that reaches so many metres beyond the region of six by six cells."""
    side = PIXEL * CELL * 6
    bounds = (LEFT - margin, TOP - side - margin, LEFT + side + margin, TOP + margin)
    return DrawnProduct(day(6, 14), 0.0, bounds=bounds, **more)  # type: ignore[arg-type]


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
    served.reset([product(3000)])
    region = Region(tmp_path / "project", url, 2)
    monkeypatch.chdir(region.folder)
    monkeypatch.setattr(workflow, "connected", threads)
    return region


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
    check_against_one_scene(small, params)


def check_against_one_scene(region, params):
    """Rasters, polygons and roads are those of a scene that reaches far beyond the region."""
    folder = Path("one_scene")
    layers = one_scene(region, params, folder)
    with rasterio.open(folder / "classes.tif") as one, rasterio.open(folder / "confidence.tif") as sure:
        window = one.window(*region.bounds)
        for name, dataset in (("classes", one), ("confidence", sure)):
            with rasterio.open(region.made / f"{name}.vrt") as mosaic:
                assert (mosaic.read(1) == dataset.read(1, window=window)).all()
    box = shapely.box(*region.bounds)
    inner = box.buffer(-1)
    merged = gpd.read_parquet(region.made / "polygons")
    whole = merged[merged.within(inner)]
    assert len(whole) > 5
    crossing = whole[whole.intersects(seams(region))]
    assert len(crossing) > 2
    cover = layers["land_cover"]
    for row in whole.itertuples():
        same = cover[
            (cover.class_name == row.class_name) & cover.intersects(row.geometry.representative_point())
        ]
        assert len(same) == 1
        assert shapely.area(shapely.symmetric_difference(same.geometry.iloc[0], row.geometry)) < 0.1
        assert same.confidence.iloc[0] == pytest.approx(row.confidence, abs=1e-9)
    roads = gpd.read_parquet(region.made / "roads").union_all()
    reference = layers["road_edges"].intersection(box).union_all()
    assert roads.length == pytest.approx(reference.length, rel=1e-3)
    apart = shapely.hausdorff_distance(roads, reference)
    same = shapely.length(roads.intersection(reference.buffer(0.01))) / roads.length
    assert (apart < PIXEL, same > 0.99) == (True, True), (apart, same)


def seams(region):
    """The lines between cells."""
    left, bottom, right, top = region.bounds
    at = [CELL * PIXEL * i for i in range(1, region.cells)]
    upright = [shapely.LineString([(left + x, bottom), (left + x, top)]) for x in at]
    return shapely.union_all(
        [*upright, *(shapely.LineString([(left, top - y), (right, top - y)]) for y in at)]
    )


def one_scene(region, params, folder):
    """The layers of the region and 1,920 m around it, mapped as one scene with the windows of any scene."""
    folder.mkdir()
    section, plan = params.region("land").scene, planned("land", params)
    corner = plan.lattice.pixels(Cell.of(min(region.finished)))
    side = CELL * region.cells + 2 * MARGIN
    side += -side % (WINDOW - OVERLAP)
    top, left = -TOP // PIXEL - MARGIN, corner[1].start - MARGIN
    grid = plan.lattice.grid(range(top, top + side), range(left, left + side))
    outline = area.Area("one scene", area.find(section.area, section.patience).shape)
    satellite.deliver(
        archives.connect(section), section, outline, grid, folder / "chunks", folder / "scene.tif",
        folder / "scl.tif",
    )  # fmt: skip
    model = load_model("model")
    with raster.reading(folder / "scene.tif") as scene:
        strips = predict_scene(
            scene, [1, 2, 3], model.predict, model.spec.classes, model.options, rest=None, roads=["road"]
        )
        outputs.write(folder, grid, strips, model.table, model.options)
    tidy = chosen_for(params.vectorize, PIXEL, model.table.kinds)
    with ExitStack() as stack:
        classes, sure, weak = (
            stack.enter_context(raster.reading(folder / f"{name}.tif")).read_band
            for name in ("classes", "confidence", "road_probability")
        )
        return vector_layers(classes, sure, grid, model.table, tidy, road_probability=weak)


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
    west = float((found[:, : CELL // 2] == CLASSES.index("water")).sum()) / 100
    assert zones.loc["west", "water_ha"] == pytest.approx(west, abs=1e-3)


LARGE = {"context_px": 4}
NARROW = {"size": 32, "overlap": 8}
"""So that no neighbour's scene reaches the middle of a cell."""
SIDE_M = 6 * CELL * PIXEL


def large(folder, url):
    """A region of six by six cells, of which the middle of one lies in a product of its own."""
    region = Region(folder, url, 6)
    region.params["regions"]["land"]["cells"] |= LARGE
    region.params["predict"] |= NARROW
    region.write()
    return region


def products():
    """Of the whole region, but for a hole, and of that hole."""
    x, y = LEFT + CELL * PIXEL * 3 // 2, TOP - CELL * PIXEL * 5 // 2
    hole = (x - 60.0, y - 60.0, x + 60.0, y + 60.0)
    bounds = (LEFT - 2000, TOP - SIDE_M - 2000, LEFT + SIDE_M + 2000, TOP + 2000)
    return [
        DrawnProduct(day(6, 14), 0.0, bounds=bounds, hole=hole),
        DrawnProduct(day(6, 14, 1), 0.0, granule="32UNV", bounds=hole),
    ]


def wait_for(stage, region, cells):
    """Until so many cells are done."""
    deadline = time.monotonic() + DEADLINE_S
    while len(region.finished) < cells:
        assert time.monotonic() < deadline
        assert stage.poll() is None, stage.stdout.read()
        time.sleep(0.05)


def reset(served, region_products):
    """The archive with a product that is corrupt."""
    served.reset(region_products)
    served.fail(f"cogs/.*{region_products[1].id}/", "truncate", times=10**9)


@pytest.mark.slow
def test_a_region_that_is_disturbed_in_every_way_ends_as_one_that_is_not(archive, tmp_path):
    served, url = archive
    made_of = products()
    reset(served, made_of)
    calm = large(tmp_path / "calm", url)
    said = calm.run()
    assert len(calm.finished) == 35, said
    failures = pd.read_csv(calm.made / "failures.csv")
    assert failures["kind"].tolist() == ["failed"]

    reset(served, made_of)
    served.fail("cogs", "status", times=3, skip=60, code=429, headers={"Retry-After": "0"})
    served.fail("cogs", "status", times=3, skip=200, code=503)
    served.fail("search", "status", times=2, skip=3, code=503)
    disturbed = large(tmp_path / "disturbed", url)
    stage = disturbed.start()
    wait_for(stage, disturbed, 4)
    workers = [
        child for child in psutil.Process(stage.pid).children() if "spawn_main" in str(child.cmdline())
    ]
    assert len(workers) >= 2
    workers[-1].kill()
    wait_for(stage, disturbed, 18)
    children = psutil.Process(stage.pid).children(recursive=True)
    stage.kill()
    stage.wait()
    assert not psutil.wait_procs(children, timeout=60)[1]
    finished = disturbed.finished
    assert 18 <= len(finished) < 35
    assert {"status"} <= set(served.met())

    reset(served, made_of)
    disturbed.run()
    tries = 35 - len(finished) + 3  # the corrupt cell is tried three times
    assert served.count("search") == tries
    assert disturbed.bytes() == calm.bytes()
