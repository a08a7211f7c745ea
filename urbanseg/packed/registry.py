"""The registry of models that can be named: those that ship with the package, and those that a user added.

A packed model is a folder ``<name>/<version>`` of plain files, which `model.json` describes: name,
version, licence, bands, pixel sizes, and the size and SHA-256 of each file. Shipped ones lie in
`WEIGHTS`; added ones in the user's folder (`home`), where `models.json` has the digest of each. A
version never changes: other content needs another version. `urbanseg.workflows.pack_model` makes such
folders, `download` gets them from an address.
"""

import difflib
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.io.locks import locked
from urbanseg.model import digests
from urbanseg.model.spec import FILE, read_spec
from urbanseg.packed.description import DESCRIPTION, NAME, VERSION, Description, describe

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parents[1] / "weights"
"""Models that ship with the package."""

ADDED = "models.json"
"""In the user's folder: what was added, from where, and its digest."""

COLOURS = "uint8"
"""Of `spec.UNITS`: colours of 8 bits."""

FAR = 2.0
"""An image is resampled to pixels at most this many times larger or smaller, if no model fits better."""


@dataclass(frozen=True)
class Entry:
    """A model of the registry."""

    about: Description
    folder: Path
    origin: str
    """``shipped``, or the folder or address that it was added from."""

    @property
    def label(self) -> str:
        """Name and version, by which it can be named."""
        return self.about.label

    @property
    def sentence(self) -> str:
        """What is said of it where it is used."""
        least, most = self.about.pixel_m
        return (
            f"{self.label}, {self.about.title}: {', '.join(self.about.bands)}, pixels of {least:g} to "
            f"{most:g} m; licence {self.about.license}; {self.about.credit}"
        )


def home() -> Path:
    """The user's folder: ``URBANSEG_HOME``, else by the XDG base directories."""
    if named := os.environ.get("URBANSEG_HOME"):
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME")  # which is to be ignored unless absolute
    base = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local/share"
    return base / "urbanseg"


def entries() -> list[Entry]:
    """All models, by name and then by version, the newest first.

    Raises:
        PipelineError: if a registry or the description of a model can't be read.
    """
    folders = [path.parent for path in WEIGHTS.glob(f"*/*/{DESCRIPTION}")]
    versions = [folder for folder in folders if re.fullmatch(VERSION, folder.name)]
    shipped = [Entry(describe(folder), folder, "shipped") for folder in versions]
    found = {entry.label: entry for entry in [*_added(), *shipped]}  # of the same version, the shipped one
    newest_first = sorted(found.values(), key=lambda entry: _order(entry.about.version), reverse=True)
    return sorted(newest_first, key=lambda entry: entry.about.name)


def find(name_or_folder: str | Path) -> Path:
    """The folder of a model.

    Args:
        name_or_folder: a folder that holds a model; else a name, for its newest version, or
            ``name@version``.

    Raises:
        PipelineError: if there is no such model, with the names that there are.
    """
    folder = Path(name_or_folder)
    if (folder / FILE).is_file() or not re.fullmatch(f"{NAME}(@{VERSION})?", str(name_or_folder)):
        return folder  # what is wrong with it, is said where it is opened
    return named(str(name_or_folder)).folder


def is_packed(folder: Path) -> bool:
    """Whether a folder is that of a packed model, which holds the segmenter and its ONNX file."""
    return (folder / DESCRIPTION).is_file()


def named(name: str) -> Entry:
    """The model of a name, or of ``name@version``; raises as `find` does."""
    known = entries()
    for entry in known:
        if name in {entry.about.name, entry.label}:
            return entry
    names = [*dict.fromkeys(entry.about.name for entry in known)]
    near = difflib.get_close_matches(name.partition("@")[0], names, n=1)
    versions = [e.about.version for e in known if e.about.name == name.partition("@")[0]]
    if versions:
        hint = f"its versions are {', '.join(versions)}"
    elif near:
        hint = f"perhaps {near[0]} is meant"
    else:
        hint = f"there are {', '.join(names)}" if names else "no model is here: urbanseg models add gets one"
    raise PipelineError(f"there is no model {name}; {hint}; a folder can be named, too")


def choose(bands: Sequence[str], pixel_m: float | None, *, is_8bit: bool | None = None) -> Entry:
    """The model that fits an image best: its numbers, the size of its pixels, the most of its bands.

    Args:
        bands: common names (`images.common_name`) of the image's bands.
        pixel_m: side of its pixels in metres, None if unknown.
        is_8bit: whether its numbers are colours of 8 bits, which a model of reflectance gets only if none
            else fits, and the other way round; None if that is unknown.

    Returns:
        The newest version of that model.

    Raises:
        PipelineError: if none fits, with what each needs.
    """
    newest = {entry.about.name: entry for entry in reversed(entries())}
    if not newest:
        raise PipelineError(
            "no model is here to choose from; get one with urbanseg models add, or name a folder with --model"
        )
    held = {band.lower() for band in bands}
    by_bands = [entry for entry in newest.values() if held >= set(entry.about.bands)]
    fitting = [entry for entry in by_bands if pixel_m is None or _times_off(entry, pixel_m) <= FAR]
    if not fitting:
        size = "" if pixel_m is None else f" and pixels of {pixel_m:.3g} m"
        needs = "; ".join(
            f"{e.about.name} needs {', '.join(e.about.bands)} in {e.about.pixel_m[0]:g} to "
            f"{e.about.pixel_m[1]:g} m"
            for _, e in sorted(newest.items())
        )
        raise PipelineError(
            f"no model fits an image with the bands {', '.join(bands) or 'without names'}{size} ({needs}); "
            "name the bands with --bands, or a model with --model"
        )
    return min(
        fitting,
        key=lambda e: (
            _is_of_other_numbers(e, is_8bit),
            0 if pixel_m is None else _times_off(e, pixel_m),
            -len(e.about.bands),
            e.about.name,
        ),
    )


