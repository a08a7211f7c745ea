"""The pipeline of each city: a dvc.yaml in a folder of its own, made from one template.

DVC reads and writes all of a dvc.lock after each stage. With a lock for each city, a stage
costs the same whether there are two cities or a hundred.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from urbanseg.config.labels import is_corrected
from urbanseg.config.params import CityParams
from urbanseg.errors import PipelineError
from urbanseg.io import files

log = logging.getLogger(__name__)

TEMPLATE = "template.yaml"
PIPELINE = "dvc.yaml"
HEADER = "# Made from cities/template.yaml by `make repro`; edit that. "
IF_CORRECTED = re.compile(r"(.*?) +# if corrected\n")
MADE = re.compile(re.escape(HEADER) + r"([0-9a-f]{16})\n(.*)", re.DOTALL)


def pipeline(template: str, city: str, inputs: str, *, corrected: bool = False) -> str:
    """The text of a city's dvc.yaml.

    Args:
        template: a dvc.yaml in which ``{city}`` and ``{inputs}`` stand for what follows.
        city: its name, a word of lower-case letters, digits and underscores.
        inputs: path of the file or folder that the city is made from.
        corrected: whether corrections are among its labels; lines for those are left out else.

    Returns:
        The text, with a digest in its first line by which `is_made` knows it.
    """
    quoted = json.dumps(inputs, ensure_ascii=False).replace("${", r"\\${")  # no variable of DVC's
    template = IF_CORRECTED.sub(r"\1\n" if corrected else "", template)
    body = template.replace("{city}", city).replace("{inputs}", quoted)
    return f"{HEADER}{_digest(body)}\n{body}"


def is_made(text: str) -> bool:
    """Whether a text is as `pipeline` made it: nobody has edited it since."""
    found = MADE.fullmatch(text)
    return found is not None and found[1] == _digest(found[2])


def update(folder: Path, cities: Mapping[str, CityParams]) -> None:
    """Make the dvc.yaml of each city, and remove those of cities that are gone; their dvc.lock stays.

    Args:
        folder: holds the template, and a folder for each city.
        cities: the cities of params.yaml.

    Raises:
        PipelineError: if somebody edited one that would be replaced or removed, or there is no template.
    """
    wanted, changed = _wanted(folder, cities), require_made(folder, cities)
    for path in changed - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        if path in changed or not path.exists():
            path.parent.mkdir(exist_ok=True)
            files.write_text(path, text)
            log.info("made %s", path)


def require_made(folder: Path, cities: Mapping[str, CityParams]) -> set[Path]:
    """Check that nobody edited a dvc.yaml that `update` would replace or remove.

    Returns:
        Those that it would.

    Raises:
        PipelineError: naming the first that somebody edited.
    """
    wanted = _wanted(folder, cities)
    changed = {path: text for path, text in _found(folder).items() if wanted.get(path) != text}
    for path, text in changed.items():
        if not is_made(text):
            raise PipelineError(
                f"{path} was edited by hand and would be lost; "
                f"make the change in {folder / TEMPLATE}, then remove the file"
            )
    return set(changed)


def check(folder: Path, cities: Mapping[str, CityParams]) -> None:
    """Check that every city has the dvc.yaml that `update` would make.

    Raises:
        PipelineError: naming the first that is missing, out of date or too many.
    """
    wanted, found = _wanted(folder, cities), _found(folder)
    for path in sorted(wanted.keys() | found.keys()):
        if wanted.get(path) != found.get(path):
            what = "is missing" if path not in found else "does not fit params.yaml and the template"
            raise PipelineError(
                f"{path} {what}; run make repro, or python -m ci.before_dvc, which brings it up to date"
            )


def _wanted(folder: Path, cities: Mapping[str, CityParams]) -> dict[Path, str]:
    try:
        template = (folder / TEMPLATE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PipelineError(f"{folder / TEMPLATE} does not exist; run from the project's folder") from None
    return {
        folder / name / PIPELINE: pipeline(
            template, name, str(city.inputs), corrected=is_corrected(city.labels)
        )
        for name, city in cities.items()
    }


def _found(folder: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"*/{PIPELINE}"))}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
