"""Adapt a model to images without labels.

urbanseg adapt MODEL IMAGE… OUT. MODEL is a name (urbanseg models list) or the folder of a segmenter, OUT the
folder of the adapted one, which urbanseg map --model takes. Batch statistics are moved towards the images,
and the model learns from its own confident answers; a step is kept only if maps of changed views of the
images agree better for it. The adapted model has no calibration: that would need labels.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from urbanseg.cli.verbs.map import input_arguments


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="name, or folder of a segmenter")
    parser.add_argument(
        "words", type=Path, nargs="+", metavar="IMAGE… OUT",
        help="images of one place, folders of images, or bands of a scene in a file each; and last the "
        "folder to write",
    )  # fmt: skip
    parser.add_argument(
        "--statistics", type=float, help="share of the images in the batch statistics, 0 to 1; 0 leaves them"
    )
    parser.add_argument("--steps", type=int, help="of self-training, at most; 0 for none")
    parser.add_argument("--seed", type=int, help="of the order of the windows and their changes")
    input_arguments(parser)
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def run(asked: Namespace) -> None:
    """Write the adapted model's folder."""
    from urbanseg.errors import PipelineError, missing_package
    from urbanseg.io.output_folder import output_folder
    from urbanseg.workflows.model_input import sources

    try:
        from urbanseg.learn.adaptation import Options
        from urbanseg.workflows.adapt_model import Wishes, adapt_model
    except ModuleNotFoundError as error:
        raise missing_package(error, "train") from error
    *images, out = asked.words
    if not images:
        raise PipelineError(
            f"only {out} is named beside the model; name the images and then the folder to write"
        )
    given = {name: getattr(asked, name) for name in ("statistics", "steps", "seed")}
    options = Options(**{name: value for name, value in given.items() if value is not None})
    if not 0 <= options.statistics <= 1:
        raise PipelineError(f"--statistics is {options.statistics:g}; it takes a share from 0 to 1")
    if options.steps < 0 or options.seed < 0:
        raise PipelineError("--steps and --seed take whole numbers, 0 or more")
    wishes = Wishes(asked.bands, asked.scale, asked.mask, asked.pixel_m, asked.force)
    found = sources.gather(images, numbered=asked.bands is not None)
    with output_folder(out, overwrite=asked.overwrite) as made:
        trials = adapt_model(asked.model, found, made, options, wishes)
    best = [trial for trial in trials if trial.kept][-1]
    if best is trials[0]:
        print(f"nothing that was tried makes the maps agree better; {out} is the model as it was")
    else:
        print(
            f"{best.name}: maps of changed views agree by {best.agreement:.3f}, "
            f"before by {trials[0].agreement:.3f}; {out} has no calibration, and no forecast"
        )
