"""Predict the land cover of a city's whole scene; nodata and clouds stay unknown."""

from contextlib import ExitStack

from tqdm import tqdm

from stages._cli import city_stage
from stages._clouds import clouded
from urbanseg import paths, raster, segmenter
from urbanseg.infer import outputs
from urbanseg.infer.ahead import ahead
from urbanseg.infer.answers import Answer
from urbanseg.infer.predictor import TorchPredictor, select_bands
from urbanseg.infer.strips import predict_strips
from urbanseg.infer.windows import Lattice
from urbanseg.params import Params


@city_stage
def main(city: str, params: Params) -> None:
    options = params.predict
    network, spec = segmenter.load(paths.MODEL)
    device = segmenter.device_of(options.device)
    predict = TorchPredictor(network, spec, device, options.threads, options.precision)

    with ExitStack() as stack:
        stack.enter_context(raster.small_cache())
        # Each thread that reads needs a file handle of its own: GDAL's are not shared.
        scene, again = (stack.enter_context(raster.reading(paths.scene(city))) for _ in range(2))
        bands = select_bands(scene.info.descriptions, spec, str(paths.scene(city)))
        under_cloud = clouded(city, params.labels, again, stack)
        strips = predict_strips(
            Lattice(scene.grid.shape, options.size, options.overlap, options.blend),
            read=lambda window: scene.read(window, bands),
            valid=scene.valid,
            predict=predict,
            classes=len(spec.classes),
            batch_size=options.batch_size,
            answer=Answer(),
        )
        rasters = stack.enter_context(
            outputs.writing(paths.prediction_dir(city), scene.grid, params.class_table, spec.classes)
        )
        bar = stack.enter_context(tqdm(desc=city, unit="row", total=scene.grid.height))
        for strip in ahead(strips):
            strip.hide(under_cloud(strip.window))
            rasters.write(strip)
            bar.update(strip.window.height)


if __name__ == "__main__":
    main()
