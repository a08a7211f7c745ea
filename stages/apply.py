"""Apply a saved model to any image: ``python -m stages.apply IMAGE OUT_DIR``; no training, no city."""

import logging
from argparse import Namespace
from pathlib import Path

from stages._cli import Parser
from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config.params import Params, load
from urbanseg.config.predict import PredictParams
from urbanseg.infer import backends, images, outputs
from urbanseg.infer.scene import predict_scene
from urbanseg.io import image_sheet, raster
from urbanseg.io.output_folder import output_folder
from urbanseg.report.pictures import colorize, png

PREVIEW_PX = 1200


def main() -> None:
    parser = Parser(prog="python -m stages.apply", description=__doc__)
    parser.add_argument(
        "image", type=Path, help="GeoTIFF, JPEG, PNG or the like; a file, or an address (https://…)"
    )
    parser.add_argument("folder", type=Path, help="for classes.tif, confidence.tif and preview.png")
    parser.add_argument("--model", type=Path, default=paths.MODEL, help="default: %(default)s")
    parser.add_argument("--bands", help="red=1,green=2,blue=3; default: as the image names them")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")
    asked = parser.parse_args()
    # Colours and the predict section, where the command runs in a project's folder.
    params = load(paths.PARAMS) if paths.PARAMS.exists() else None
    apply(asked, params)


def apply(asked: Namespace, params: Params | None) -> None:
    with output_folder(asked.folder, overwrite=asked.overwrite) as folder:
        predicted(asked, folder, params)
    logging.getLogger(__name__).info("%s: the land cover of %s", asked.folder, asked.image)


def predicted(asked: Namespace, folder: Path, params: Params | None) -> None:
    """Write classes.tif, confidence.tif and preview.png into a folder."""
    options = params.predict if params else PredictParams()
    predict, spec = backends.load(asked.model, paths.EXPORT, options)
    classes = images.class_table(spec.classes, params.class_table if params else None)

    with raster.small_cache(), raster.reading(asked.image, fallback_crs=image_sheet.PLACEHOLDER_CRS) as image:
        bands = images.find_bands(image, spec, images.parse_bands(asked.bands) if asked.bands else None)
        images.warn_of_other_units(image, bands, spec)
        strips = predict_scene(image, bands, predict, spec.classes, options)
        outputs.write(folder, image.grid, strips, classes, options)

    with raster.reading(folder / "classes.tif") as prediction:
        small = prediction.decimated(PREVIEW_PX, resampling="mode")[0]
    (folder / "preview.png").write_bytes(png(colorize(small.data, classes)))


if __name__ == "__main__":
    guarded(main)
