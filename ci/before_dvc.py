"""Check what DVC does not check, then run a command: ``python -m ci.before_dvc dvc repro``.

DVC makes stages, paths and commands of the parameters as they are, and it removes the
folder that a stage writes before it runs the stage. So whatever starts it in this project
first checks params.yaml, and that no file of somebody else lies in such a folder; see
docs/security.md. Without a command, the check is all.
"""

import os
import sys

from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.io import files


def main() -> None:
    """Become the command if the check passes; else exit with 1 and a sentence."""
    check()
    if command := sys.argv[1:]:
        os.execvp(command[0], command)  # noqa: S606, no shell is what is wanted


def check() -> None:
    """Check the parameters, and that DVC would remove nobody's files.

    Raises:
        PipelineError: if params.yaml is wrong, or a folder that a stage writes holds another file.
    """
    cities = params.load(paths.PARAMS).cities
    for folder, own in paths.output_folders(cities).items():
        files.require_own(folder, own)


if __name__ == "__main__":
    guarded(main)
