"""Merge models of single classes into one: ``python -m stages.merge <folder> <member> <member> …``."""

import sys
from pathlib import Path

from stages._cli import stage
from urbanseg import segmenter
from urbanseg.errors import PipelineError
from urbanseg.params import Params


@stage
def main(params: Params) -> None:
    folder, *members = map(Path, sys.argv[1:]) if len(sys.argv) > 1 else [Path()]
    if len(members) < 2:
        raise PipelineError(
            "this takes the folder of the merged model, and the folders of at least two models"
        )
    segmenter.merge(folder, members, list(params.classes))


if __name__ == "__main__":
    main()
