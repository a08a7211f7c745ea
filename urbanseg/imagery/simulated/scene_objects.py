"""Scene objects: mapped features as shapes in drawing order, with the properties that illumination needs.

Each object gets a material, a height, and its own shade and tint, drawn from a seed.
Objects are rasterized as ids; everything else is looked up by id.
"""

import json
import re
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.stats import norm

from urbanseg.grid import Grid
from urbanseg.imagery.simulated.look import Look
from urbanseg.imagery.simulated.materials import MATERIALS, PATCH_SIZES_PX
from urbanseg.imagery.simulated.surfaces import (
    DEFAULT_LEVELS,
    DEFAULT_LINE_WIDTH_M,
    FLAT_SURFACES,
    LANE_WIDTH_M,
    LEVELS,
    LINE_WIDTH_M,
    STOREY_M,
    SURFACES,
    Tags,
)


@dataclass(frozen=True)
class SceneObjects:
    """The objects of a scene; id 0 is the ground below all of them.

    Attributes:
        shapes: ``(n,)`` polygons in the grid's CRS, the later above the earlier.
        main: ``(n + 1, 4)`` reflectance of an object's first spectrum, shade included.
        other: ``(n + 1, 4)`` of its second.
        level: ``(n + 1,)`` standard normal value below which the mixture shows the second.
        patch_size: ``(n + 1,)`` index into `PATCH_SIZES_PX` of the size of its patches.
        texture: ``(n + 1,)`` relative deviation of its texture.
        height: ``(n + 1,)`` of the object itself in metres.
        crown: ``(n + 1,)`` of tree crowns where the first spectrum shows, in metres.
        is_flat: ``(n + 1,)`` whether it lies level whatever the relief, as water does.
    """

    shapes: NDArray[np.object_]
    main: NDArray[np.float32]
    other: NDArray[np.float32]
    level: NDArray[np.float32]
    patch_size: NDArray[np.int8]
    texture: NDArray[np.float32]
    height: NDArray[np.float32]
    crown: NDArray[np.float32]
    is_flat: NDArray[np.bool_]

    def ids(self, grid: Grid, tree: shapely.STRtree) -> NDArray[np.int32]:
        """Id of the topmost object at each pixel of `grid`, ``(height, width)``; `tree` is over `shapes`."""
        near = np.sort(tree.query(shapely.box(*grid.bounds)))
        if not len(near):
            return np.zeros(grid.shape, np.int32)
        pairs = ((self.shapes[i], int(i) + 1) for i in near)
        return np.asarray(rasterize(pairs, out_shape=grid.shape, transform=grid.transform, dtype="int32"))


def prepare(features: gpd.GeoDataFrame, grid: Grid, look: Look, seed: int) -> SceneObjects:
    """Turn features into scene objects.

    Args:
        features: with `class`, `tags` (JSON) and geometry; only surfaces are drawn.
        grid: metric; its CRS is that of the shapes.
        look: what they are made of.
        seed: of materials, shades and tints.

    Returns:
        The objects, from the lowest to the topmost.
    """
    rng = np.random.default_rng([seed, 1])
    features = features[features["class"].isin(SURFACES.keys())]
    projected = features.to_crs(grid.crs)
    tags = [json.loads(text) for text in features["tags"]]
    surfaces = features["class"].to_numpy()
    shapes = areas(projected.geometry.to_numpy(), tags)
    order = np.array([SURFACES[name].order for name in surfaces], dtype=float)
    order += [0.5 if tag.get("layer", "0").lstrip("+")[:1] in "12345" and name == "road" else 0.0
              for tag, name in zip(tags, surfaces, strict=True)]  # fmt: skip
    rank = np.lexsort([-shapely.area(shapes), order])
    names = [look.background] + [
        look.material(str(surfaces[i]), tags[i], draw)
        for i, draw in zip(rank, rng.random(len(rank)), strict=True)
    ]
    heights = [0.0] + [_height(tags[i]) if surfaces[i] == "building" else 0.0 for i in rank]
    level = np.array([False] + [surfaces[i] in FLAT_SURFACES for i in rank])
    return _shaded(shapes[rank], names, np.array(heights, np.float32), level, look, rng)


def _shaded(
    shapes: NDArray[np.object_],
    names: list[str],
    heights: NDArray[np.float32],
    flat: NDArray[np.bool_],
    look: Look,
    rng: np.random.Generator,
) -> SceneObjects:
    """Look up each object's material and give it a shade and a tint of its own."""
    kinds = [MATERIALS[name] for name in names]
    vary = np.array([kind.vary for kind in kinds])[:, None]
    shade = np.exp(vary * rng.standard_normal((len(kinds), 1)))
    tint = np.exp(0.15 * vary * rng.standard_normal((len(kinds), 4)))
    share = np.array([kind.share for kind in kinds])
    share = np.clip(share * np.exp(0.3 * rng.standard_normal(len(kinds))), 0.02, 0.9)
    return SceneObjects(
        shapes=shapes,
        main=(np.array([look.spectra[kind.main] for kind in kinds]) * shade * tint).astype(np.float32),
        other=(np.array([look.spectra[kind.other] for kind in kinds]) * shade * tint).astype(np.float32),
        level=norm.ppf(share).astype(np.float32),
        patch_size=np.array([list(PATCH_SIZES_PX).index(kind.patch_size) for kind in kinds], np.int8),
        texture=np.array([kind.texture for kind in kinds], np.float32),
        height=heights,
        crown=np.array([kind.crown for kind in kinds], np.float32),
        is_flat=flat,
    )


def areas(shapes: NDArray[np.object_], tags: list[Tags]) -> NDArray[np.object_]:
    """Lines widened to what they cover; areas as they are."""
    lines = shapely.get_dimensions(shapes) == 1
    widths = np.array([_width(tag) for tag, line in zip(tags, lines, strict=True) if line])
    areas = shapes.copy()
    areas[lines] = shapely.buffer(shapes[lines], widths / 2, quad_segs=3)
    return areas


def _width(tags: Tags) -> float:
    """Full width of a line in metres: its width, its lanes, or what is typical."""
    width = _number(tags.get("width"))
    if width:
        return width
    lanes = _number(tags.get("lanes"))
    if lanes:
        return LANE_WIDTH_M * lanes
    values = [tags[key] for key in ("highway", "waterway", "railway", "natural", "aeroway") if key in tags]
    return next((LINE_WIDTH_M[value] for value in values if value in LINE_WIDTH_M), DEFAULT_LINE_WIDTH_M)


def _height(tags: Tags) -> float:
    """Height of a building in metres: its height, its levels, or what is typical."""
    levels = _number(tags.get("building:levels")) or LEVELS.get(tags.get("building", ""), DEFAULT_LEVELS)
    return _number(tags.get("height")) or levels * STOREY_M + 1.5


def _number(text: str | None) -> float:
    """The leading number of a tag such as ``12.5 m``; 0 if there is none."""
    found = re.match(r"\s*(\d+(?:\.\d+)?)", text or "")
    return min(float(found[1]), 400.0) if found else 0.0
