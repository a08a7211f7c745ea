"""A Sentinel-2 scene simulated from a map: rasterized, illuminated, blurred, sampled, strip by strip.

The steps follow the light: materials and shadows on a fine grid (`scene_objects`,
`illumination`), haze and clouds (`atmosphere`), blur, sampling and noise (`sensor`). Strips
have a margin as wide as the longest shadow and the blur, so that the result does not
depend on the strips and memory does not grow with the scene's height.
"""

import logging
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from tqdm import tqdm

from urbanseg.config.scene import SimulatedScene, check_fine_px
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, strips, utm_crs, utm_grid
from urbanseg.imagery.simulated import atmosphere, illumination, sensor
from urbanseg.imagery.simulated.materials import BANDS
from urbanseg.imagery.simulated.relief import Relief
from urbanseg.imagery.simulated.scene_objects import SceneObjects, prepare
from urbanseg.imagery.simulated.world import World
from urbanseg.io import cog

log = logging.getLogger(__name__)

STRIP = 64
"""Scene rows rendered at a time."""

USABLE = (2, 4, 5, 6, 7)
"""Scene classes under which the ground is seen."""


STATEMENT = (
    "Simulated: no satellite saw this scene; it was rendered from an OpenStreetMap file. "
    "Values are surface reflectance times 10000, without an offset; 0 is no data."
)


def render(
    features: gpd.GeoDataFrame, grid: Grid, params: SimulatedScene, world: World, scene: Path, scl: Path
) -> dict[str, Any]:
    """Render features as a Sentinel-2 scene and write it with its scene classification.

    Args:
        features: read with `surfaces.RULES`, or what `landscape.seen` makes of them.
        grid: of the scene, metric.
        params: sides of pixels, and clouds.
        world: materials, sun, haze and sensor; `world.of_scene` has it.
        scene: where to write the bands (uint16, reflectance × 10000, nodata 0).
        scl: where to write the scene classification (uint8).

    Returns:
        Properties of the scene, for its STAC Item.

    Raises:
        PipelineError: if no pixel sees the ground.
    """
    seed = world.seed
    factor = round(params.resolution_m / params.render_m)
    renderer = _GroundRenderer(prepare(features, grid, world.look, seed), world, grid, factor)
    sky = atmosphere.sky(grid.shape, params.cloud_share, world.haze, world.sun, grid.resolution, seed)
    gains = np.array(world.gains, np.float32)[:, np.newaxis, np.newaxis]
    cloudy = usable = 0
    with (
        cog.writing(
            scene, grid, dtype="uint16", count=4, nodata=0, descriptions=BANDS, resampling="average"
        ) as out,
        cog.writing(scl, grid, dtype="uint8", nodata=0, descriptions=["SCL"]) as codes_out,
    ):
        for strip in tqdm(list(strips(grid.shape, STRIP)), desc="render", unit="strip"):
            seen = sky.observed(renderer.ground(strip), strip) * gains
            digital_numbers = sensor.digitise(seen, world.noise, seed, strip)
            codes = sensor.classify(digital_numbers, sky, strip)
            out.write(digital_numbers, strip)
            codes_out.write(codes, strip)
            cloudy += int((codes >= 8).sum())
            usable += int(np.isin(codes, USABLE).sum())
        if not usable:
            raise PipelineError(
                f"the simulated scene is wholly under cloud (cloud_share {params.cloud_share:g}), "
                "so nothing of the ground is seen; lower cloud_share"
            )
    return _properties(world, 100 * cloudy / (grid.height * grid.width))


def area(params: SimulatedScene, features: gpd.GeoDataFrame | None = None) -> Grid:
    """The grid of a simulated scene: its layout's, or else that of the extract.

    Without a layout, `features` say the extent, by the header of their file (``attrs``)
    or by how far they reach, unless the parameters name a `bbox`.

    Raises:
        PipelineError: if the extract is too large for the pixels.
    """
    if (layout := params.layout) is not None:
        return utm_grid(
            layout.longitude, layout.latitude, layout.width_m, layout.height_m, params.resolution_m
        )
    if features is None:
        raise ValueError("without a layout, the area is that of the features")
    extent = params.bbox or features.attrs.get("extent") or features.total_bounds
    boxes = np.reshape(extent, (-1, 4))
    (west, south), (east, north) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    longitude, latitude = (west + east) / 2, (south + north) / 2
    to_metres = Transformer.from_crs(4326, utm_crs(longitude, latitude), always_xy=True)
    left, bottom, right, top = to_metres.transform_bounds(west, south, east, north)
    try:
        check_fine_px(max(right - left, top - bottom), params.render_m)
    except ValueError as error:
        raise PipelineError(f"params.yaml: {error}, or a smaller extract than {params.osm_path}") from None
    return utm_grid(longitude, latitude, right - left, top - bottom, params.resolution_m)


def _properties(world: World, cloud_cover: float) -> dict[str, Any]:
    """What the STAC Item says of a simulated scene."""
    return {
        "description": STATEMENT,
        "simulated": True,
        "eo:cloud_cover": round(cloud_cover, 2),
        "platform": "simulated Sentinel-2",
        "instruments": ["simulated MSI"],
        "providers": [{"name": "urbanseg scene simulator", "roles": ["producer", "processor"]}],
        "processing:level": "L2A",
        "view:sun_azimuth": world.sun.azimuth,
        "view:sun_elevation": world.sun.elevation,
    }


class _GroundRenderer:
    """Renders the ground of any window, by way of a fine grid with a margin."""

    def __init__(self, objects: SceneObjects, world: World, grid: Grid, factor: int) -> None:
        self.objects, self.world, self.grid, self.factor = objects, world, grid, factor
        self.textures = illumination.Textures(world.seed)
        self.relief = Relief(world.slope, world.sun, grid.resolution, world.seed) if world.slope else None
        self.pixel = grid.resolution / factor
        tallest = float((objects.height + objects.crown).max())
        shade = illumination.shadow_length(tallest, world.sun, self.pixel)
        blur = int(np.ceil(3 * sensor.blur_sigma() * world.blur * factor)) + 1
        self.margin = -(-(shade + blur) // factor)
        self.tree = shapely.STRtree(objects.shapes)

    def ground(self, window: Window) -> NDArray[np.float32]:
        """Reflectance below the atmosphere: ``(4, height, width)`` float32."""
        m = self.margin
        around = Window(window.row - m, window.col - m, window.height + 2 * m, window.width + 2 * m)
        fine = self.grid.window(around).finer(self.factor)
        ids = self.objects.ids(fine, self.tree)
        origin = around.row * self.factor, around.col * self.factor
        lit = illumination.illuminate(ids, self.objects, self.textures, self.world.sun, origin, self.pixel)
        ground = sensor.sample(lit, self.factor, self.world.blur)
        if self.relief is not None:
            level = self.objects.is_flat[ids].reshape(
                ground.shape[1], self.factor, ground.shape[2], self.factor
            )
            hilly = 1 - level.mean(axis=(1, 3), dtype=np.float32)
            ground *= 1 + hilly * (self.relief.at(around) - 1)
        return ground[:, m:-m, m:-m]
