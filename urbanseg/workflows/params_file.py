"""Replacing params.yaml by an edited text, if that is valid."""

import shutil
from collections.abc import Callable
from pathlib import Path

from urbanseg import paths
from urbanseg.config import yaml_text
from urbanseg.config.params import Params, load, parse
from urbanseg.io import files
from urbanseg.io.locks import locked
from urbanseg.workflows import city_pipelines


def edit(path: Path, change: Callable[[str], str]) -> Params:
    """Change the text of params.yaml, and the pipelines of its cities where they lie beside it.

    The file is locked from reading to writing, so that of two changes at a time none is lost. Its
    permissions stay, its line ends stay, and a link stays a link.

    Args:
        path: of params.yaml.
        change: from the old text to the new one, which is checked.

    Returns:
        The new parameters.

    Raises:
        PipelineError: if the file is missing, the text wrong or a pipeline edited by hand; all is as before.
    """
    file = path.resolve()
    if not file.is_file():
        load(path)  # says why it cannot be read, and makes no folder for a lock
    with locked(file):
        before = text_of(file)
        params = parse(text := change(before), str(path))
        folder = path.parent / paths.CITIES
        has_pipelines = (folder / city_pipelines.TEMPLATE).exists()
        if has_pipelines:
            city_pipelines.require_made(folder, params.cities)
        if text != before:
            with files.atomic(file) as made:
                made.write_bytes(text.encode())
                shutil.copymode(file, made)
        if has_pipelines:
            city_pipelines.update(folder, params.cities)
    return params


def read(path: Path) -> str:
    """The text of params.yaml with its own line ends, once it is known to be valid.

    Raises:
        PipelineError: if it is missing or wrong.
    """
    load(path)
    return text_of(path)


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, with its own line ends.

    Raises:
        PipelineError: if it is not in UTF-8.
    """
    return yaml_text.decoded(path.read_bytes(), str(path))
