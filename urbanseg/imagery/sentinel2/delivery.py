"""A Sentinel-2 scene of an area from an archive, with its STAC Item."""

from pathlib import Path
from typing import Any

from urbanseg.config.scene import SentinelHubScene, StacScene
from urbanseg.imagery import item
from urbanseg.imagery.sentinel2 import archives, area, satellite
from urbanseg.redact import quiet


def download(
    name: str, scene: SentinelHubScene | StacScene, fetched: Path, bands: Path, scl: Path
) -> dict[str, Any]:
    """Download a scene.

    Args:
        name: id of the Item.
        scene: where, when and what.
        fetched: folder for chunks, which an interrupted download goes on from; to be removed afterwards.
        bands: where to write the bands.
        scl: where to write the scene classification.

    Returns:
        The Item.

    Raises:
        PipelineError: if nothing suitable is found, or the archive cannot be reached.
    """
    wanted = area.find(scene.area, scene.patience)
    grid = area.grid(wanted, scene.crs, scene.resolution_m)
    with quiet():
        archive = archives.connect(scene)
        delivery = satellite.deliver(archive, scene, wanted, grid, fetched, bands, scl)
    rights = item.COPERNICUS
    return item.describe(name, grid, scene.bands, delivery.moment, delivery.properties, [bands, scl], rights)
