"""Merge models of single classes into one: ``python -m stages.merge <folder> <member> <member> …``."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from stages._cli import command
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.io.output_folder import output_folder
from urbanseg.model import segmenter


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="*", help="the merged model's, and those of its members")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


@command(arguments)
def main(asked: Namespace, params: Params) -> None:
    if len(asked.folders) < 3:
        raise PipelineError(
            "this takes the folder of the merged model, and the folders of at least two models"
        )
    folder, *members = asked.folders
    with output_folder(folder, overwrite=asked.overwrite) as made:
        segmenter.merge(made, members, list(params.classes))


if __name__ == "__main__":
    main()
