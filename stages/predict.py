"""Predict the land cover of a city's whole scene; nodata and clouds stay unknown."""

from collections.abc import Iterator
from contextlib import ExitStack

from stages._cli import city_stage
from stages._clouds import clouded
from urbanseg import paths, raster, segmenter
from urbanseg.infer import outputs
from urbanseg.infer.predictor import TorchPredictor, select_bands
from urbanseg.infer.scene import predict_scene
from urbanseg.infer.strips import Strip
from urbanseg.params import Params


@city_stage
def main(city: str, params: Params) -> None:
    options = params.predict
    network, spec = segmenter.load(paths.MODEL)
    device = segmenter.device_of(options.device)
    predict = TorchPredictor(network, spec, device, options.threads, options.precision)

    with raster.small_cache(), ExitStack() as stack:
        # Two handles, because two threads read and GDAL's are not shared.
        scene, again = (stack.enter_context(raster.reading(paths.scene(city))) for _ in range(2))
        bands = select_bands(scene.info.descriptions, spec, str(paths.scene(city)))
        under_cloud = clouded(city, params.labels, again, stack)

        def strips() -> Iterator[Strip]:
            for strip in predict_scene(scene, bands, predict, spec.classes, options):
                strip.hide(under_cloud(strip.window))
                yield strip

        folder = paths.prediction_dir(city)
        outputs.write(folder, scene.grid, strips(), params.class_table, options)


if __name__ == "__main__":
    main()
