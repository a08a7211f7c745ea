"""Map the land cover of any image, or of a place.

urbanseg map IMAGE… OUT, or urbanseg map --place NAME OUT. OUT gets classes.tif, confidence.tif, map.gpkg
(polygons, roads and styles for QGIS), map.parquet, map.qgz (a QGIS project), report.html and item.json; of
several images, or of a folder of images, a folder of each. Each image is mapped by the model that fits its
bands and the size of its pixels; --model takes another: a name (urbanseg models list), project for the one
that the project in this folder trained, a folder that the train stage wrote, or that of an exported format,
which needs no PyTorch.

exit codes: 0 done; 1 an error, in one sentence (of several images, if one of them failed; the others are
mapped); 130 stopped by Ctrl-C; 143 stopped by SIGTERM
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

BACKENDS = ("torch", "onnx", "openvino", "openvino_int8")


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "words", type=Path, nargs="+", metavar="IMAGE… OUT",
        help="images, folders of images, bands of a scene in a file each, or addresses (https://…); and last "
        "the folder to write",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--place", help="instead of images: a place, whose Sentinel-2 scene is downloaded")
    where.add_argument("--bbox", help="instead of images: west,south,east,north in degrees")
    parser.add_argument(
        "--dates",
        help="of --place and --bbox: first and last day, 2023-05-01/2023-07-31; by default last year",
    )
    parser.add_argument(
        "--model", help="name (urbanseg models list), project, or folder; by default what fits"
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, help="what runs the model; by default torch, or onnx without PyTorch"
    )
    parser.add_argument(
        "--only", help="what is written, such as classes,confidence,gpkg,parquet,project,report,item,preview"
    )
    parser.add_argument("--formats", help="further vector formats: fgb,geojson,shapefile,pmtiles")
    parser.add_argument(
        "--zones", type=Path, help="vector file with polygons, in each of which classes are measured"
    )
    input_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON, and nothing else")


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
    """Map each image."""
    import json

    from urbanseg.errors import PipelineError
    from urbanseg.workflows.map_many import map_all, map_area
    from urbanseg.workflows.map_model import Models

    *images, out = asked.words
    wishes = _wishes(asked)
    if asked.place is not None or asked.bbox is not None:
        from urbanseg.cli.area import area_of

        if images:
            raise PipelineError(
                f"--place and --bbox stand instead of images, but {images[0]} is given, too; leave one out"
            )
        where = area_of(asked)
        models = Models(asked.model, asked.backend)
        summaries = [map_area(where, asked.dates, out, models, wishes, overwrite=asked.overwrite)]
    elif asked.dates:
        raise PipelineError("--dates is for --place and --bbox, whose scene is downloaded; leave it out")
    elif not images:
        raise PipelineError(
            f"only {out} is named; name the image and then the folder to write, or --place and the folder"
        )
    else:
        models = Models(asked.model, asked.backend)
        summaries = map_all(images, out, models, wishes, overwrite=asked.overwrite)
    if asked.json:
        print(json.dumps(summaries, indent=2, ensure_ascii=False, allow_nan=False))
    failed = [each for each in summaries if "error" in each]
    if failed:
        raise PipelineError(
            f"{len(failed)} of {len(summaries)} images could not be mapped "
            f"({', '.join(each['image'] for each in failed)}); the first: {failed[0]['error']}"
        )


def _wishes(asked: Namespace) -> "Wishes":  # type: ignore[name-defined]  # noqa: F821, imported when it runs
    from urbanseg.workflows.map_result import DEFAULT, FORMATS, OUTPUTS, Wishes

    only = _names(asked.only, "--only", OUTPUTS) if asked.only is not None else DEFAULT
    more = _names(asked.formats, "--formats", FORMATS) if asked.formats is not None else ()
    return Wishes(
        {*only, *more}, asked.zones, asked.bands, asked.scale, asked.mask, asked.pixel_m, asked.force
    )


def _names(text: str, option: str, known: tuple[str, ...]) -> list[str]:
    """The names in a list with commas."""
    from urbanseg.errors import PipelineError

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or (unknown := [name for name in names if name not in known]):
        wrong = unknown[0] if names else "nothing"
        raise PipelineError(f"{option} names {wrong}; it takes {', '.join(known)}, with commas between")
    return names
