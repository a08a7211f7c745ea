"""Checks of the other files that a raster makes GDAL open.

GDAL opens what a VRT names, the files beside a raster (``.ovr``, ``.msk``, ``.aux.xml``),
and what metadata name: overviews in another file, and arrays of longitude and latitude.
Each of them may name others. The names come from the author of the file, so the files
must be in the folder of the file, or among the city's own inputs, and never on
a network. https://gdal.org/drivers/raster/vrt.html
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from rasterio.errors import RasterioIOError

from urbanseg.errors import PipelineError
from urbanseg.io import xml_files
from urbanseg.io.drivers import SINGLE_FILE, open_with

BESIDE = (".ovr", ".OVR", ".msk", ".MSK", ".aux.xml", ".AUX.XML")
"""Endings that GDAL adds to the name of a raster."""

WORLD_FILES = (".wld", ".tfw", ".jgw", ".pgw", ".prj", ".hdr", ".tab")
"""Endings with which GDAL replaces that of a raster."""

NETWORK = re.compile(r"\s*(/vsi|\\\\|//|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
SYNTAX = re.compile(r"\s*(<|[a-z][a-z0-9_+.-]+:)", re.IGNORECASE)
"""Names that a driver does not take for that of a file, such as ``GTIFF_DIR:1:``."""

NAMING_METADATA = {"overview_file": "OVERVIEWS", "x_dataset": "GEOLOCATION", "y_dataset": "GEOLOCATION"}
"""Metadata items that name files, and the domains in which GDAL follows them."""
FREE_TEXT = {"description", "category", "f"}
"""Elements whose text is shown, not opened."""
HARMLESS_OPTIONS = {"overview_level", "num_threads", "georef_sources", "ignore_cog_layout_break"}


class UnreadableError(PipelineError):
    """A raster that is missing, damaged, or of no format that is read."""


def require_contained(path: Path, trusted: Sequence[Path] = ()) -> set[str]:
    """Refuse a raster that names files outside its folder and the trusted folders.

    Args:
        path: a raster that exists.
        trusted: folders and files that it may name besides.

    Returns:
        What was checked, as absolute paths.

    Raises:
        PipelineError: naming the file, what it names, and what to do.
    """
    check = _Check(path, trusted)
    check.file(path)
    return check.seen


def require_plain_neighbours(path: Path) -> None:
    """Refuse a raster beside which a pipe or a device has a name that GDAL would open.

    Raises:
        PipelineError: naming it.
    """
    for ending in BESIDE + WORLD_FILES:
        for beside in (path.with_name(path.name + ending), path.with_suffix(ending)):
            if beside.exists() and not (beside.is_file() or beside.is_dir()):
                raise PipelineError(f"{beside}, beside {path}, is a pipe or a device; move it elsewhere")


def contains(places: Sequence[str], path: str | Path) -> bool:
    """Whether a file, its links followed, is one of `places` or in one of them; they are real paths."""
    real = os.path.realpath(path)
    return any(real == place or real.startswith(place.rstrip(os.sep) + os.sep) for place in places)


def places(path: Path, trusted: Sequence[Path]) -> list[str]:
    """Where the files lie that a raster may name: its folder, that of its link's target, and `trusted`."""
    folders = [path.parent, Path(os.path.realpath(path)).parent, *trusted]
    return [os.path.realpath(folder) for folder in folders]


def is_vrt(path: Path) -> bool:
    """Whether GDAL's VRT driver might take the file for one."""
    with path.open("rb") as file:
        return b"<vrt" in file.read(1 << 16).lower()


