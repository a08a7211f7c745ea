"""Vector files from outside: checks of their formats and of the files that they name.

Formats whose purpose is to name other data (OGR VRT, GDALG, WFS, databases) are refused,
and so are requests to servers by the others: a GeoJSON file for its CRS, a GML file for
its schema. `vector_drivers` prevents GDAL from opening or fetching what is missed here.
"""

import json
import mmap
import re
import zipfile
from itertools import chain
from pathlib import Path
from xml.parsers import expat

import pyogrio

from urbanseg.errors import PipelineError
from urbanseg.io import vector_drivers  # noqa: F401, no other driver is left

FORMATS = "GeoPackage, GeoJSON, FlatGeobuf, Shapefile, OpenFileGDB, GML, KML, GPX or TopoJSON"

BINARY = (b"fgb\x03", b"\x00\x00\x27\x0a")
"""First bytes of FlatGeobuf and Shapefile."""
SQLITE, GEOPACKAGE = b"SQLite format 3\x00", (b"GPKG", b"GP10", b"GP11")
"""First bytes of a SQLite database, and application ids (bytes 68 to 71) of a GeoPackage."""

IN_ARCHIVES = re.compile(
    r".*/|.*\.(shp|shx|dbf|prj|cpg|qix|sbn|sbx|xml|kml|png|jpe?g)|.*\.gdb/[^/]+", re.IGNORECASE
)
"""Files that an archive may hold: a Shapefile, a KML with its images, a file geodatabase."""

OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|[\0-\x1f]")
"""Names in an archive that lead out of the folder in which it is unpacked."""
MAX_UNPACKED, MAX_RATIO = 1 << 30, 100
"""Bytes that an archive may unpack to, however small it is, and how many times its size."""

CRS_KEY = re.compile(
    rb"""["'](?:c|\\u00[46]3)(?:r|\\u00[57]2)(?:s|\\u00[57]3)["']""",
    re.IGNORECASE,
)
"""The key of a CRS, as any parser may accept it."""
CRS_BYTES = 4096
"""Length of the largest CRS object."""


def require_plain(path: Path) -> None:
    """Refuse a vector file that is of another format, or makes GDAL open something else.

    Raises:
        PipelineError: naming the file, what is wrong, and what to do.
    """
    if path.is_dir():
        if path.suffix.lower() != ".gdb":
            raise _unknown(path)
        return
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PK"):
        _require_plain_archive(path)
    elif text.startswith(b"{"):
        _require_plain_json(path)
    elif text.startswith(b"<"):
        _require_plain_xml(path)
    elif not head.startswith(BINARY) and not (head.startswith(SQLITE) and head[68:72] in GEOPACKAGE):
        raise _unknown(path)


def only_layer(path: Path, advice: str) -> str:
    """Name of the one layer with shapes of a vector file, which `require_plain` lets pass.

    Args:
        path: of the file.
        advice: what to do if there are several, for the error.

    Raises:
        PipelineError: if there are several layers, or none.
        pyogrio.errors.DataSourceError: if GDAL cannot open it.
    """
    require_plain(path)
    layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
    if len(layers) != 1:
        raise PipelineError(
            f"{path} has the layers {', '.join(layers) or 'without shapes'}, where one is taken; {advice}"
        )
    return str(layers[0])


def _require_plain_archive(path: Path) -> None:
    """GDAL opens archives; they may hold only files that cannot name others."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            sizes = sum(entry.file_size for entry in archive.infolist())
            is_secret = any(entry.flag_bits & 1 for entry in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise _unknown(path) from error
    if is_secret:
        raise PipelineError(f"{path} is encrypted; unpack it and name the file itself")
    if sizes > MAX_UNPACKED and sizes > MAX_RATIO * path.stat().st_size:
        raise PipelineError(
            f"{path} would unpack to {sizes >> 20} MB, {MAX_RATIO} times its size or more; "
            "unpack the archive yourself, where you trust it, and name the file itself"
        )
    for name in names:
        if OUTSIDE.search(name):
            raise PipelineError(
                f"{path} holds {name!r}, which lies outside of the archive's folder; unpack what you trust "
                "of it and name the file itself"
            )
        if not IN_ARCHIVES.fullmatch(name):
            raise PipelineError(
                f"{path} holds {name}, which is no part of a Shapefile, KML or file geodatabase; "
                "unpack the archive and name the file itself"
            )


def _require_plain_json(path: Path) -> None:
    """GDAL fetches the CRS of a GeoJSON file from the address that its ``crs`` links to."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for key in CRS_KEY.finditer(text):
            if _may_link(text[key.end() : key.end() + CRS_BYTES]):
                raise PipelineError(
                    f"{path} links to the address of its CRS (crs), which is not asked for; "
                    "write the name of the CRS there, or convert the file to GeoPackage"
                )


def _may_link(after: bytes) -> bool:
    """Whether what follows the key ``crs`` is an object with a link, or one that is not plain JSON."""
    rest = after.lstrip()
    if rest.startswith(b":"):
        rest = rest[1:].lstrip()
    elif rest and not rest.startswith(b"/"):
        return False  # a text, not a key
    if rest and not rest.startswith((b"{", b"/")):
        return False
    pairs = json.JSONDecoder(object_pairs_hook=lambda pairs: [str(text).lower() for text in chain(*pairs)])
    try:
        value, _ = pairs.raw_decode(rest.decode(errors="ignore"))
    except ValueError:
        return True
    return re.search(r"\b(link|url|href)\b|://|/vsi", str(value)) is not None


class _RootError(Exception):
    """Ends the parsing at the first element."""


def _require_plain_xml(path: Path) -> None:
    """XML with a document type opens other files; OGR VRT and GML with a schema elsewhere do, too."""

    def no_doctype(*_: object) -> None:
        raise PipelineError(f"{path} has a document type (<!DOCTYPE>), which may open other files; remove it")

    def root(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2].lower().startswith("ogrvrt"):
            raise PipelineError(
                f"{path} is an OGR VRT, which names other files; name one of those, or convert it to "
                "GeoPackage with ogr2ogr"
            )
        schemas = [v.split()[1::2] for k, v in attributes.items() if k.lower().endswith("schemalocation")]
        for schema in chain.from_iterable(schemas):
            if not re.match(r"https?://", schema) and re.search(r"[/\\:]", schema):
                raise PipelineError(
                    f"{path} names the schema {schema}, which lies in another folder; put it beside {path}, "
                    "or convert the file to GeoPackage"
                )
        raise _RootError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = no_doctype, root
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except _RootError:
        return
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise _unknown(path) from error


def _unknown(path: Path) -> PipelineError:
    return PipelineError(
        f"{path} is not a vector file that GDAL can open here, or is damaged; convert it to {FORMATS}"
    )
