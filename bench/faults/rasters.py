"""Broken rasters and images, and what the system refuses of files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from bench.faults.case import Case, Change, damages, flipped, put, replace
from bench.faults.params import SIMULATED

PLACE = Affine(10, 0, 500_000, 0, -10, 5_400_000)
SHAPE = (96, 160)
BANDS = ("--bands", "blue=1,green=2,red=3,nir=4")
SCENE, LABELS = ("scene", "town"), ("labels", "town")


def raster(
    name: str, dtype: str = "uint16", count: int = 4, value: float | None = None, **profile: Any
) -> Change:
    """Write a raster of noise, or of one value."""

    def change(folder: Path, random: Random) -> None:
        rng = np.random.default_rng(random.randrange(2**32))
        options = {
            "driver": "GTiff",
            "crs": "EPSG:32632",
            "transform": PLACE,
            "height": 96,
            "width": 160,
        } | profile
        shape = (count, options["height"], options["width"])
        pixels = rng.integers(1, 200, shape).astype(dtype) if value is None else np.full(shape, value, dtype)
        (folder / name).unlink(missing_ok=True)
        with rasterio.open(folder / name, "w", dtype=dtype, count=count, **options) as file:
            file.write(pixels)

    return change


def vrt(inside: str, band: str = 'dataType="UInt16" band="1"') -> Change:
    """Write a VRT in place of the scene."""

    def change(folder: Path, _: Random) -> None:
        text = (
            '<VRTDataset rasterXSize="160" rasterYSize="96"><SRS>EPSG:32632</SRS><GeoTransform>500000, 10, 0,'
            f" 5400000, 0, -10</GeoTransform><VRTRasterBand {band}>{inside}</VRTRasterBand></VRTDataset>"
        )
        replace(folder / "scene.tif", text.encode())

    return change


def _source(name: str) -> str:
    return f"<SimpleSource><SourceFilename>{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"


MADE: dict[str, tuple[Change, bool]] = {
    "no CRS": (raster("scene.tif", crs=None), False),
    "all nodata": (raster("scene.tif", value=0, nodata=0), False),
    "complex": (raster("scene.tif", "complex64"), False),
    "8 byte integers": (raster("scene.tif", "int64"), False),
    "NaN alone": (raster("scene.tif", "float32", value=float("nan")), False),
    "infinity alone": (raster("scene.tif", "float32", value=float("inf")), False),
    "too few bands": (raster("scene.tif", count=1), False),
    "one pixel": (raster("scene.tif", height=1, width=1), True),
    "one row": (raster("scene.tif", height=1), True),
    "zero pixels wide": (raster("scene.tif", transform=Affine(0, 0, 5e5, 0, -10, 5.4e6)), False),
    "NaN in the transform": (
        raster("scene.tif", transform=Affine(float("nan"), 0, 5e5, 0, -10, 5.4e6)),
        False,
    ),
    "infinite pixels": (raster("scene.tif", transform=Affine(1e300, 0, 5e5, 0, -1e300, 5.4e6)), False),
    "tiny pixels": (raster("scene.tif", transform=Affine(1e-12, 0, 5e5, 0, -1e-12, 5.4e6)), False),
    "outside the world": (
        raster("scene.tif", crs="EPSG:4326", transform=Affine(1, 0, 900, 0, -1, 900)),
        False,
    ),
    "at the pole": (raster("scene.tif", crs="EPSG:4326", transform=Affine(0.1, 0, 0, 0, -0.1, 95)), False),
    "local CRS": (raster("scene.tif", crs='LOCAL_CS["here",UNIT["metre",1]]'), False),
    "rotated": (raster("scene.tif", transform=PLACE @ Affine.rotation(30)), True),
    "south up": (raster("scene.tif", transform=Affine(10, 0, 5e5, 0, 10, 5.4e6)), True),
    "VRT of nothing": (vrt(_source("nowhere.tif")), False),
    "VRT of itself": (vrt(_source("scene.tif")), False),
    "VRT without a source": (vrt(""), False),
    "VRT of another folder": (vrt(_source("/etc/passwd")), False),
    "VRT of an address": (vrt(_source("/vsicurl/http://127.0.0.1:9/a.tif")), False),
    "VRT of an unknown type": (vrt(_source("labels.tif"), 'dataType="Int99" band="1"'), False),
}
"""Scenes by what is wrong with them, and whether they may be read nevertheless."""

ASKED: dict[str, Any] = {
    "bands": {"red": 99},
    "crs": "EPSG:3035000",
    "bbox": [100, 10, 100.1, 10.1],
    "nodata": 1e9,
    "like": "nowhere.tif",
    "mask": {"path": "nowhere.tif", "kind": "valid"},
    "path": "x" * 300,
}
"""What the scene's parameters ask for and the file does not have."""


def _system(call: Callable[[Path], None]) -> Change:
    def change(folder: Path, _: Random) -> None:
        call(folder)

    return change


