"""Say what this machine has of what the project needs.

One table: nothing is changed, and of credentials it says only whether they are there. The exit code
is 1 if something that applying a model needs is missing.
"""

import os
import platform
import shutil
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

CORE = ("numpy", "rasterio", "geopandas", "pydantic", "onnxruntime")
EXTRAS = {
    "torch": "train",
    "segmentation-models-pytorch": "train",
    "dvc": "pipeline",
    "sentinelhub": "sentinelhub",
    "s2cloudless": "s2cloudless",
    "openvino": "openvino",
    "distributed": "cluster",
    "SQLAlchemy": "postgis",
}
"""Packages that some work needs, and the extra that brings each."""

RASTERS = ("GTiff", "COG", "JPEG", "PNG", "VRT", "JP2OpenJPEG")
CREDENTIALS = {
    "Sentinel Hub or Copernicus Data Space": ("SH_CLIENT_ID", "SH_CLIENT_SECRET"),
    "PostGIS": ("DATABASE_URL",),
    "S3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}
SERVERS = {
    "earth-search.aws.element84.com": "scenes (STAC)",
    "overpass-api.de": "OpenStreetMap",
    "nominatim.openstreetmap.org": "places by name",
}
TIMEOUT_S = 3
DISK_GB, MEMORY_GB = 10, 8
"""What the embedded cities need, with some room."""


class Row(NamedTuple):
    """A line of the table: what it is about, whether that is as it should be, and what was found."""

    what: str
    state: str
    found: str


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--offline", action="store_true", help="ask no server whether it can be reached")


def run(asked: Namespace) -> None:
    """Print the table."""
    rows = list(_rows(offline=asked.offline))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for row in rows:
        print(f"{row.what:{widths[0]}}  {row.state:{widths[1]}}  {row.found}")
    if any(row.state == "missing" for row in rows):
        sys.exit(1)


def _rows(*, offline: bool) -> Iterator[Row]:
    yield Row("Python", "ok" if sys.version_info >= (3, 11) else "missing", platform.python_version())
    for name in CORE:
        found = _version(name)
        yield Row(name, "ok" if found else "missing", found or "needed by everything; reinstall urbanseg")
    for name, extra in EXTRAS.items():
        found = _version(name)
        yield Row(name, "ok" if found else "absent", found or f"pip install 'urbanseg[{extra}]'")
    yield _gpu()
    yield _drivers()
    yield from _machine()
    for service, names in CREDENTIALS.items():
        present = all(os.environ.get(name) for name in names)
        yield Row(
            f"credentials: {service}", "ok" if present else "absent", f"environment: {', '.join(names)}"
        )
    for host, what in ({} if offline else SERVERS).items():
        yield _server(host, what)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _gpu() -> Row:
    try:
        import torch
    except ImportError:
        return Row("GPU", "absent", "PyTorch is not installed, or damaged; ONNX Runtime uses the CPU")
    if not torch.cuda.is_available():
        return Row("GPU", "absent", "PyTorch sees none; the CPU is used")
    name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
    return Row("GPU", "ok", f"{name}, {memory / 1e9:.0f} GB")


def _drivers() -> Row:
    if not _version("rasterio"):
        return Row("GDAL", "missing", "it comes with rasterio")
    import rasterio
    from rasterio.drivers import raster_driver_extensions

    with rasterio.Env() as environment:
        known = {*environment.drivers(), *raster_driver_extensions().values()}
    lacking = [name for name in RASTERS if name not in known]
    found = (
        f"{rasterio.__gdal_version__}, without {', '.join(lacking)}" if lacking else rasterio.__gdal_version__
    )
    return Row("GDAL", "absent" if lacking else "ok", found)


def _machine() -> Iterator[Row]:
    import psutil

    free, memory = shutil.disk_usage(Path.cwd()).free / 1e9, psutil.virtual_memory().total / 1e9
    yield Row("disk", "ok" if free >= DISK_GB else "low", f"{free:.0f} GB free here; {DISK_GB} GB are enough")
    yield Row("memory", "ok" if memory >= MEMORY_GB else "low", f"{memory:.0f} GB; {MEMORY_GB} GB are enough")
    yield Row("CPU", "ok", f"{os.cpu_count()} cores")


def _server(host: str, what: str) -> Row:
    try:
        socket.create_connection((host, 443), TIMEOUT_S).close()
    except OSError:
        return Row(
            f"network: {what}", "absent", f"{host} cannot be reached; the embedded cities need no network"
        )
    return Row(f"network: {what}", "ok", host)
