"""Apply a trained model to any image.

Needs no city and no training. --model is a folder that the train stage wrote, or the folder of an exported
format (models/export/onnx), which needs no PyTorch.
"""

import logging
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path

from urbanseg import paths

PREVIEW_PX = 1200
BACKENDS = ("torch", "onnx", "openvino", "openvino_int8")


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "image", type=Path, help="GeoTIFF, JPEG, PNG or the like; a file, or an address (https://…)"
    )
    parser.add_argument("folder", type=Path, help="for classes.tif, confidence.tif and preview.png")
    parser.add_argument("--model", type=Path, default=paths.MODEL, help="folder of the model")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what runs the model; by default as params.yaml says, else torch, or onnx without PyTorch",
    )
    parser.add_argument("--bands", help="red=1,green=2,blue=3; by default as the image names them")
    parser.add_argument(
        "--force", action="store_true", help="predict an image in other units than the training's"
    )
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def run(asked: Namespace) -> None:
    """Write classes.tif, confidence.tif and preview.png."""
    from urbanseg.io.output_folder import output_folder

    with output_folder(asked.folder, overwrite=asked.overwrite) as folder:
        predict(asked, folder)
    logging.getLogger(__name__).info("%s: the land cover of %s", asked.folder, asked.image)


def predict(asked: Namespace, folder: Path) -> None:
    """Predict the image into an existing folder."""
    from urbanseg.config.params import load
    from urbanseg.config.predict import PredictParams
    from urbanseg.imagery.local import raster_copy
    from urbanseg.infer import backends, images, outputs
    from urbanseg.infer.scene import predict_scene
    from urbanseg.io import image_sheet, raster
    from urbanseg.report.pictures import colorize, png

    # Colours and the predict section, where the command runs in a project's folder.
    params = load(paths.PARAMS) if paths.PARAMS.exists() else None
    options = params.predict if params else PredictParams()
    if asked.backend or not (params or find_spec("torch")):
        options = options.model_copy(update={"backend": asked.backend or "onnx"})
    if backends.is_exported(asked.model):
        run_model, spec = backends.load_exported(asked.model, options, asked.backend)
    else:
        run_model, spec = backends.load(asked.model, paths.EXPORT, options)
    if params and set(spec.classes) == set(params.classes):  # by the project's values, where it knows them
        run_model, spec = backends.for_classes(run_model, spec, list(params.classes), asked.model)
    classes = images.class_table(spec.classes, params.class_table if params else None)
    nowhere = image_sheet.PLACEHOLDER_CRS
    with raster.small_cache(), raster.reading(asked.image, nowhere, gcps=True) as image:
        bands = images.find_bands(image, spec, images.parse_bands(asked.bands) if asked.bands else None)
        images.require_units(image, bands, spec, force=asked.force)
        with raster_copy.placed(image, bands, folder / "warped.tif") as (placed, numbers):
            strips = predict_scene(placed, numbers, run_model, spec.classes, options)
            outputs.write(folder, placed.grid, strips, classes, options)
    with raster.reading(folder / "classes.tif", nowhere) as prediction:
        small = prediction.decimated(PREVIEW_PX, resampling="mode")[0]
    (folder / "preview.png").write_bytes(png(colorize(small.data, classes)))
