"""Put an overlay into params.yaml.

An overlay holds only what it changes, such as params/dubai.yaml; its cities replace those of
params.yaml. All else in params.yaml stays as it is written. Changes that git does not hold are never
lost: commit or copy them first. `git checkout params.yaml` takes the overlay out again.
"""

import logging
import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path

from urbanseg import paths


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("overlay", type=Path, help="a file in the form of params.yaml")


def run(asked: Namespace) -> None:
    """Write params.yaml, and the pipelines of its cities."""
    from urbanseg.config.overlay import overlaid
    from urbanseg.errors import PipelineError
    from urbanseg.workflows.params_file import edit, text_of

    if not asked.overlay.is_file():
        raise PipelineError(f"{asked.overlay} does not exist; name an overlay, such as params/dubai.yaml")
    overlay, found = text_of(asked.overlay), False

    def change(text: str) -> str:
        nonlocal found
        new = overlaid(text, overlay, str(asked.overlay))
        found = new == text
        if not found and not in_git(text):
            raise PipelineError(
                "params.yaml has changes that git does not hold and that could not be brought back; "
                "commit it, or copy it elsewhere and run git checkout params.yaml"
            )
        return new

    edit(paths.PARAMS, change)
    told = (
        "params.yaml is so already"
        if found
        else "params.yaml now holds %s; make repro runs it, git checkout params.yaml takes it out"
    )
    logging.getLogger(__name__).info(told, *([] if found else [asked.overlay]))


def in_git(text: str) -> bool:
    """Whether the last commit holds params.yaml as it is."""
    if not (git := shutil.which("git")):
        return False
    shown = subprocess.run([git, "show", f"HEAD:./{paths.PARAMS}"], capture_output=True, check=False)  # noqa: S603
    return shown.returncode == 0 and shown.stdout == text.encode()
