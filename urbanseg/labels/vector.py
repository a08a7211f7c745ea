"""Annotation and survey data: vector files of any kind, as a table of features.

The table has the columns that rasterizing needs (`class`, `tags`, `geometry`), as that of
OpenStreetMap features has. Unusable features are left out and counted in the log.
"""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS

from urbanseg.config.labels import VectorLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import FARTHEST, Grid
from urbanseg.io import vector_files
from urbanseg.labels.annotation import AnnotatedImage, read_cvat, read_labelme
from urbanseg.redact import excerpt

log = logging.getLogger(__name__)

COLLECTION = 7
"""Type id of a GeometryCollection in shapely."""
KIND = "kind"
"""Tag that holds the value of the attribute, by which `labels.line_width_m` may know the width."""


def read_vector(params: VectorLabels, grid: Grid) -> gpd.GeoDataFrame:
    """Read the features of a vector file or annotation that have a class.

    Args:
        params: the file, its format, and the table from attribute values to classes.
        grid: the scene's; annotation in pixels is georeferenced by it.

    Returns:
        `class` (a class, or ``ignore``), `tags` (JSON: kind, width in metres, lanes) and
        `geometry` (valid polygons and lines) in the file's CRS, or in that of `grid` for
        annotation in pixels.

    Raises:
        PipelineError: if the file is missing or damaged, names others, has no CRS, lacks the layer or
            attribute, or holds no feature with a class in the scene.
    """
    frame, without = read_features(params, grid)
    found = ", ".join(f"{count} {name}" for name, count in frame["class"].value_counts().items())
    rest = ", ".join(f"{count} {value}" for value, count in without.most_common(8))
    log.info("%s: %s; without a class: %s", params.path.name, found or "nothing", rest or "none")
    if frame.empty:
        raise PipelineError(
            f"{params.path} holds nothing in the scene that classes gives a class; "
            f"there it has {rest or 'no feature with a shape'}"
        )
    return frame


def read_features(params: VectorLabels, grid: Grid) -> tuple[gpd.GeoDataFrame, Counter[str]]:
    """Read the features that have a class, which may be none, and count the values without one.

    Args:
        params: see `read_vector`.
        grid: see `read_vector`.

    Returns:
        What `read_vector` does, perhaps without a row; and how often each value has no class.

    Raises:
        PipelineError: if the file is missing or damaged, names others, has no CRS, lacks the layer or
            attribute.
    """
    if not params.path.exists():
        raise PipelineError(f"{params.path} does not exist; check the path of the annotation")
    if params.format == "ogr":
        vector_files.require_plain(params.path)
    frame = _from_ogr(params, grid) if params.format == "ogr" else _from_pixels(params, grid)
    names = frame["kind"].map(params.classes) if isinstance(params.classes, dict) else params.classes
    frame = frame.assign(**{"class": names})
    without = Counter(frame.loc[frame["class"].isna(), "kind"])
    return _usable(frame[frame["class"].notna()], params.path)[["class", "tags", "geometry"]], without


def _from_ogr(params: VectorLabels, grid: Grid) -> gpd.GeoDataFrame:
    path = params.path
    try:
        info = pyogrio.read_info(path, layer=params.layer)
        if info["crs"] is None:
            raise PipelineError(
                f"{path} has no coordinate reference system; assign one, for example with ogr2ogr -a_srs"
            )
        wanted = [name for name in (params.attribute, params.width, params.lanes) if name is not None]
        missing = [name for name in wanted if name not in info["fields"]]
        if missing and info["features"] != 0:
            raise PipelineError(
                f"{path} has no attribute {missing[0]}; it has {', '.join(info['fields']) or 'none'}"
            )
        box = _around(grid, CRS.from_user_input(info["crs"]))
        held = [name for name in wanted if name not in missing]  # an empty GeoJSON file has no attribute
        raw = pyogrio.read_dataframe(path, layer=params.layer, columns=held, bbox=box)
    except DataLayerError as error:
        layers = ", ".join(name for name, _ in pyogrio.list_layers(path))
        if params.layer is None:
            raise _unreadable(path, error) from error
        raise PipelineError(f"{path} has no layer {params.layer}; it has {layers}") from error
    except shapely.errors.GEOSException as error:
        raise PipelineError(
            f"{path} holds surfaces such as TIN or MultiPatch, or geometries that are broken "
            f"({excerpt(str(error))}); convert it with ogr2ogr -nlt MULTIPOLYGON -dim XY"
        ) from error
    except IndexError as error:  # of pyogrio, where there is no layer
        raise PipelineError(f"{path} holds no layer that GDAL can read; name another file") from error
    except (CRSError, DataSourceError, FeatureError, FieldError, GeometryError, ValueError) as error:
        raise _unreadable(path, error) from error
    raw = raw.assign(**dict.fromkeys(missing))
    kinds = [""] * len(raw) if params.attribute is None else [_text(value) for value in raw[params.attribute]]
    columns = {"width": params.width, "lanes": params.lanes}
    tags = [
        _tags(kind, {tag: raw[name].iloc[i] for tag, name in columns.items() if name is not None})
        for i, kind in enumerate(kinds)
    ]
    return gpd.GeoDataFrame({"kind": kinds, "tags": tags}, geometry=raw.geometry.to_numpy(), crs=raw.crs)


