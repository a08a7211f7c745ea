"""The entry of a new city in params.yaml: of an image on this machine, or of an area on Earth."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.config.scene import AreaParams, Retry
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, strips
from urbanseg.imagery.sentinel2 import area
from urbanseg.io import raster, vector_files

Entry = dict[str, Any]
Told = list[str]
"""Lines for the user on what an entry stands for."""

BANDS, BYTES, RESOLUTION_M = ["B02", "B03", "B04", "B08"], 2, 10.0
"""What is downloaded of Sentinel-2: four bands of 16 bits, and the scene classification of 8."""

ONE_TRY = Retry(attempts=1, wait_s=0, timeout_s=10)
CLASS_COLUMNS = ("class", "class_name", "landcover", "land_cover", "label")


def of_area(
    where: dict[str, Any], dates: str, labels: Path | None, attribute: str | None, classes: ClassTable
) -> tuple[Entry, Told]:
    """The entry of a city whose Sentinel-2 scene is downloaded.

    Args:
        where: the `area` of the scene, with `place` or `bbox`.
        dates: first and last day of the search.
        labels: file of labels; None for OpenStreetMap.
        attribute: column of a vector file that holds the class.
        classes: of params.yaml.

    Returns:
        The entry, and what to tell of it.

    Raises:
        PipelineError: if the area is too large, or the labels cannot be read.
    """
    scene = {"provider": "stac", "profile": "earth_search", "area": where, "dates": dates}
    told = [
        f"scene: Sentinel-2 L2A, {', '.join(BANDS)} and SCL, the least cloudy of {dates.replace('/', ' to ')}"
    ]
    try:
        grid = area.grid(area.find(AreaParams(**where), ONE_TRY), None, RESOLUTION_M)
        size = grid.width * grid.height * (len(BANDS) * BYTES + 1) / 1e6
        told.append(f"size: {grid.width} × {grid.height} pixels of 10 m, {size:.0f} MB to download at most")
    except PipelineError as error:
        if "place" not in where:
            raise
        told.append(f"size: not known yet, because the place could not be looked up ({error})")
    reference, osm, more = _labels(labels, attribute, classes)
    return {"inputs": _inputs(labels), "scene": scene, "osm": osm, "labels": reference}, told + more


def of_image(
    image: Path, labels: Path | None, attribute: str | None, classes: ClassTable
) -> tuple[Entry, Told]:
    """The entry of a city whose scene is a raster on this machine.

    Args:
        image: the raster.
        labels: file of labels; None for OpenStreetMap.
        attribute: column of a vector file that holds the class.
        classes: of params.yaml.

    Returns:
        The entry, and what to tell of it.

    Raises:
        PipelineError: if the image or the labels cannot be read, or lie nowhere.
    """
    if not image.is_file():
        raise PipelineError(f"{image} does not exist; name a raster file with --image")
    with raster.reading(image) as opened:
        grid, info = opened.grid, opened.info
        colors = [color.name for color in opened.dataset.colorinterp]
    bands = _band_names(info.descriptions, colors)
    megabytes = grid.width * grid.height * len(bands) * np.dtype(info.dtype).itemsize / 1e6
    told = [
        f"scene: {image}, {len(bands)} bands ({', '.join(bands)}), {info.dtype}, {_crs(grid)}",
        f"size: {grid.width} × {grid.height} pixels of {max(grid.pixel_m):.3g} m, {megabytes:.0f} MB",
    ]
    if not grid.is_metric:
        told.append("it is not in metres, so it will be warped to the UTM zone of its centre")
    reference, osm, more = _labels(labels, attribute, classes)
    scene = {"provider": "local", "path": str(image), "bands": bands}
    return {"inputs": str(image), "scene": scene, "osm": osm, "labels": reference}, told + more


def _crs(grid: Grid) -> str:
    return ":".join(grid.crs.to_authority() or [grid.crs.name])


def _inputs(labels: Path | None) -> str:
    return str(labels) if labels else "data/none"


def _band_names(descriptions: tuple[str, ...], colors: list[str]) -> dict[str, int]:
    """Numbers of bands by their description, or else their colour; alpha is no band."""
    names: dict[str, int] = {}
    for number, (text, color) in enumerate(zip(descriptions, colors, strict=True), start=1):
        if color == "alpha":
            continue
        plain = re.sub(r"\W+", "_", text).strip("_")
        name = plain or (color if color in {"red", "green", "blue"} else f"band{number}")
        names[name if name not in names else f"{name}_{number}"] = number
    return names


def _labels(path: Path | None, attribute: str | None, classes: ClassTable) -> tuple[Entry, Entry, Told]:
    """The sections `labels` and `osm`, and what to tell of them."""
    if path is None:
        told = "labels: OpenStreetMap, from an Overpass server"
        return {"source": "osm"}, {"provider": "overpass"}, [told]
    if not path.exists():
        raise PipelineError(f"{path} does not exist; name a file with --labels")
    try:
        reference = _raster_labels(path, classes)
    except PipelineError:
        if _is_raster(path):
            raise
        reference = _vector_labels(path, attribute, classes)
    return reference, {"provider": "none"}, [f"labels: {path}"]


def _is_raster(path: Path) -> bool:
    try:
        raster.describe(path)
    except PipelineError:
        return False
    return True


def _raster_labels(path: Path, classes: ClassTable) -> Entry:
    with raster.reading(path) as opened:
        values: set[int] = set()
        for strip in strips(opened.grid.shape, 256):
            values |= set(np.unique(opened.read_band(strip)).tolist())
    table = {c.id: c.name for c in classes} | {IGNORE: IGNORE_NAME}
    if unknown := sorted(values - table.keys()):
        raise PipelineError(
            f"{path} holds {', '.join(map(str, unknown[:9]))}, which are no numbers of classes; add the city "
            "without --labels, and write labels.remap by hand (docs/labels.md)"
        )
    return {"source": "raster", "path": str(path), "remap": {value: table[value] for value in sorted(values)}}


def _vector_labels(path: Path, attribute: str | None, classes: ClassTable) -> Entry:
    vector_files.require_plain(path)
    try:
        columns = list(pyogrio.read_info(path)["fields"])
    except (ValueError, RuntimeError) as error:
        raise PipelineError(f"{path} is neither a raster nor a vector file that can be opened") from error
    chosen = attribute or next((name for name in columns if name.lower() in CLASS_COLUMNS), None)
    if chosen not in columns:
        raise PipelineError(
            f"{path} has the columns {', '.join(columns) or 'without names'}; "
            "say with --attribute which of them holds the class"
        )
    values = pyogrio.read_dataframe(path, columns=[chosen], read_geometry=False)[chosen]
    found = sorted({str(value) for value in values.dropna()})
    known = {name.lower(): name for name in classes.names}
    table = {value: known[value.strip().lower()] for value in found if value.strip().lower() in known}
    if unknown := [value for value in found if value not in table]:
        raise PipelineError(
            f"{path}: {chosen} holds {', '.join(unknown[:9])}, which are no classes; add the city without "
            "--labels, and write labels.classes by hand (docs/labels.md)"
        )
    return {"source": "vector", "path": str(path), "attribute": chosen, "classes": table}
