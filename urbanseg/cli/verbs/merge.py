"""Merge models of single classes into one."""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("folder", type=Path, help="of the merged model")
    parser.add_argument("members", type=Path, nargs="+", help="folders of two models at least")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def run(asked: Namespace) -> None:
    """Write the merged model's folder."""
    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError, missing_package
    from urbanseg.io.output_folder import output_folder

    try:
        from urbanseg.model import segmenter
    except ModuleNotFoundError as error:
        raise missing_package(error, "train") from error
    params = load(paths.PARAMS)
    if len(asked.members) < 2:
        raise PipelineError(
            "this takes the folder of the merged model, and the folders of at least two models"
        )
    with output_folder(asked.folder, overwrite=asked.overwrite) as made:
        names = params.class_table.names
        segmenter.merge(made, asked.members, sorted(names, key=lambda name: name != params.class_table.rest))
