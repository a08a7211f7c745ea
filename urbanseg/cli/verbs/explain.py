"""Say why a model gives a place of an image its class.

urbanseg explain IMAGE… OUT --at LON,LAT. OUT gets image.png; occlusion.png, red where hiding a part of the
image lowers the probability of the class and blue where it raises it; grad_cam.png, where the features that
speak for the class lie; and explanation.json, with the probabilities of the place and by how much that of the
class falls when each band is hidden.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from urbanseg.cli.verbs.map import input_arguments


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "words", type=Path, nargs="+", metavar="IMAGE… OUT",
        help="an image, or bands of a scene in a file each; and last the folder to write",
    )  # fmt: skip
    parser.add_argument(
        "--at", required=True,
        help="longitude and latitude in degrees, 55.31,25.09; row and column of an image without a place",
    )  # fmt: skip
    parser.add_argument("--class", dest="class_name", help="by default the one that the place gets")
    parser.add_argument("--model", help="as of urbanseg map; by default what fits")
    input_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def run(asked: Namespace) -> None:
    """Write the explanation."""
    from urbanseg import paths
    from urbanseg.errors import PipelineError
    from urbanseg.io.output_folder import output_folder
    from urbanseg.packed import registry
    from urbanseg.workflows.explain_image import explain
    from urbanseg.workflows.map_model import PROJECT, Models
    from urbanseg.workflows.map_result import Wishes
    from urbanseg.workflows.model_input import sources

    *images, out = asked.words
    if not images:
        raise PipelineError(f"only {out} is named; name the image and then the folder to write")
    at = _place(asked.at)
    found = sources.gather(images, numbered=asked.bands is not None)
    if len(found) > 1:
        raise PipelineError(f"{len(found)} images are given; this takes one at a time")
    wishes = Wishes({"classes"}, None, asked.bands, asked.scale, asked.mask, asked.pixel_m, asked.force)
    model = Models(asked.model).for_image(found[0], wishes)
    home = paths.MODEL if asked.model == PROJECT else registry.find(asked.model or model.name)
    with output_folder(out, overwrite=asked.overwrite) as made:
        told = explain(found[0], at, made, model, wishes, home=home, class_name=asked.class_name)
    probability = told["probabilities"][told["class"]]
    bands = ", ".join(f"{name} {fall:+.2f}" for name, fall in told["bands"].items())
    print(
        f"{told['class']} has the probability {probability:.2f}; hiding a square of {told['square_px']} "
        f"pixels takes up to {told['largest_fall']:.2f} of it, hiding a band: {bands}; {out} has the pictures"
    )


def _place(text: str) -> tuple[float, float]:
    """The two numbers of a place."""
    import math

    from urbanseg.errors import PipelineError

    try:
        first, second = (float(word) for word in text.split(","))
    except ValueError:
        first = second = math.nan
    if not (math.isfinite(first) and math.isfinite(second)):
        raise PipelineError(f"--at is {text}; it takes two numbers with a comma between, such as 55.31,25.09")
    return first, second