def _unreadable(path: Path, error: Exception) -> PipelineError:
    return PipelineError(
        f"{path} is not a vector file that GDAL can open; it may be damaged: {excerpt(str(error))}"
    )


def _from_pixels(params: VectorLabels, grid: Grid) -> gpd.GeoDataFrame:
    image = read_labelme(params.path) if params.format == "labelme" else read_cvat(params.path, params.image)
    to_scene = _scale(image, grid, params.path)
    kinds = [kind for kind, _ in image.shapes]
    shapes = shapely.transform([shape for _, shape in image.shapes], to_scene)
    tags = [_tags(kind, {}) for kind in kinds]
    return gpd.GeoDataFrame({"kind": kinds, "tags": tags}, geometry=list(shapes), crs=grid.crs)


def _scale(image: AnnotatedImage, grid: Grid, path: Path) -> Any:
    """The function from pixels of the image to the scene's CRS; the image may be a preview."""
    across, down = grid.width / image.width, grid.height / image.height
    if abs(across * image.height - grid.height) > 1 + max(across, down):
        raise PipelineError(
            f"{path} was drawn on an image of {image.width} × {image.height} pixels, but the scene has "
            f"{grid.width} × {grid.height}; draw on the scene itself or on a smaller copy of all of it"
        )
    a, b, c, d, e, f = grid.transform[:6]
    return lambda xy: np.column_stack([xy @ (a * across, b * down) + c, xy @ (d * across, e * down) + f])


def _usable(frame: gpd.GeoDataFrame, path: Path) -> gpd.GeoDataFrame:
    """Features with an extent, collections taken apart; invalid polygons are repaired."""
    frame = _parts(frame)
    shapes = frame.geometry.to_numpy()
    missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    nowhere = ~missing & (shapely.get_num_coordinates(shapes) != _count_possible(shapes))
    pointlike = ~missing & ~nowhere & (shapely.get_dimensions(shapes) < 1)
    kept = frame[~missing & ~nowhere & ~pointlike]
    broken = ~kept.geometry.is_valid
    if broken.any():
        whole = shapely.make_valid(kept.geometry.to_numpy(), method="structure", keep_collapsed=False)
        kept = kept.set_geometry(gpd.GeoSeries(whole, kept.index, crs=kept.crs))
        kept = kept[~kept.geometry.is_empty]
    if missing.any() or nowhere.any() or pointlike.any() or broken.any():
        log.info(
            "%s: repaired %d, left out %d without geometry, %d with impossible coordinates and %d points",
            path.name, broken.sum(), missing.sum(), nowhere.sum(), pointlike.sum(),
        )  # fmt: skip
    return kept


def _parts(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The features, with each geometry collection as features of its parts: a line in it has a width."""
    while (frame.geometry.geom_type == "GeometryCollection").any():
        shapes = frame.geometry.to_numpy()
        is_whole = ~((shapely.get_type_id(shapes) == COLLECTION) & (shapely.get_num_geometries(shapes) > 0))
        if is_whole.all():
            break
        parts, place = shapely.get_parts(shapes[~is_whole], return_index=True)
        taken = (
            frame[~is_whole]
            .iloc[place]
            .set_geometry(gpd.GeoSeries(parts, crs=frame.crs).to_numpy(), crs=frame.crs)
        )
        frame = gpd.GeoDataFrame(pd.concat([frame[is_whole], taken], ignore_index=True), crs=frame.crs)
    return frame


def _count_possible(shapes: Any) -> Any:
    """Number of vertices of each geometry that lie somewhere: not NaN, infinite or beyond any map."""
    places, index = shapely.get_coordinates(shapes, return_index=True)
    return np.bincount(index, (np.abs(places) < FARTHEST).all(axis=1), minlength=len(shapes))


def _around(grid: Grid, crs: CRS) -> tuple[float, float, float, float]:
    """The bounds of a scene in another CRS, a fifth larger: wide lines beside it may reach into it."""
    margin = max(grid.shape) * grid.resolution / 10
    left, bottom, right, top = grid.bounds
    corners = shapely.box(left - margin, bottom - margin, right + margin, top + margin)
    outline = gpd.GeoSeries([shapely.segmentize(corners, margin)], crs=grid.crs)
    left, bottom, right, top = outline.to_crs(crs).total_bounds
    return float(left), float(bottom), float(right), float(top)


def _tags(kind: str, measures: dict[str, Any]) -> str:
    known = {tag: text for tag, value in measures.items() if (text := _text(value))}
    return json.dumps(known | ({KIND: kind} if kind else {}), ensure_ascii=False, sort_keys=True)


def _text(value: Any) -> str:
    """An attribute's value as text: 2.0 is ``2``, and a missing one is empty."""
    if value is None or value != value:  # noqa: PLR0124, NaN
        return ""
    return str(int(value)) if isinstance(value, float | np.floating) and value == int(value) else str(value)
