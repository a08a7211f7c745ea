"""The pipeline of each city and of each region: a dvc.yaml in a folder of its own, made from one template.

DVC reads and writes all of a dvc.lock after each stage. With a lock for each city, a stage
costs the same whether there are two cities or a hundred. Names are checked before they get into
a command, which DVC does not do with what it reads from params.yaml.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from urbanseg.config.labels import is_corrected
from urbanseg.config.params import CityParams
from urbanseg.config.region import RegionParams
from urbanseg.errors import PipelineError
from urbanseg.io import files

log = logging.getLogger(__name__)

TEMPLATE = "template.yaml"
PIPELINE = "dvc.yaml"
HEADER = "# Made from {folder}/template.yaml by `make repro`; edit that. "
HELD = re.compile(r"\{(city|region|inputs|model_inputs)\}")
IF_CORRECTED = re.compile(r"(.*?) +# if corrected\n")
MADE = re.compile(re.escape(HEADER).replace(r"\{folder\}", "[a-z]+") + r"([0-9a-f]{16})\n(.*)", re.DOTALL)

Entries = Mapping[str, CityParams] | Mapping[str, RegionParams]
"""The cities or the regions of params.yaml."""


def pipeline(
    template: str,
    name: str,
    inputs: str,
    *,
    model_inputs: str = "",
    corrected: bool = False,
    folder: str = "cities",
) -> str:
    """The text of the dvc.yaml of a city or a region.

    Args:
        template: a dvc.yaml in which ``{city}`` or ``{region}``, ``{inputs}`` and ``{model_inputs}`` stand
            for what follows.
        name: of the city or region, a word of lower-case letters, digits and underscores.
        inputs: path of the file or folder that it is made from.
        model_inputs: path of the model of a region.
        corrected: whether corrections are among a city's labels; lines for those are left out else.
        folder: name of the folder of the template.

    Returns:
        The text, with a digest in its first line by which `is_made` knows it.
    """
    values = {"city": name, "region": name, "inputs": _quoted(inputs), "model_inputs": _quoted(model_inputs)}
    template = IF_CORRECTED.sub(r"\1\n" if corrected else "", template)
    body = HELD.sub(lambda held: values[held[1]], template)
    return f"{HEADER.format(folder=folder)}{_digest(body)}\n{body}"


def _quoted(path: str) -> str:
    return json.dumps(path, ensure_ascii=False).replace("${", r"\\${")  # no variable of DVC's


def is_made(text: str) -> bool:
    """Whether a text is as `pipeline` made it: nobody has edited it since."""
    found = MADE.fullmatch(text)
    return found is not None and found[1] == _digest(found[2])


def update(folder: Path, entries: Entries) -> None:
    """Make the dvc.yaml of each city or region, and remove those of what is gone; their dvc.lock stays.

    Args:
        folder: holds the template, and a folder for each.
        entries: the cities or the regions of params.yaml.

    Raises:
        PipelineError: if somebody edited one that would be replaced or removed, or there is no template.
    """
    wanted, changed = _wanted(folder, entries), require_made(folder, entries)
    for path in changed - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        if path in changed or not path.exists():
            path.parent.mkdir(exist_ok=True)
            files.write_text(path, text)
            log.info("made %s", path)


def require_made(folder: Path, entries: Entries) -> set[Path]:
    """Check that nobody edited a dvc.yaml that `update` would replace or remove.

    Returns:
        Those that it would.

    Raises:
        PipelineError: naming the first that somebody edited.
    """
    wanted = _wanted(folder, entries)
    changed = {path: text for path, text in _found(folder).items() if wanted.get(path) != text}
    for path, text in changed.items():
        if not is_made(text):
            raise PipelineError(
                f"{path} was edited by hand and would be lost; "
                f"make the change in {folder / TEMPLATE}, then remove the file"
            )
    return set(changed)


def check(folder: Path, entries: Entries) -> None:
    """Check that every city or region has the dvc.yaml that `update` would make.

    Raises:
        PipelineError: naming the first that is missing, out of date or too many.
    """
    wanted, found = _wanted(folder, entries), _found(folder)
    for path in sorted(wanted.keys() | found.keys()):
        if wanted.get(path) != found.get(path):
            what = "is missing" if path not in found else "does not fit params.yaml and the template"
            raise PipelineError(
                f"{path} {what}; run make repro, or python -m ci.before_dvc, which brings it up to date"
            )


def _wanted(folder: Path, entries: Entries) -> dict[Path, str]:
    try:
        template = (folder / TEMPLATE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PipelineError(f"{folder / TEMPLATE} does not exist; run from the project's folder") from None
    return {folder / name / PIPELINE: _pipeline_of(entry, template, name) for name, entry in entries.items()}


def _pipeline_of(entry: CityParams | RegionParams, template: str, name: str) -> str:
    inputs = str(entry.inputs)
    if isinstance(entry, RegionParams):
        return pipeline(template, name, inputs, model_inputs=str(entry.model_inputs), folder="regions")
    return pipeline(template, name, inputs, corrected=is_corrected(entry.labels))


def _found(folder: Path) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"*/{PIPELINE}"))}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