def _is_of_other_numbers(entry: Entry, is_8bit: bool | None) -> bool:
    """Whether a model was trained on reflectance and the image is 8 bit colours, or the other way round."""
    units = read_spec(entry.folder).units
    return None not in {is_8bit, units} and (units == COLOURS) != is_8bit


def _times_off(entry: Entry, pixel_m: float) -> float:
    """How many times larger or smaller pixels are than those that a model was trained for; 1 if they fit."""
    least, most = entry.about.pixel_m
    return max(least / pixel_m, pixel_m / most, 1.0) if pixel_m > 0 else math.inf


def check(folder: Path, about: Description) -> None:
    """Check that a folder holds the files that a description lists, and a model that they make.

    Raises:
        PipelineError: naming the first file that is missing or another.
    """
    for name, entry in about.files.items():
        path = folder / name
        if not path.is_file():
            raise PipelineError(f"{path} is missing, which {DESCRIPTION} lists; get the model again")
        if path.stat().st_size != entry.bytes or files.sha256(path) != entry.sha256:
            raise PipelineError(f"{path} is not the file that {DESCRIPTION} lists; get the model again")
    spec = read_spec(folder)
    if len(spec.bands) != len(about.bands):
        raise PipelineError(f"{folder / FILE} has other bands than {DESCRIPTION}; get the model again")
    digests.check(folder, FILE, "train")


def add_folder(folder: Path) -> Entry:
    """Copy a packed model from a folder into the user's, and register it.

    Raises:
        PipelineError: if it is damaged, or its version is known with other content.
    """
    about = describe(folder)
    if known := known_as(about):
        return known
    with adding(about, str(folder.resolve())) as made:
        for name in about.files:
            if not (folder / name).is_file():
                raise PipelineError(
                    f"{folder / name} is missing, which {DESCRIPTION} lists; get the model again"
                )
            shutil.copyfile(folder / name, made / name)
    return named(about.label)


@contextmanager
def adding(about: Description, origin: str) -> Iterator[Path]:
    """Yield an empty folder for the files of a model; then they are checked, moved and registered.

    Args:
        about: of the model.
        origin: the folder or address that it comes from.

    Raises:
        PipelineError: if the files are others, or the version is known with other content.
    """
    path = home() / ADDED
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        known_as(about)
        with files.atomic(home() / "models" / about.name / about.version, own=["*"]) as made:
            made.mkdir(parents=True)
            yield made
            files.write_json(made / DESCRIPTION, about.model_dump(mode="json"))
            check(made, about)
        identity = {"name": about.name, "version": about.version}
        others = [row for row in _rows() if not identity.items() <= row.items()]
        rows = [*others, identity | {"sha256": about.digest, "origin": origin}]
        files.write_text(path, json.dumps({"models": rows}, indent=2) + "\n")


def known_as(about: Description) -> Entry | None:
    """The model of this name and version, if it is here already, and whole.

    Raises:
        PipelineError: if it is here with other content.
    """
    entry = next((e for e in entries() if e.label == about.label), None)
    if entry and entry.about.digest != about.digest:
        raise PipelineError(
            f"{entry.label} is here already with other content ({entry.origin}), and versions do not change; "
            "give the other one another version"
        )
    return entry if entry and _is_whole(entry) else None


def _is_whole(entry: Entry) -> bool:
    try:
        check(entry.folder, entry.about)
    except PipelineError as error:
        log.warning("%s", error)
        return False
    return True


def _added() -> list[Entry]:
    found = []
    for row in _rows():
        folder = home() / "models" / row["name"] / row["version"]
        if not folder.is_dir():
            log.warning("%s is gone, so %s@%s is left out", folder, row["name"], row["version"])
            continue
        about = describe(folder)
        if about.digest != row["sha256"] or (about.name, about.version) != (row["name"], row["version"]):
            raise PipelineError(
                f"{folder / DESCRIPTION} was changed since it was added; remove {folder}, and add it again"
            )
        found.append(Entry(about, folder, row["origin"]))
    return found


def _rows() -> list[dict[str, Any]]:
    path = home() / ADDED
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["models"]
        sound = all(re.fullmatch(NAME, row["name"]) and re.fullmatch(VERSION, row["version"]) for row in rows)
        found = [{key: str(row[key]) for key in ("name", "version", "sha256", "origin")} for row in rows]
    except (LookupError, RecursionError, TypeError, ValueError):
        sound = False
    if not sound:
        raise PipelineError(f"{path} is no registry of models; remove it, and add the models again")
    return found


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
