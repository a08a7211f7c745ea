"""Predict the land cover of a city's whole scene; nodata and clouds stay unknown."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack

from stages._cli import city_stage
from urbanseg import labels, paths
from urbanseg.calibration import stored
from urbanseg.calibration.stored import Calibration
from urbanseg.config.params import Params
from urbanseg.display.thumbnails import present_classes
from urbanseg.errors import missing_package
from urbanseg.imagery import item
from urbanseg.infer import backends, outputs
from urbanseg.infer.images import select_bands
from urbanseg.infer.job import Job
from urbanseg.infer.scene import predict_scene
from urbanseg.infer.stitching import Strip
from urbanseg.io import files, raster
from urbanseg.model.spec import read_spec

log = logging.getLogger(__name__)


@city_stage(writes=paths.prediction_dir)
def main(city: str, params: Params) -> None:
    with raster.small_cache(), ExitStack() as stack:
        scene = stack.enter_context(raster.reading(paths.scene(city)))
        scl = stack.enter_context(raster.reading(paths.scl(city))) if paths.scl(city).exists() else None
        clouded = labels.cloud_mask(scene, scl, params.labels)
        calibration = _calibration(params)
        predicted = _strips(city, params, calibration)

        def strips() -> Iterator[Strip]:
            for strip in predicted:
                strip.hide(clouded(strip.window))
                yield strip

        with files.atomic(paths.prediction_dir(city), paths.PREDICTION_FILES) as folder:
            folder.mkdir()
            outputs.write(
                folder, scene.grid, strips(), params.class_table, params.predict, cores=_tells_apart(params)
            )
            if calibration:  # for the evaluation, and for whoever gets the folder
                stored.write(folder, calibration)
            present_classes(folder, params.class_table)
            if paths.item(city).exists():
                rasters, scene_item = sorted(folder.glob("*.tif")), files.read_json(paths.item(city))
                described = item.describe_map(scene_item, params.class_table, rasters)
                files.write_json(folder / paths.item(city).name, described)


def _calibration(params: Params) -> Calibration | None:
    """Of the model, for the classes of params.yaml; None without one, or if it isn't wanted."""
    found = backends.calibration(paths.MODEL, paths.EXPORT) if params.predict.calibrate else None
    names = list(params.classes)
    return found.for_classes(names) if found and set(found.classes) <= set(names) else None


def _tells_apart(params: Params) -> bool:
    """Whether the model tells buildings apart, and where it runs can give what it says of them."""
    if not read_spec(paths.MODEL).instances or not params.class_table.of_kind("building"):
        return False
    if params.predict.scheduler != "local":
        log.warning(
            "buildings are told apart with predict.scheduler: local alone; the map has none one by one"
        )
        return False
    return True


def _strips(city: str, params: Params, calibration: Calibration | None) -> Iterator[Strip]:
    """From this process, or from those that predict.scheduler names."""
    scene_path, options, classes = paths.scene(city), params.predict, tuple(params.classes)
    rest, roads = params.class_table.rest, tuple(c.name for c in params.class_table.of_kind("road"))
    if options.scheduler != "local":
        try:
            from urbanseg.infer import cluster  # noqa: PLC0415, Dask takes a second to import
        except ModuleNotFoundError as error:
            raise missing_package(error, "cluster", "or set predict.scheduler to local") from error
        scene_path, model, exported = (p.resolve() for p in (scene_path, paths.MODEL, paths.EXPORT))
        job = Job(scene_path, model, exported, options, classes, rest, roads, calibration)
        yield from cluster.predict_strips(job)
        return
    cores = _tells_apart(params)
    predict, spec = backends.load(paths.MODEL, paths.EXPORT, options, classes, cores=cores)
    # A handle of its own: this is read from another thread than the clouds, and GDAL's are not shared.
    with raster.reading(scene_path) as scene:
        bands = select_bands(scene.info.descriptions, spec, str(scene_path))
        yield from predict_scene(
            scene,
            bands,
            predict,
            spec.classes,
            options,
            rest=rest,
            roads=roads,
            calibration=calibration,
            cores=cores,
        )


if __name__ == "__main__":
    main()
