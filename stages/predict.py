"""Predict the land cover of a city's whole scene; nodata and clouds stay unknown."""

from contextlib import ExitStack

from tqdm import tqdm

from stages._cli import city_stage
from stages._clouds import clouded
from urbanseg import paths, raster, segmenter
from urbanseg.classes import IGNORE
from urbanseg.infer.predictor import Predictor, encode_confidence, select_bands
from urbanseg.infer.windows import predict_strips
from urbanseg.params import Params


@city_stage
def main(city: str, params: Params) -> None:
    network, spec = segmenter.load(paths.MODEL)
    predictor = Predictor(network, spec, segmenter.device_of(params.predict.device), params.predict.threads)

    with ExitStack() as stack:
        scene = stack.enter_context(raster.reading(paths.scene(city)))
        bands = select_bands(scene.info.descriptions, spec, str(paths.scene(city)))
        under_cloud = clouded(city, params.labels, scene, stack)
        classes = stack.enter_context(
            raster.writing(
                paths.prediction(city),
                scene.grid,
                dtype="uint8",
                nodata=IGNORE,
                classes=params.class_table,
                resampling="mode",
            )
        )
        confidence = stack.enter_context(
            raster.writing(
                paths.confidence(city), scene.grid, dtype="uint8", nodata=IGNORE, resampling="average"
            )
        )
        for strip in predict_strips(
            scene.grid.shape,
            read=lambda window: scene.read(window, bands),
            is_empty=lambda window: not scene.valid(window).any(),
            predict=predictor,
            classes=len(spec.classes),
            size=params.predict.size,
            overlap=params.predict.overlap,
            batch_size=params.predict.batch_size,
            progress=lambda rows: tqdm(rows, desc=city, unit="row"),
        ):
            unseen = ~scene.valid(strip.window) | under_cloud(strip.window)
            strip.classes[unseen] = IGNORE
            certainty = encode_confidence(strip.confidence)
            certainty[unseen] = IGNORE
            classes.write(strip.classes, strip.window)
            confidence.write(certainty, strip.window)


if __name__ == "__main__":
    main()
