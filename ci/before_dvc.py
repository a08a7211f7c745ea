"""Check what DVC does not check, then run a command: ``python -m ci.before_dvc dvc repro``.

DVC makes stages, paths and commands of the parameters as they are, and it removes the
folder that a stage writes before it runs the stage. So whatever starts it in this project
first checks params.yaml, and that no file of somebody else lies in such a folder; see
docs/security.md. Then it brings the pipelines of the cities and regions up to date, and runs the
command, if there is one.
"""

import os
import sys
from pathlib import Path

from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.workflows import city_pipelines


def main() -> None:
    """Become the command if the check passes; else exit with 1 and a sentence."""
    found = check()
    city_pipelines.update(paths.CITIES, found.cities)
    city_pipelines.update(paths.REGIONS, found.regions)
    if command := sys.argv[1:]:
        os.execvp(command[0], command)  # noqa: S606, no shell is what is wanted


def check() -> params.Params:
    """Check the parameters, and that DVC would remove nobody's files.

    Returns:
        The parameters.

    Raises:
        PipelineError: if params.yaml is wrong, a folder that a stage writes holds another file, or a city is
            made from a pipe.
    """
    found = params.load(paths.PARAMS)
    for folder, own in paths.output_folders(found.cities).items():
        files.require_own(folder, own)
    for name, city in found.cities.items():
        _require_content(name, city.inputs)
    return found


def _require_content(name: str, inputs: Path) -> None:
    """Check that DVC can read what a city is made from: it would wait for ever for a pipe's content."""
    inside = (Path(folder, file) for folder, _, names in os.walk(inputs) for file in names)
    for path in (inputs, *inside):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise PipelineError(
                f"params.yaml: cities.{name}.inputs: {path} is a pipe or a device; DVC needs files, "
                "so name one, or move it elsewhere"
            )


if __name__ == "__main__":
    guarded(main)
