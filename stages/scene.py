"""Deliver a city's scene: fetched, cut from a raster, laid out of images, or simulated."""

from pathlib import Path
from typing import Any

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.labels import FolderScene
from urbanseg.config.params import Params
from urbanseg.config.scene import LocalScene, SentinelHubScene, SimulatedScene, StacScene
from urbanseg.imagery import item
from urbanseg.imagery.local import image_folder as folder_of_images
from urbanseg.imagery.local import raster_copy
from urbanseg.imagery.sentinel2 import area, satellite
from urbanseg.imagery.simulated import materials, rendering, surfaces
from urbanseg.io import files, image_sheet, tables
from urbanseg.osm import read_features
from urbanseg.osm.simulated import lay_out, write
from urbanseg.redact import quiet


@city_stage(writes=paths.scene_dir)
def main(city: str, params: Params) -> None:
    scene, trusted = params.city(city).scene, [params.city(city).inputs]
    with files.atomic(paths.scene_dir(city), paths.SCENE_FILES) as folder:
        folder.mkdir()
        if isinstance(scene, SimulatedScene):
            described = _simulated(city, scene, folder)
        elif isinstance(scene, FolderScene):
            described = _laid_out(city, scene, folder, trusted)
        elif isinstance(scene, LocalScene):
            described = _copied(city, scene, folder, trusted)
        else:
            described = _fetched(city, scene, folder)
        files.write_json(folder / paths.item(city).name, described)
    files.remove(paths.fetched(city))


def _simulated(city: str, scene: SimulatedScene, folder: Path) -> dict[str, Any]:
    extract = scene.osm_path or folder / paths.extract(city).name
    if scene.layout is not None:
        plan = rendering.area(scene)
        write(extract, lay_out(scene.layout.style, scene.layout.seed, plan.bounds), plan.crs)
    features = read_features(extract, surfaces.RULES, skip=surfaces.SKIP, keep_tags=surfaces.KEEP_TAGS)
    grid = rendering.area(scene, features)
    assets = folder / paths.scene(city).name, folder / paths.scl(city).name
    properties = rendering.render(features, grid, scene, *assets) | item.source(extract)
    return item.describe(city, grid, materials.BANDS, scene.datetime, properties, assets)


def _copied(city: str, scene: LocalScene, folder: Path, trusted: list[Path]) -> dict[str, Any]:
    bands, scl = folder / paths.scene(city).name, folder / paths.scl(city).name
    grid = raster_copy.copy(scene, bands, scl, trusted)
    properties = {"simulated": False, "source:provider": "local"} | item.source(scene.path)
    assets = [bands, scl] if scl.exists() else [bands]
    return item.describe(city, grid, list(scene.bands), scene.datetime, properties, assets)


def _fetched(city: str, scene: SentinelHubScene | StacScene, folder: Path) -> dict[str, Any]:
    wanted = area.find(scene.area, scene.patience)
    grid = area.grid(wanted, scene.crs, scene.resolution_m)
    assets = folder / paths.scene(city).name, folder / paths.scl(city).name
    with quiet():
        delivery = satellite.deliver(_archive(scene), scene, wanted, grid, paths.fetched(city), *assets)
    return item.describe(city, grid, scene.bands, delivery.moment, delivery.properties, assets)


def _archive(scene: SentinelHubScene | StacScene) -> satellite.Archive:
    """The archive of a provider; its client takes seconds to import, so only where it is used."""
    if isinstance(scene, StacScene):
        from urbanseg.imagery.sentinel2.stac import Stac  # noqa: PLC0415

        return Stac(scene)
    from urbanseg.imagery.sentinel2.sentinel_hub import SentinelHub  # noqa: PLC0415

    return SentinelHub(scene)


def _laid_out(city: str, scene: FolderScene, folder: Path, trusted: list[Path]) -> dict[str, Any]:
    laid, images = folder_of_images.plan(scene, trusted)
    bands = folder / paths.scene(city).name
    grid = folder_of_images.copy(laid, images, scene, bands, trusted)
    tables.write(folder / paths.pictures(city).name, image_sheet.to_table(laid))
    return item.describe(city, grid, list(scene.bands), None, folder_of_images.provenance(images), [bands])


if __name__ == "__main__":
    main()
