"""Deliver a city's scene: downloaded, copied from a raster, tiled from images, or simulated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.folder import FolderScene
from urbanseg.config.params import Params
from urbanseg.config.scene import LocalScene, SentinelHubScene, SimulatedScene, StacScene
from urbanseg.display.thumbnails import present_scene
from urbanseg.imagery import item
from urbanseg.imagery.local import image_files, image_folder, raster_copy
from urbanseg.imagery.sentinel2 import delivery
from urbanseg.imagery.simulated import landscape, materials, rendering, surfaces, world
from urbanseg.io import files, image_sheet, tables
from urbanseg.osm import read_features
from urbanseg.osm.simulated import lay_out, write


@city_stage(writes=paths.scene_dir)
def main(city: str, params: Params) -> None:
    scene, trusted = params.city(city).scene, [params.city(city).inputs]
    with files.atomic(paths.scene_dir(city), paths.SCENE_FILES) as folder:
        folder.mkdir()
        described = PROVIDERS[scene.provider](city, scene, folder, trusted)
        files.write_json(folder / paths.item(city).name, described)
        present_scene(folder)
    files.remove(paths.fetched(city))


def _simulate(city: str, scene: SimulatedScene, folder: Path, _: list[Path]) -> dict[str, Any]:
    extract = scene.osm_path or folder / paths.extract(city).name
    if scene.layout is not None:
        plan = rendering.area(scene)
        write(extract, lay_out(scene.layout.style, scene.layout.seed, plan.bounds), plan.crs)
    features = read_features(
        extract, surfaces.RULES, bbox=scene.bbox, skip=surfaces.SKIP, keep_tags=surfaces.KEEP_TAGS
    )
    grid = rendering.area(scene, features)
    drawn = world.of_scene(scene, grid)
    if scene.world is not None:
        features = landscape.seen(features, grid, drawn)
        landscape.write(folder / paths.ground(city).name, features)
    assets = folder / paths.scene(city).name, folder / paths.scl(city).name
    properties = rendering.render(features, grid, scene, drawn, *assets) | item.source(extract)
    rights = item.OPENSTREETMAP if scene.layout is None else item.INVENTED
    return item.describe(city, grid, materials.BANDS, scene.datetime, properties, assets, rights)


def _copy(city: str, scene: LocalScene, folder: Path, trusted: list[Path]) -> dict[str, Any]:
    bands, scl = folder / paths.scene(city).name, folder / paths.scl(city).name
    grid = raster_copy.copy(scene, bands, scl, trusted)
    properties = {"simulated": False, "source:provider": "local"} | item.source(scene.path)
    assets = [bands, scl] if scl.exists() else [bands]
    rights = item.Rights(scene.license, scene.attribution)
    return item.describe(city, grid, list(scene.bands), scene.datetime, properties, assets, rights)


def _lay_out(city: str, scene: FolderScene, folder: Path, trusted: list[Path]) -> dict[str, Any]:
    images, sources = image_folder.plan(scene, trusted)
    bands, scl = folder / paths.scene(city).name, folder / paths.scl(city).name
    grid = image_folder.copy(images, sources, scene, bands, scl, trusted)
    names = image_files.band_names(scene, len(sources[images[0].name]))
    tables.write(folder / paths.image_sheet(city).name, image_sheet.to_table(images))
    properties, rights = image_folder.provenance(sources), item.Rights(scene.license, scene.attribution)
    assets = [bands, scl] if scl.exists() else [bands]
    return item.describe(city, grid, names, None, properties, assets, rights)


def _download(city: str, scene: SentinelHubScene | StacScene, folder: Path, _: list[Path]) -> dict[str, Any]:
    assets = folder / paths.scene(city).name, folder / paths.scl(city).name
    return delivery.download(city, scene, paths.fetched(city), *assets)


PROVIDERS: dict[str, Callable[[str, Any, Path, list[Path]], dict[str, Any]]] = {
    "folder": _lay_out,
    "local": _copy,
    "sentinelhub": _download,
    "simulated": _simulate,
    "stac": _download,
}
"""By the provider's name: delivers the files of a city's scene into a folder and returns its STAC Item."""

if __name__ == "__main__":
    main()
