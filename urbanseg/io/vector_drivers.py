"""The GDAL drivers that may read vector files from outside.

Pyogrio brings a copy of GDAL of its own, from which the other drivers are removed when this
module is imported; whoever imports pyogrio imports it, too. Apart from `drivers`, so that
reading rasters needs no pandas: it takes half a second to import.
"""

import pyogrio
from pyogrio._ogr import _register_drivers  # makes GDAL apply GDAL_SKIP again

VECTOR = (
    "GPKG", "GeoJSON", "GeoJSONSeq", "TopoJSON", "FlatGeobuf", "ESRI Shapefile", "OpenFileGDB",
    "GML", "KML", "LIBKML", "GPX",
)  # fmt: skip
"""Vector drivers for files from outside; `vector_files` checks the content before."""

WRITING = ("MEM", "Memory", "PMTiles", "MVT", "MBTiles", "SQLite")
"""Further drivers, in memory and to write the map."""

OFFLINE = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_HTTP_PROXY": "none://",
    "GML_DOWNLOAD_SCHEMA": "NO",
}
"""Vector files are on this machine, so the GDAL that reads them needs no network."""


def restrict() -> None:
    """Remove the other drivers from pyogrio's copy of GDAL, and its way to the network."""
    other = sorted(set(pyogrio.list_drivers()) - {*VECTOR, *WRITING})
    pyogrio.set_gdal_config_options(OFFLINE | {"GDAL_SKIP": ",".join([*other, ""])})
    _register_drivers()


restrict()
