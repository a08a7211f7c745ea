"""Replacing params.yaml by an edited text, if that is valid."""

from pathlib import Path

from urbanseg import paths
from urbanseg.config.params import Params, load, parse
from urbanseg.io import files
from urbanseg.workflows import city_pipelines


def put(path: Path, text: str) -> Params:
    """Write params.yaml, and bring the pipelines of its cities up to date where they lie beside it.

    Args:
        path: of params.yaml.
        text: its new text, which is checked first.

    Returns:
        The new parameters.

    Raises:
        PipelineError: if the text is wrong; params.yaml is as before.
    """
    params = parse(text, str(path))
    files.write_text(path, text)
    folder = path.parent / paths.CITIES
    if (folder / city_pipelines.TEMPLATE).exists():
        city_pipelines.update(folder, params.cities)
    return params


def read(path: Path) -> tuple[str, Params]:
    """The text of params.yaml, and its values.

    Raises:
        PipelineError: if it is missing or wrong.
    """
    params = load(path)
    return path.read_text(encoding="utf-8"), params