class _Check:
    """Checks a raster and, recursively, the files that it names."""

    def __init__(self, path: Path, trusted: Sequence[Path]) -> None:
        self.places = places(path, trusted)
        self.seen: set[str] = set()

    def file(self, path: Path) -> None:
        """Check a raster and the files beside it."""
        name = os.path.abspath(path)  # noqa: PTH100, `Path.resolve` would follow links
        if name in self.seen or not path.is_file():
            return
        self.seen.add(name)
        if is_vrt(path):
            self._xml(path)
        else:
            self._metadata(path)
        for ending in BESIDE:
            beside = path.with_name(path.name + ending)
            if ending.lower() != ".aux.xml":
                self.file(beside)
            elif beside.is_file():
                self.seen.add(os.path.abspath(beside))  # noqa: PTH100
                self._xml(beside)

    def _metadata(self, path: Path) -> None:
        """Check what the metadata inside a raster name; GDAL follows them when it reads pixels."""
        try:
            dataset = open_with(os.path.abspath(path), SINGLE_FILE)  # noqa: PTH100
        except RasterioIOError as error:
            raise UnreadableError(
                f"{path} is not a raster that GDAL can open with the drivers of docs/security.md; "
                "it may be damaged, or must be converted to GeoTIFF"
            ) from error
        with dataset:
            for domain in set(NAMING_METADATA.values()):
                for key, value in dataset.tags(ns=domain).items():
                    self._item(path, key.lower(), value)

    def _xml(self, path: Path) -> None:
        """Check what a VRT or PAM file names."""
        xml_files.visit(path, lambda element: self._element(path, element))

    def _element(self, path: Path, element: xml_files.Element) -> None:
        tag, key = element.tag, (element.get("key") or element.get("name")).lower()
        if tag == "pixelfunctioncode" or (tag == "pixelfunctionlanguage" and element.text.strip() != "C"):
            raise PipelineError(
                f"{path} holds code of a pixel function, which is not run; convert the file to GeoTIFF "
                "where you trust it, with gdal_translate"
            )
        if tag == "metadata" and element.get("domain").lower().endswith("vrt_sources"):
            raise _refusal(path, element.get("domain"), "is a domain of sources")
        if tag == "ooi" and key not in HARMLESS_OPTIONS:
            raise _refusal(path, key, "is an option for opening a source that may name another file")
        if tag == "mdi":
            self._item(path, key, element.text, is_plain=element.is_plain)
            return
        if "metadata" in element.parents:
            return
        if _names_a_file(tag, key) and element.text.strip():
            self._named(path, element, element.text)
        for name, value in element.attributes:
            if _names_a_file(name, ""):
                self._named(path, element, value)
            elif not name.startswith(("xmlns", "xsi:")) and NETWORK.match(value):
                raise _refusal(path, value, "lies on a network or inside another file")
        if tag not in FREE_TEXT and NETWORK.match(element.text):
            raise _refusal(path, element.text, "lies on a network or inside another file")

    def _item(self, path: Path, key: str, value: str, *, is_plain: bool = True) -> None:
        """Check an item of metadata; GDAL looks for the text of the item SRS in files and on the network."""
        if key in NAMING_METADATA:
            if not is_plain:
                raise _refusal(path, value, "is mixed with other XML")
            self._name(path, value, "")
        elif key == "srs" and (NETWORK.match(value) or os.path.exists(value.strip())):  # noqa: PTH110, any text
            raise _refusal(path, value, "is the place of a CRS instead of the CRS")

    def _named(self, path: Path, element: xml_files.Element, name: str) -> None:
        if not element.is_plain:
            raise _refusal(path, name, "is mixed with other XML")
        self._name(path, name, element.get("relativetovrt"))

    def _name(self, path: Path, name: str, relative: str) -> None:
        """Check a name that stands in `path`; `relative` is ``1`` where it counts from the folder of it."""
        if NETWORK.match(name):
            raise _refusal(path, name, "lies on a network or inside another file")
        plain = name.strip().removeprefix(":::BASE:::")
        if SYNTAX.match(plain):
            raise _refusal(path, name, "is not the plain name of a file")
        bases = [path.parent, Path(os.path.realpath(path)).parent] + [Path()] * (relative != "1")
        found = [base / text for base in bases for text in {plain, name} if (base / text).exists()]
        if not found:
            raise _refusal(path, name, "does not exist")
        for file in found:
            if not contains(self.places, file):
                raise _refusal(path, name, "lies in another folder")
            if not file.is_file():
                raise _refusal(path, name, "is not a file")
            self.file(file)


def _names_a_file(tag: str, key: str) -> bool:
    """Whether GDAL takes the text of an element for the name of a file."""
    if tag in {"argument", "option"}:
        return re.search(r"filename|dataset|dem|_file", key) is not None
    return tag.endswith(("filename", "sourcedataset", "destinationdataset", "dempath"))


def _refusal(path: Path, name: str, what: str) -> PipelineError:
    return PipelineError(
        f"{path} names {' '.join(name.split())[:200]!r}, which {what}; a file may name only files in its own "
        "folder or in the inputs of its city, so put it there and name it, or convert to GeoTIFF"
    )
