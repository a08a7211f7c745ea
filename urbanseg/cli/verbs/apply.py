"""Apply a trained model to any image.

Needs no city and no training. --model is a folder that the train stage wrote, or the folder of an exported
format (models/export/onnx), which needs no PyTorch, or the name of a model (urbanseg models list).
"""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from urbanseg import paths

PREVIEW_PX = 1200
BACKENDS = ("torch", "onnx", "openvino", "openvino_int8")


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "image", type=Path, nargs="+",
        help="GeoTIFF, JPEG, PNG or the like; a file, or an address (https://…); or the bands of a scene in "
        "a file each, or their folder",
    )  # fmt: skip
    parser.add_argument("folder", type=Path, help="for classes.tif, confidence.tif and preview.png")
    parser.add_argument("--model", type=Path, default=paths.MODEL, help="its folder or name")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what runs the model; by default as params.yaml says, else torch, or onnx without PyTorch",
    )
    input_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def input_arguments(parser: ArgumentParser) -> None:
    """Describe the arguments that say what an image is."""
    parser.add_argument("--bands", help="red=1,green=2,blue=3; by default as the image names them")
    parser.add_argument(
        "--scale", help="10 or 1,-1000: factor, and what is added, to the units of the model's training"
    )
    parser.add_argument("--mask", help="SCL.tif, or cloud=FILE, valid=FILE; by default what lies beside")
    parser.add_argument(
        "--pixel-m", type=float, help="metres of a pixel of an image that does not say where it lies"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="map an image in other units, of far other pixels, or far from the training",
    )


def run(asked: Namespace) -> None:
    """Write classes.tif, confidence.tif and preview.png."""
    from urbanseg.io.output_folder import output_folder

    with output_folder(asked.folder, overwrite=asked.overwrite) as folder:
        predict(asked, folder)
    names = ", ".join(map(str, asked.image))
    logging.getLogger(__name__).info("%s: the land cover of %s", asked.folder, names)


def predict(asked: Namespace, folder: Path) -> None:
    """Predict the image into an existing folder."""
    from urbanseg.errors import PipelineError
    from urbanseg.infer import outputs
    from urbanseg.infer.familiarity import require_familiar
    from urbanseg.infer.scene import predict_scene
    from urbanseg.io import image_sheet, raster
    from urbanseg.report.pictures import colorize, png
    from urbanseg.workflows.map_model import load_model
    from urbanseg.workflows.model_input import sources
    from urbanseg.workflows.model_input.opening import open_for_model

    model = load_model(asked.model, asked.backend)
    found = sources.gather(asked.image, numbered=asked.bands is not None)
    if len(found) > 1:
        raise PipelineError(
            f"{len(found)} images are given ({', '.join(image.name for image in found[:3])} …), "
            "but apply takes one at a time; name one, or give their bands by --bands if they are one scene"
        )
    with (
        raster.small_cache(),
        open_for_model(
            found[0], model.spec, bands=asked.bands, scale=asked.scale, mask=asked.mask,
            pixel_m=asked.pixel_m, force=asked.force, drafts=folder,
        ) as image,
    ):  # fmt: skip
        require_familiar(image, image.bands, model.spec, model.known, str(image.files[0]), force=asked.force)
        strips = predict_scene(image, image.bands, model.predict, model.spec.classes, model.options)
        outputs.write(folder, image.own, image.back(strips), model.table, model.options)
    with raster.reading(folder / "classes.tif", image_sheet.PLACEHOLDER_CRS) as prediction:
        small = prediction.decimated(PREVIEW_PX, resampling="mode")[0]
    (folder / "preview.png").write_bytes(png(colorize(small.data, model.table)))
