"""Where a raster lies: by its CRS and affine transform, by ground control points (GCPs), in part, or nowhere.

A raster that doesn't say where it lies is refused, each case in a sentence of its own, or taken as it
is where its pixels are all that counts, as by ``urbanseg map``.
"""

import logging
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS
from rasterio.io import DatasetReader
from rasterio.transform import from_gcps

from urbanseg.errors import PipelineError
from urbanseg.grid import FARTHEST, Grid

log = logging.getLogger(__name__)

UNKNOWN_CRS = CRS.from_wkt(
    'ENGCRS["Unknown engineering CRS",EDATUM["Unknown engineering datum"],CS[Cartesian,2],'
    'AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
)
"""Stands for no CRS where an affine transform is known; it is not written to files."""

IN_PIXELS = Affine(1, 0, 0, 0, -1, 0)
"""Of a raster that is nowhere, as GIS programs show it; files have no affine transform then."""

MIN_GCPS = 3
"""Control points that an affine transform needs."""

LEAST_STEPS = 64
"""Steps between the floating-point numbers of the coordinates that a pixel must have, at least."""


def find(path: Path, dataset: DatasetReader, fallback_crs: CRS | None = None, *, gcps: bool = False) -> Grid:
    """The grid of a raster.

    Args:
        path: of the raster, for messages.
        dataset: the open raster.
        fallback_crs: of a raster that doesn't say where it lies, with pixels of 1 m from the origin;
            None if that is an error. What is dropped is said in the log. An affine transform without a
            CRS is kept, with `UNKNOWN_CRS`, and so is a local CRS.
        gcps: whether GCPs will do; the grid then is their best affine fit, from which pixels are warped.

    Returns:
        The grid.

    Raises:
        PipelineError: if there is no grid, saying what there is instead.
    """
    shape = dataset.height, dataset.width
    if is_placed_by_gcps(dataset):
        if gcps:
            return Grid(_crs(dataset.gcps[1]), from_gcps(dataset.gcps[0]), *shape)
        raise PipelineError(
            f"{path} is placed by ground control points; warp it onto a grid, with gdalwarp {path} warped.tif"
        )
    crs = _crs(dataset.crs) if dataset.crs is not None else None
    placed = not dataset.transform.is_identity and _is_usable(dataset.transform)
    problem = _problem(dataset, crs)
    if problem is None:
        assert crs is not None  # noqa: S101, that would be a problem
        return Grid(crs, dataset.transform, *shape)
    if fallback_crs is None:
        raise PipelineError(f"{path} {problem}")
    if placed:
        if crs is None:
            log.warning("%s has no coordinate reference system; the result keeps its coordinates", path)
        return Grid(crs or UNKNOWN_CRS, dataset.transform, *shape)
    name = ":".join(fallback_crs.to_authority() or [fallback_crs.name])
    log.warning(
        "%s %s: the result gets a placeholder, %s, a pixel a metre from its origin",
        path, problem.partition(";")[0], name,
    )  # fmt: skip
    return Grid(fallback_crs, Affine(1, 0, 0, 0, -1, dataset.height), *shape)


def is_placed(dataset: DatasetReader) -> bool:
    """Whether a raster says where on Earth it lies, by an affine transform or by GCPs."""
    crs = _crs(dataset.crs) if dataset.crs is not None else None
    return is_placed_by_gcps(dataset) or _problem(dataset, crs) is None


def is_placed_by_gcps(dataset: DatasetReader) -> bool:
    """Whether a raster has no grid of its own, but enough GCPs in a CRS that is on Earth."""
    points, crs = dataset.gcps
    if not crs or not dataset.transform.is_identity or len(points) < MIN_GCPS:
        return False
    known = _crs(crs)
    return bool(known.is_projected or known.is_geographic) and _is_usable(from_gcps(points))


def gdal_systems(source: Grid, target: Grid) -> tuple[str, str]:
    """The coordinate systems of two grids for GDAL's warper.

    Where they are the same, any will do, as those of images that are nowhere are none to it.
    """
    if source.crs == target.crs:
        return "EPSG:32631", "EPSG:32631"
    return source.crs.to_wkt(), target.crs.to_wkt()


def _crs(crs: object) -> CRS:
    return CRS.from_wkt(crs.to_wkt())  # type: ignore[attr-defined]


def _is_usable(transform: Affine) -> bool:
    """Whether pixels have a place, and a size that coordinates of so many digits can tell."""
    a, b, c, d, e, f = transform[:6]
    if not np.isfinite(transform[:6]).all() or transform.determinant == 0:
        return False
    step = float(np.spacing(min(max(abs(c), abs(f)), FARTHEST)))
    return bool(min(np.hypot(a, d), np.hypot(b, e)) > LEAST_STEPS * step)


def _problem(dataset: DatasetReader, crs: CRS | None) -> str | None:
    """Why a raster has no grid, as the rest of a sentence; None if it has one."""
    transform = dataset.transform
    if not _is_usable(transform):
        return (
            f"has a damaged geotransform ({', '.join(f'{value:g}' for value in transform[:6])}), in which "
            "pixels have no size; correct it with gdal_edit.py -a_ullr"
        )
    if crs is not None and not (crs.is_projected or crs.is_geographic):
        return (
            f"has the local coordinate reference system {crs.name!r}, which is nowhere on Earth; assign "
            "the one that its coordinates are in, with gdal_edit.py -a_srs"
        )
    if transform.is_identity:
        return _what_instead(dataset, crs)
    if crs is None:
        return (
            "has an affine transform, but no coordinate reference system; assign the one that its "
            "coordinates are in, for example with gdal_edit.py -a_srs EPSG:32640"
        )
    return None


def _what_instead(dataset: DatasetReader, crs: CRS | None) -> str:
    """What a raster without an affine transform has, and what to do."""
    if dataset.gcps[0]:
        return (
            f"has {len(dataset.gcps[0])} ground control points, which are too few, on one line or without a "
            "coordinate reference system; correct them with gdal_translate -gcp -a_srs"
        )
    if dataset.rpcs is not None:
        return "is placed by rational polynomial coefficients; orthorectify it with gdalwarp -rpc"
    if crs is not None:
        return (
            f"has the coordinate reference system {crs.name}, but no geotransform that says where in it; "
            "add one with gdal_edit.py -a_ullr"
        )
    return (
        "has no coordinate reference system and no georeference; assign both, for example with "
        "gdal_edit.py -a_srs EPSG:32640 -a_ullr <left> <top> <right> <bottom>"
    )
