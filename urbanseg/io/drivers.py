"""The GDAL drivers that may read rasters and addresses from outside, and GDAL's time-outs.

A driver is in the list if it reads the pixels of the one file that it is given, or of
files beside it whose names it makes itself. Drivers that take names or addresses from
the content (WMS, GTI, STACTA, MRF, netCDF and HDF5 with external data …) are not, and are
removed from GDAL, so that no nested file can choose them either; VRT is in the list,
because `references` checks the files that it names.
"""

import os
import warnings
from collections.abc import Sequence
from functools import cache

import numpy as np
import rasterio
from rasterio.env import ensure_env
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader

SINGLE_FILE = (
    "GTiff", "COG", "JPEG", "PNG", "JP2OpenJPEG", "HFA", "ENVI", "BMP", "GIF", "BIGGIF", "WEBP", "PNM",
    "AAIGrid", "EHdr", "DTED", "SRTMHGT", "USGSDEM", "GRIB", "XYZ", "GPKG",
)  # fmt: skip
"""Raster drivers that open no file named in the content."""

REMOTE = ("GTiff", "JPEG", "PNG", "JP2OpenJPEG", "WEBP")
"""Raster drivers for an address: one file, nothing beside it."""

REMOVED = (
    "ACE2 ADRG AIG AVCBin AVCE00 AirSAR BAG BLX BSB BT BYN CALS CEOS COASP COSAR CPG CTG CTable2 DAAS "
    "DERIVED DIMAP DIPEx DOQ1 DOQ2 ECRGTOC EEDA EEDAI EIR ELAS ERS ESAT ESRIC ESRIJSON FAST FIT GFF "
    "GNMDatabase GNMFile GRASSASCIIGrid GS7BG GSAG GSBG GSC GTI GTX GXF GenBin GeoJSON GeoJSONSeq HDF5 "
    "HDF5Image HF2 HTTP ILWIS IRIS ISCE ISG ISIS2 ISIS3 JAXAPALSAR JDEM KMLSUPEROVERLAY KRO L1B LAN LCP "
    "LOSLAS Leveller MAP MBTiles MFF MFF2 MRF MSGN MVT NDF NGSGEOID NITF NOAA_B NSIDCbin NTv2 NWT_GRC "
    "NWT_GRD OSM OZI PAux PCIDSK PCRaster PDF PDS PDS4 PLMOSAIC PRF R RIK RMF ROI_PAC RPFTOC RRASTER RS2 "
    "RST Rasterlite S102 S104 S111 SAFE SAGA SAR_CEOS SDTS SENTINEL2 SGI SIGDEM SNAP_TIFF SNODAS SQLite SRP "
    "STACIT STACTA TGA TIL TSX Terragen TopoJSON VICAR WCS WMS WMTS XPM ZMap Zarr netCDF"
)
"""All other drivers of rasterio's GDAL, which can remove them only before it lists them."""

WAITING = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_LOW_SPEED_TIME": "10",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_MAX_RETRY": "0",
}
"""Seconds that GDAL waits for a server, unless the environment or a provider's `patience` says otherwise."""


@cache
def restrict() -> None:
    """Remove the other drivers from rasterio's copy of GDAL, and set its time-outs.

    It registers its drivers once, when it is first used: until then, `GDAL_SKIP` counts. Pyogrio has a copy
    of its own; see `vector_drivers`.
    """
    for name, value in (WAITING | {"GDAL_VRT_ENABLE_PYTHON": "NO"}).items():
        os.environ.setdefault(name, value)
    before = os.environ.get("GDAL_SKIP")
    os.environ["GDAL_SKIP"] = REMOVED
    try:
        with rasterio.Env():
            pass
    finally:
        os.environ.pop("GDAL_SKIP")
        if before is not None:
            os.environ["GDAL_SKIP"] = before


@ensure_env  # type: ignore[untyped-decorator]
def open_with(name: str, drivers: Sequence[str]) -> DatasetReader:
    """Open a raster by one of several drivers, of which `rasterio.open` takes only one."""
    # rasterio casts nodata values to the type of the bands, which may be smaller
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return DatasetReader(name, driver=list(drivers), sharing=False)


# On import, and not when a program starts: it counts only before rasterio is first used, and whoever
# opens files by this library must be protected, too.
restrict()
