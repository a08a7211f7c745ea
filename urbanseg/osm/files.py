"""OpenStreetMap files that are written here, and copies of those that cannot be read as they are.

libosmium looks up the places of nodes only if they come before their ways and have ids
above 0, which files of editors do not keep to.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import osmium

CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.EMFILE)
"""What a system may say of a file that cannot be written; libosmium gives the text alone."""
FAILED = ("Write failed", "Open failed", "Close failed")
NEGATIVE = 1 << 60
"""In an ordered copy, the id ``-n`` is this number plus ``n``."""
KINDS = (osmium.osm.NODE, osmium.osm.WAY, osmium.osm.RELATION)


@contextmanager
def writing(path: Path, header: osmium.io.Header | None = None) -> Iterator[osmium.SimpleWriter]:
    """Open an OpenStreetMap file (PBF) to write objects into.

    Args:
        path: the file; one that exists is replaced.
        header: of the file.

    Yields:
        The writer.

    Raises:
        OSError: if the file cannot be written, with its name.
    """
    writer = None
    try:
        target = osmium.io.File(str(path), "osm.pbf")
        writer = osmium.SimpleWriter(target, overwrite=True, header=header or osmium.io.Header())
        with writer:
            yield writer
    except RuntimeError as error:
        said = f"{error}; {error.__context__}"
        if not any(text in said for text in FAILED):
            raise
        # Its destructor would write again, and end the process because that fails; so it is never called.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(writer))
        code = next((code for code in CODES if os.strerror(code) in said), errno.EIO)
        raise OSError(code, os.strerror(code), str(path)) from error


def is_ordered(path: Path) -> bool:
    """Whether nodes come before ways and ways before relations, all with ids above 0.

    Raises:
        RuntimeError: if the file is damaged.
    """
    with osmium.io.Reader(path, osmium.osm.NOTHING) as reader:
        if reader.header().get("sorting") == "Type_then_ID":
            return True
    order = {"n": 0, "w": 1, "r": 2}
    last = 0
    for element in osmium.FileProcessor(path):
        kind = order.get(element.type_str(), 2)
        if element.id < 0 or kind < last:
            return False
        last = kind
    return True


@contextmanager
def ordered(path: Path) -> Iterator[Path]:
    """Yield a temporary copy of an extract that `is_ordered`; see `NEGATIVE` and `original_id`."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "ordered.osm.pbf"
        with writing(copy) as writer:
            for kind in KINDS:
                for element in osmium.FileProcessor(path, kind):
                    _write(writer, element)
        yield copy


def original_id(copied: int) -> int:
    """The id in the original of an object in an ordered copy."""
    return NEGATIVE - copied if copied > NEGATIVE else copied


def _positive(number: int) -> int:
    return NEGATIVE - number if number < 0 else number


def _write(writer: osmium.SimpleWriter, element: Any) -> None:
    if isinstance(element, osmium.osm.Node):
        writer.add_node(element.replace(id=_positive(element.id)))
    elif isinstance(element, osmium.osm.Way):
        refs = [_positive(node.ref) for node in element.nodes]
        writer.add_way(element.replace(id=_positive(element.id), nodes=refs))
    elif isinstance(element, osmium.osm.Relation):
        members = [(member.type, _positive(member.ref), member.role) for member in element.members]
        writer.add_relation(element.replace(id=_positive(element.id), members=members))