def _blocked(name: str) -> Change:
    """A file where a folder is to be written."""

    def call(folder: Path) -> None:
        shutil.rmtree(folder / name, ignore_errors=True)
        replace(folder / name, b"a file")

    return _system(call)


NOTHING = _system(lambda _: None)
"""Nothing is broken; the system refuses."""


def cases() -> list[Case]:
    """All cases of rasters, and of what the system refuses."""
    return [*_scenes(), *_labels(), *_limits(), *_words()]


def _scenes() -> list[Case]:
    scene = r"scene\.tif|cities\.town\.scene|bbox|nodata|bands|mask|no data"
    made = [Case(f"scene: {n}", c, SCENE, scene, works) for n, (c, works) in MADE.items()]
    made += [Case(f"scene: {n}", c, SCENE, r"scene\.tif") for n, c in damages("scene.tif").items()]
    made += [
        Case(
            f"scene: {key} {value}"[:80],
            put(f"cities.town.scene.{key}", value),
            SCENE,
            "scene|nowhere|xxx|bbox|nodata|crs",
        )
        for key, value in ASKED.items()
    ]
    made += [
        Case(f"scene: flipped bytes {i}", flipped("scene.tif", 4, 0, 600), SCENE, "", may_work=True)
        for i in range(20)
    ]
    made += [
        Case(f"scene: flipped pixels {i}", flipped("scene.tif", 9, 600), SCENE, "", may_work=True)
        for i in range(5)
    ]
    return made


def _labels() -> list[Case]:
    made = [Case(f"labels: {n}", c, LABELS, r"labels\.tif") for n, c in damages("labels.tif").items()]
    made += [
        Case("labels: values unknown", raster("labels.tif", "uint8", 1, value=77), LABELS, "label"),
        Case("labels: float", raster("labels.tif", "float32", 1, value=1.5), LABELS, "label"),
        Case(
            "labels: elsewhere",
            raster("labels.tif", "uint8", 1, transform=Affine(10, 0, 9e5, 0, -10, 1e6)),
            LABELS,
            "label",
        ),
        Case("labels: three bands", raster("labels.tif", "uint8", 3), LABELS, "label", may_work=True),
    ]
    return made


def _limits() -> list[Case]:
    """A disk that is full, and no more open files."""
    made = []
    full = {"RLIMIT_FSIZE": 300}
    for stage in (
        SCENE,
        LABELS,
        ("tiles", "town"),
        ("dataset",),
        ("train",),
        ("predict", "town"),
        ("vectorize", "town"),
    ):
        made.append(
            Case(f"{stage[0]}: full disk", NOTHING, stage, "cannot be written: the disk", limits=full)
        )
        made.append(
            Case(f"{stage[0]}: no open files", NOTHING, stage, "open|many", limits={"RLIMIT_NOFILE": 12})
        )
    made += [
        Case(
            "train: full disk for weights",
            NOTHING,
            ("train",),
            "cannot be written",
            limits={"RLIMIT_FSIZE": 200_000},
        ),
        Case(
            "map: full disk",
            NOTHING,
            ("urbanseg", "map", "scene.tif", "out", "--model", "project", *BANDS),
            "out.*disk",
            limits=full,
        ),
        Case("simulated: full disk", put("cities.town.scene", SIMULATED), SCENE, "disk", limits=full),
        Case("params: full disk", NOTHING, ("params",), "data/params.*disk", limits=full),
        Case("params: no open files", NOTHING, ("params",), "open", limits={"RLIMIT_NOFILE": 12}),
    ]
    return made


def _words() -> list[Case]:
    """Outputs that can't be, and words of the command line."""
    return [
        Case("scene: output is a file", _blocked("data/scene/town"), SCENE, "data/scene"),
        Case("params: output is a file", _blocked("data"), ("params",), "data"),
        Case("no such city", NOTHING, ("scene", "paris"), "paris"),
        Case("an empty city", NOTHING, ("scene", ""), "city"),
        Case("a city of 5000 letters", NOTHING, ("scene", "x" * 5000), "city"),
        Case("a city with a null", NOTHING, ("scene", "a\0b"), "city"),
        Case("two cities", NOTHING, ("scene", "town", "town"), "city"),
        Case("map: image is missing", NOTHING, ("urbanseg", "map", "nowhere.tif", "out"), "nowhere"),
        Case("map: output is a file", NOTHING, ("urbanseg", "map", "scene.tif", "labels.tif"), "labels"),
        Case(
            "map: no such band",
            NOTHING,
            ("urbanseg", "map", "scene.tif", "out", "--bands", "red=99"),
            "band",
        ),
        Case(
            "map: bands unreadable",
            NOTHING,
            ("urbanseg", "map", "scene.tif", "out", "--bands", "red=x"),
            "band",
        ),
        Case("map: name too long", NOTHING, ("urbanseg", "map", "scene.tif", "x" * 300), "xxx"),
        Case(
            "city add: bbox", NOTHING, ("urbanseg", "city", "add", "b", "--bbox", "-999,0,999,1"), "bbox|box"
        ),
    ]
