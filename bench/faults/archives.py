"""Archives that hold something else than they should."""

import io
import zipfile
from pathlib import Path
from random import Random

from bench.faults.case import Case, Change, both, put, replace, truncated, write

LABELS = ("labels", "town")
LAYER = put("cities.town.labels", {"source": "vector", "path": "labels.zip", "classes": "road"})


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Change:
    """Labels in an archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return both(write("labels.zip", content.getvalue()), LAYER)


def _encrypted(folder: Path, _: Random) -> None:
    path = folder / "labels.zip"
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    replace(path, bytes(content))


SHAPE = b"\x00\x00\x27\x0a" + bytes(96)
ARCHIVES: dict[str, Change] = {
    "empty": archive({}),
    "a text": archive({"readme.txt": b"x"}),
    "a program": archive({"a.exe": b"MZ"}),
    "an empty Shapefile": archive({"a.shp": b""}),
    "a Shapefile without its tables": archive({"a.shp": SHAPE}),
    "tables without a Shapefile": archive({"a.dbf": bytes(64), "a.shx": SHAPE}),
    "zeros as a Shapefile": archive({"a.shp": bytes(500), "a.shx": bytes(500), "a.dbf": bytes(500)}),
    "a path upwards": archive({"../../a.shp": SHAPE}),
    "an absolute path": archive({"/etc/a.shp": SHAPE}),
    "a path of Windows": archive({"C:\\a.shp": SHAPE}),
    "a name of 300 letters": archive({f"{'x' * 300}.shp": SHAPE}),
    "a name with a line end": archive({"a\nb.shp": SHAPE}),
    "a bomb": archive({"a.shp": bytes(50_000_000)}),
    "an archive": archive({"a.zip": b"PK\x05\x06" + bytes(18)}),
    "a KML that is none": archive({"doc.kml": b"<kml"}),
    "a KML with a link": archive({"doc.kml": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/"><kml/>'}),
    "a raster": archive({"a.tif": b"II*\x00" + bytes(100)}),
    "a list of files": archive({"a.vrt": b"<OGRVRTDataSource/>"}),
    "an empty geodatabase": archive({"a.gdb/gdb": b""}),
    "a cut one": both(archive({"a.shp": SHAPE * 50}, zipfile.ZIP_STORED), truncated("labels.zip", 0.5)),
    "an encrypted one": both(archive({"a.shp": SHAPE}), _encrypted),
}


def cases() -> list[Case]:
    """All cases of archives."""
    return [Case(f"archive: {name}", change, LABELS, r"labels\.zip") for name, change in ARCHIVES.items()]
