"""A region of cells on a Dask cluster, from a STAC API on loopback, through all that may go wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import yaml
from pyproj import Transformer
from pystac.validation import validate_dict

from tests.conftest import ROOT
from tests.protocol.scenes.drawn_world import BANDS, DrawnProduct, drawn
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.world import EPSG, centres, day
from tests.unit.workflows.painted import CLASSES, write_model

PIXEL, CELL, WINDOW, OVERLAP, CONTEXT = 10, 64, 64, 16, 48
LEFT, TOP = 501_120, 5_399_040
"""A corner at which cells and windows begin: multiples of 64 and of 48 pixels."""
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


def test_a_region_is_mapped_and_described_and_nothing_is_asked_twice(archive, tmp_path):
    served, url = archive
    served.reset([product(2000)])
    region = Region(tmp_path / "project", url, 2)
    region.run()
    assert len(region.finished) == 4
    with rasterio.open(region.made / "classes.vrt") as mosaic:
        assert tuple(mosaic.bounds) == region.bounds
        found = mosaic.read(1)
        truth = drawn(*centres(region.bounds, mosaic.width, mosaic.height))
        assert mosaic.colormap(1)[0][:3] == (0xBB, 0x2E, 0x12)
    assert (found == truth).mean() > 0.99
    check_collection(region)
    check_tables(region, found)
    before, asked = region.bytes(), served.count(".")
    assert "0 are to be made" in region.run()
    assert served.count(".") == asked
    assert region.bytes() == before


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
    areas = gpd.pd.read_csv(region.made / "areas.csv").set_index("class")["ha"]
    hectares = [float((found == i).sum()) / 100 for i in range(len(CLASSES))]
    assert areas[CLASSES].tolist() == pytest.approx(hectares, abs=1e-3)
    zones = gpd.pd.read_csv(region.made / "zones.csv").set_index("name")
    assert zones.loc["all", "water_ha"] == pytest.approx(areas["water"], abs=1e-3)
    west = float((found[:, : CELL // 2] == CLASSES.index("water")).sum()) / 100
    assert zones.loc["west", "water_ha"] == pytest.approx(west, abs=1e-3)
