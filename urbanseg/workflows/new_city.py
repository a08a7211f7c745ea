"""The entry of a new city in params.yaml: of an image on this machine, or of an area on Earth."""

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.config.scene import AreaParams, LocalScene, Retry
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, strips
from urbanseg.imagery.local import warping
from urbanseg.imagery.local.raster_copy import DTYPES
from urbanseg.imagery.sentinel2 import area
from urbanseg.io import raster, vector_files
from urbanseg.io.references import UnreadableError

Entry = dict[str, Any]
Told = list[str]
"""Lines for the user on what an entry stands for."""

BANDS, BYTES, RESOLUTION_M = ["B02", "B03", "B04", "B08"], 2, 10.0
"""What is downloaded of Sentinel-2: four bands of 16 bits, and the scene classification of 8."""

ONE_TRY = Retry(attempts=1, wait_s=0, timeout_s=10)
CLASS_COLUMNS = ("class", "class_name", "landcover", "land_cover", "label")


def of_area(
    where: dict[str, Any],
    dates: str | None,
    labels: Sequence[Path],
    attribute: str | None,
    classes: ClassTable,
    project: Path = Path(),
) -> tuple[Entry, Told]:
    """The entry of a city whose Sentinel-2 scene is downloaded.

    Args:
        where: the `area` of the scene, with `place` or `bbox`.
        dates: first and last day of the search; the last whole year if None.
        labels: files of labels, the first before the others; none for OpenStreetMap.
        attribute: column of vector files that holds the class.
        classes: of params.yaml.
        project: the folder from which params.yaml names files.

    Returns:
        The entry, and what to tell of it.

    Raises:
        PipelineError: if the area is too large, or the labels cannot be read.
    """
    scene, told = scene_of_area(where, dates)
    reference, osm, more = _labels(labels, attribute, classes, project)
    inputs = str(_inputs(labels, project)) if labels else "data/none"
    return {"inputs": inputs, "scene": scene, "osm": osm, "labels": reference}, told + more


def scene_of_area(where: dict[str, Any], dates: str | None) -> tuple[Entry, Told]:
    """The `scene` section of a Sentinel-2 scene that is downloaded, and what to tell of it.

    Args:
        where: its `area`, with `place` or `bbox`.
        dates: first and last day of the search; the last whole year if None.

    Raises:
        PipelineError: if the area is too large.
    """
    year = date.today().year - 1
    dates = dates or f"{year}-01-01/{year}-12-31"
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
    return scene, told


def of_image(
    image: Path,
    labels: Sequence[Path],
    attribute: str | None,
    classes: ClassTable,
    project: Path = Path(),
) -> tuple[Entry, Told]:
    """The entry of a city whose scene is a raster on this machine.

    Args:
        image: the raster.
        labels: files of labels, the first before the others; none for OpenStreetMap.
        attribute: column of vector files that holds the class.
        classes: of params.yaml.
        project: the folder from which params.yaml names files.

    Returns:
        The entry, and what to tell of it.

    Raises:
        PipelineError: if the image or the labels cannot be read, or lie nowhere.
    """
    if not image.is_file():
        raise PipelineError(f"{image} is no file; name a raster file with --image")
    inputs = _inputs([image, *labels], project)
    with raster.reading(image, trusted=[project / inputs], gcps=True) as opened:
        info, colors = opened.info, [color.name for color in opened.dataset.colorinterp]
        bands = _band_names(info.descriptions, colors)
        strange = sorted({info.dtypes[number - 1] for number in bands.values()} - set(DTYPES))
        if strange or not bands:
            raise PipelineError(
                f"{image} holds {', '.join(strange or info.dtypes)} values in {len(bands)} bands; a scene "
                f"has bands of {', '.join(DTYPES)}: convert it, for example with gdal_translate -ot"
            )
        scene = {"provider": "local", "path": str(_from(project, image)), "bands": bands}
        if opened.dataset.crs is None:  # it is placed by ground control points
            grid = warping.gcp_grid(opened)
        else:
            grid = warping.target(opened, LocalScene.model_validate(scene)) or opened.grid
        dtype = raster.common_dtype(info.dtypes[number - 1] for number in bands.values())
        new_grid = "" if grid.same_as(opened.grid) else f", warped from {_crs(opened.grid)}"
    megabytes = grid.width * grid.height * len(bands) * np.dtype(dtype).itemsize / 1e6
    told = [
        f"scene: {image}, {len(bands)} bands ({', '.join(bands)}), {dtype}, {_crs(grid)}{new_grid}",
        f"size: {grid.width} × {grid.height} pixels of {grid.resolution:g} m, {megabytes:.0f} MB",
    ]
    reference, osm, more = _labels(labels, attribute, classes, project)
    return {"inputs": str(inputs), "scene": scene, "osm": osm, "labels": reference}, told + more


