"""A project with a region of a few cells, and the same ground mapped as one scene."""

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
import yaml
from pyproj import Transformer

from tests.conftest import ROOT
from tests.protocol.scenes.drawn_world import BANDS
from tests.protocol.scenes.world import EPSG
from tests.unit.workflows.painted import CLASSES, write_model
from urbanseg.config.params import load
from urbanseg.imagery.sentinel2 import archives, area, satellite
from urbanseg.infer import outputs
from urbanseg.infer.scene import predict_scene
from urbanseg.io import raster
from urbanseg.mapping.tidiness import chosen_for
from urbanseg.mapping.vector_map import vector_layers
from urbanseg.region.cells import Cell
from urbanseg.workflows.map_model import load_model
from urbanseg.workflows.region import planned

PIXEL, CONTEXT, MARGIN = 10, 96, 192
LEFT, TOP = 501_120, 5_400_000
"""A corner at which cells and windows begin: multiples of 96 and 288, and of 24 and 48 pixels."""
DEADLINE_S = 900


@dataclass(frozen=True)
class Size:
    """Pixels of the side of a cell and of a window, and those that windows share."""

    cell: int
    window: int
    overlap: int


class Region:
    """A project with a region of so many cells along a side, whose scenes an archive on loopback has."""

    def __init__(self, folder: Path, url: str, cells: int, size: Size) -> None:
        self.folder, self.cells, self.side = folder, cells, PIXEL * size.cell
        folder.mkdir(parents=True)
        write_model(folder / "model")
        self.bounds = (LEFT, TOP - self.side * cells, LEFT + self.side * cells, TOP)
        to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
        inner = shapely.segmentize(shapely.box(*self.bounds).buffer(-3), 500)
        outline = shapely.transform(inner, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1])))
        (folder / "area.geojson").write_text(shapely.to_geojson(outline))
        west = shapely.box(self.bounds[0], self.bounds[1], LEFT + self.side // 2, TOP)
        zones = gpd.GeoDataFrame(
            {"name": ["west", "all"]}, geometry=[west, shapely.box(*self.bounds)], crs=EPSG
        )
        zones.to_file(folder / "zones.gpkg")
        self.params = parameters(url, size)
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

    @property
    def ground(self) -> shapely.Geometry:
        """The cells that are done, in metres."""
        corners = [(cell.col * self.side, cell.row * self.side) for cell in map(Cell.of, self.finished)]
        return shapely.union_all([shapely.box(x, y, x + self.side, y + self.side) for x, y in corners])

    @property
    def seams(self) -> shapely.Geometry:
        """The lines between cells."""
        left, bottom, right, top = self.bounds
        at = [self.side * i for i in range(1, self.cells)]
        upright = [shapely.LineString([(left + x, bottom), (left + x, top)]) for x in at]
        return shapely.union_all(
            [*upright, *(shapely.LineString([(left, top - y), (right, top - y)]) for y in at)]
        )

    def bytes(self) -> dict[str, bytes]:
        """All that was made, by its path."""
        return {
            path.relative_to(self.made).as_posix(): path.read_bytes()
            for path in sorted(self.made.rglob("*"))
            if path.is_file()
        }


def parameters(url: str, size: Size) -> dict[str, object]:
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
    city = {
        "title": "Town",
        "role": "train",
        "inputs": "data/none",
        "scene": scene,
        "osm": {"provider": "none"},
    }
    params["cities"] = {"town": city | {"labels": labels}}
    params["predict"] |= {"size": size.window, "overlap": size.overlap, "threads": 1, "backend": "onnx"}
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
                "request_px": 768,
                "min_clear": 0.5,
                "patience": {"attempts": 3, "wait_s": 0.05, "timeout_s": 30},
            },
            "cells": {"size_px": size.cell, "context_px": CONTEXT},
            "zones": "zones.gpkg",
            "work": {"workers": 2, "requests_per_s": 1000, "retries": 2},
        }
    }
    return params


def check_against_one_scene(region: Region) -> None:
    """Rasters, polygons and roads are those of a scene that reaches far beyond the region.

    So are pixels of the cells that are done, polygons inside the ground of these, and roads on it.
    """
    folder = region.folder / "one_scene"
    layers = one_scene(region, folder)
    ground = region.ground
    check_rasters(region, folder)
    check_polygons(region, layers["land_cover"], ground)
    roads = gpd.read_parquet(region.made / "roads").union_all()
    reference = layers["road_edges"].intersection(ground).union_all()
    assert roads.length == pytest.approx(reference.length, rel=1e-3)
    apart = shapely.hausdorff_distance(roads, reference)
    same = shapely.length(roads.intersection(reference.buffer(0.01))) / roads.length
    assert (apart < PIXEL, same > 0.99) == (True, True), (apart, same)


def check_rasters(region: Region, folder: Path) -> None:
    """The mosaics are the rasters of the scene, and hold nothing where cells are missing."""
    for name in ("classes", "confidence"):
        with (
            rasterio.open(folder / f"{name}.tif") as one,
            rasterio.open(region.made / f"{name}.vrt") as mosaic,
        ):
            expected = one.read(1, window=one.window(*region.bounds))
            missing = rasterio.features.geometry_mask(
                [region.ground], expected.shape, mosaic.transform, all_touched=False
            )
            expected[missing] = mosaic.nodata
            assert (mosaic.read(1) == expected).all()


def check_polygons(region: Region, cover: gpd.GeoDataFrame, ground: shapely.Geometry) -> None:
    """Each polygon that does not reach the border is one of the scene, those across seams, too."""
    merged = gpd.read_parquet(region.made / "polygons")
    whole = merged[merged.within(ground.buffer(-1))]
    assert len(whole) > 5
    assert whole.intersects(region.seams).sum() > 2
    for row in whole.itertuples():
        same = cover[
            (cover.class_name == row.class_name) & cover.intersects(row.geometry.representative_point())
        ]
        assert len(same) == 1
        assert shapely.area(shapely.symmetric_difference(same.geometry.iloc[0], row.geometry)) < 0.1
        assert same.confidence.iloc[0] == pytest.approx(row.confidence, abs=1e-9)


def one_scene(region: Region, folder: Path) -> dict[str, gpd.GeoDataFrame]:
    """The layers of the region and 1,920 m around it, mapped as one scene with the windows of any scene."""
    folder.mkdir()
    params = load(Path("params.yaml"))
    section, plan = params.region("land").scene, planned("land", params)
    side = (region.side * region.cells) // PIXEL + 2 * MARGIN
    side += -side % (params.predict.size - params.predict.overlap)
    top, left = -TOP // PIXEL - MARGIN, LEFT // PIXEL - MARGIN
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
