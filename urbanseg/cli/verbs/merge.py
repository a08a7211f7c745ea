"""Merge models into one.

Models of single classes become one of all classes of params.yaml. Models that know the same classes become an
ensemble, which gives the mean of their probabilities; its work is that of all of them.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("folder", type=Path, help="of the merged model")
    parser.add_argument("members", type=Path, nargs="+", help="folders of two models at least")
    parser.add_argument(
        "--weights",
        help="of an ensemble: numbers such as 2,1, or validation to find them by the validation tiles of the "
        "project in this folder; by default all alike",
    )
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def run(asked: Namespace) -> None:
    """Write the merged model's folder."""
    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError, missing_package
    from urbanseg.io.output_folder import output_folder

    try:
        from urbanseg.model import segmenter
        from urbanseg.model.spec import read_spec
    except ModuleNotFoundError as error:
        raise missing_package(error, "train") from error
    if len(asked.members) < 2:
        raise PipelineError(
            "this takes the folder of the merged model, and the folders of at least two models"
        )
    with output_folder(asked.folder, overwrite=asked.overwrite) as made:
        classes = [tuple(sorted(read_spec(member).classes)) for member in asked.members]
        if len(set(classes)) == 1:
            _average(made, asked.members, asked.weights)
        elif asked.weights:
            raise PipelineError("--weights is for models of the same classes; leave it out")
        else:
            table = load(paths.PARAMS).class_table
            names = sorted(table.names, key=lambda name: name != table.rest)
            segmenter.merge(made, asked.members, names)


def _average(made: Path, members: list[Path], wanted: str | None) -> None:
    """Write an ensemble."""
    from urbanseg.errors import PipelineError
    from urbanseg.model import segmenter

    if len({member.resolve() for member in members}) < len(members):
        raise PipelineError("a model is named twice; name each member of an ensemble once")
    if wanted == "validation":
        from urbanseg.workflows.ensemble_weights import fitted

        weights = fitted(members)
    else:
        weights = _numbers(wanted, len(members))
    used = [(member, weight) for member, weight in zip(members, weights, strict=True) if weight > 0]
    segmenter.average(made, [member for member, _ in used], [weight for _, weight in used])
    print(", ".join(f"{member} by {weight:g}" for member, weight in zip(members, weights, strict=True)))


def _numbers(text: str | None, count: int) -> list[float]:
    """The weights in a list with commas."""
    import math

    from urbanseg.errors import PipelineError

    if text is None:
        return [1.0] * count
    try:
        weights = [float(word) for word in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != count or not all(0 < weight < math.inf for weight in weights):
        raise PipelineError(
            f"--weights is {text}; it takes {count} numbers above 0 with commas between, or validation"
        )
    return weights