def _from(project: Path, path: Path) -> Path:
    """A path as params.yaml names it: from the project's folder, whatever the current one is."""
    if path.is_absolute() or os.path.realpath(project) == os.path.realpath(Path.cwd()):
        return path
    return Path(os.path.relpath(path, project))


def _inputs(sources: Sequence[Path], project: Path) -> Path:
    """What DVC watches: the one file, or the folder of several, in which there must be no output.

    Raises:
        PipelineError: if the files lie in different folders, or in one that holds the project.
    """
    if len(sources) == 1:
        return _from(project, sources[0])
    folders = {_absolute(path).parent for path in sources}
    folder = Path(os.path.commonpath(folders))
    if folder not in folders:
        raise PipelineError(
            f"{' and '.join(map(str, sources))} lie in different folders, and DVC watches one for each city; "
            "put them into one folder"
        )
    if _absolute(project).is_relative_to(folder) or project.resolve().is_relative_to(folder.resolve()):
        raise PipelineError(
            f"{' and '.join(map(str, sources))} lie in the project's folder, or above it, with all that the "
            "pipeline writes; put them into a folder of their own, such as data/raw/<city>"
        )
    return _from(project, next(path.parent for path in sources if _absolute(path).parent == folder))


def _absolute(path: Path) -> Path:
    """An absolute path without ``..``, in which links are kept."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _crs(grid: Grid) -> str:
    return ":".join(grid.crs.to_authority() or [grid.crs.name])


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


def _labels(
    sources: Sequence[Path], attribute: str | None, classes: ClassTable, project: Path
) -> tuple[Entry, Entry, Told]:
    """The sections `labels` and `osm`, and what to tell of them."""
    if not sources:
        return {"source": "osm"}, {"provider": "overpass"}, ["labels: OpenStreetMap, from an Overpass server"]
    entries = [_source(path, attribute, classes, project) for path in sources]
    told = [f"labels: {', then '.join(map(str, sources))}"]
    if len(entries) == 1:
        return entries[0], {"provider": "none"}, told
    names = [f"labels{number}" for number in range(1, len(entries) + 1)]
    layered = {"layers": names, "sources": dict(zip(names, entries, strict=True))}
    return layered, {"provider": "none"}, told


def _source(path: Path, attribute: str | None, classes: ClassTable, project: Path) -> Entry:
    if not path.is_file():
        raise PipelineError(f"{path} is no file; name files with --labels")
    try:
        entry = _raster_labels(path, classes)
    except UnreadableError:
        entry = _vector_labels(path, attribute, classes)
    return entry | {"path": str(_from(project, path))}


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
    advice = "add the city without --labels, and write labels.layer by hand (docs/labels.md)"
    try:
        layer = vector_files.only_layer(path, advice)
        info = pyogrio.read_info(path, layer=layer)
    except (ValueError, RuntimeError) as error:
        raise PipelineError(f"{path} is neither a raster nor a vector file that can be opened") from error
    if info["crs"] is None:
        raise PipelineError(f"{path} has no coordinate reference system; assign one, for example in QGIS")
    columns = list(info["fields"])
    chosen = attribute or next((name for name in columns if name.lower() in CLASS_COLUMNS), None)
    if chosen not in columns:
        raise PipelineError(
            f"{path} has the columns {', '.join(columns) or 'without names'}; "
            "say with --attribute which of them holds the class"
        )
    values = pyogrio.read_dataframe(path, layer=layer, columns=[chosen], read_geometry=False)[chosen]
    found = sorted({str(value) for value in values.dropna()})
    known = {name.lower(): name for name in classes.names}
    table = {value: known[value.strip().lower()] for value in found if value.strip().lower() in known}
    if unknown := [value for value in found if value not in table]:
        raise PipelineError(
            f"{path}: {chosen} holds {', '.join(unknown[:9])}, which are no classes; add the city without "
            "--labels, and write labels.classes by hand (docs/labels.md)"
        )
    return {"source": "vector", "path": str(path), "attribute": chosen, "classes": table}
