"""Check params.yaml, then run a command: ``python -m ci.check_params dvc repro``.

DVC itself checks no parameter: it makes stages, paths and commands of what it reads. So
whatever starts it in this project checks first; see docs/security.md. Without a command,
the check is all.
"""

import os
import sys

from urbanseg import params, paths
from urbanseg.errors import PipelineError


def main() -> None:
    """Become the command if params.yaml is valid; else exit with 1 and a sentence."""
    try:
        params.load(paths.PARAMS)
    except PipelineError as error:
        sys.exit(f"error: {error}")
    if command := sys.argv[1:]:
        os.execvp(command[0], command)  # noqa: S606, no shell is what is wanted


if __name__ == "__main__":
    main()
