"""Say what this machine has of what the project needs.

One table: nothing is changed, and of credentials it says only whether they are there. The exit code
is 1 if something that applying a model needs is missing.
"""

import importlib
import os
import platform
import shutil
import sys
import threading
import time
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CORE = {
    "geopandas": "geopandas",
    "jinja2": "jinja2",
    "networkx": "networkx",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "pillow": "PIL",
    "psutil": "psutil",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pyogrio": "pyogrio",
    "pyproj": "pyproj",
    "rasterio": "rasterio",
    "ruamel.yaml": "ruamel.yaml",
    "scikit-image": "skimage",
    "scipy": "scipy",
    "shapely": "shapely",
    "shtab": "shtab",
    "tenacity": "tenacity",
    "tqdm": "tqdm",
}
"""Packages without which nothing works, as pyproject.toml lists them, and what is imported of each."""

EXTRAS = {
    "torch": "train",
    "segmentation-models-pytorch": "train",
    "dvc": "pipeline",
    "sentinelhub": "sentinelhub",
    "s2cloudless": "s2cloudless",
    "openvino": "openvino",
    "distributed": "cluster",
    "SQLAlchemy": "postgis",
    "rio-tiler": "review",
}
"""Packages that some work needs, and the extra that brings each."""

NEEDED = ("GTiff", "COG", "GPKG", "MEM")
"""Drivers without which no map is written."""

MAPS = ("GPKG", "GeoJSON", "FlatGeobuf", "ESRI Shapefile", "PMTiles")
"""Drivers of the formats of the map."""

SENTINEL_HUB_FILE, AWS_FILE = Path("sentinelhub/config.toml"), Path(".aws/credentials")
"""Where these tools keep accounts, below the folder of settings and the home folder."""

SERVERS = {
    "earth-search.aws.element84.com": "scenes (STAC)",
    "overpass-api.de": "OpenStreetMap",
    "nominatim.openstreetmap.org": "places by name",
}
TIMEOUT_S = 3
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container reads how much memory it may take."""

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
    rows.insert(0, Row("what", "state", "found"))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for row in rows:
        print(f"{row.what:{widths[0]}}  {row.state:{widths[1]}}  {row.found}")
    if any(row.state == "missing" for row in rows):
        sys.exit(1)


def _rows(*, offline: bool) -> Iterator[Row]:
    yield Row("Python", "ok" if sys.version_info >= (3, 11) else "missing", platform.python_version())
    yield from (_core(name, module) for name, module in CORE.items())
    for name, extra in EXTRAS.items():
        found = _version(name)
        yield Row(name, "ok" if found else "absent", found or f"pip install 'urbanseg[{extra}]'")
    yield _gpu()
    yield from _drivers()
    yield from _machine()
    yield from _credentials()
    yield from _network({} if offline else SERVERS)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _core(name: str, module: str) -> Row:
    """A package that must be there, and must load."""
    found = _version(name)
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        why = f"{found} does not load ({_line(error)})" if found else "needed by everything"
        return Row(name, "missing", f"{why}; reinstall urbanseg")
    return Row(name, "ok", found or "of unknown version")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _gpu() -> Row:
    if not _version("torch"):
        return Row("GPU", "absent", "PyTorch is not installed; ONNX Runtime uses the CPU")
    try:
        import torch

        if not torch.cuda.is_available():
            return Row("GPU", "absent", "PyTorch sees none; the CPU is used")
        name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
    except (ImportError, OSError, RuntimeError) as error:
        return Row("GPU", "absent", f"PyTorch does not load ({_line(error)}); ONNX Runtime uses the CPU")
    return Row("GPU", "ok", f"{name}, {memory / 1e9:.0f} GB")


def _drivers() -> Iterator[Row]:
    """The drivers that the project opens and writes files with, in rasterio's GDAL and in pyogrio's."""
    try:
        import pyogrio
        import rasterio

        from urbanseg.io import drivers, vector_drivers
    except (ImportError, OSError):
        yield Row("GDAL", "missing", "it comes with rasterio and pyogrio")
        return
    with rasterio.Env() as environment:
        raster = environment.drivers()
    vector = pyogrio.list_drivers()
    yield _lacking("GDAL, rasters", rasterio.__gdal_version__, {*drivers.SINGLE_FILE, "VRT"} - {*raster})
    written = {name for name, mode in vector.items() if "w" in mode}
    lacking = ({*vector_drivers.VECTOR} - {*vector}) | ({*MAPS} - written)
    yield _lacking("GDAL, vectors", ".".join(map(str, pyogrio.__gdal_version__)), lacking)


def _lacking(what: str, known: str, lacking: set[str]) -> Row:
    if {*NEEDED} & lacking:
        return Row(what, "missing", f"{known}, without {', '.join(sorted(lacking))}; reinstall urbanseg")
    without = f", without {', '.join(sorted(lacking))}" if lacking else ""
    return Row(what, "absent" if lacking else "ok", known + without)


def _machine() -> Iterator[Row]:
    import psutil

    free, memory = shutil.disk_usage(Path.cwd()).free / 1e9, psutil.virtual_memory().total / 1e9
    limit = MEMORY_LIMIT.read_text(encoding="utf-8").strip() if MEMORY_LIMIT.is_file() else ""
    memory = min(memory, int(limit) / 1e9) if limit.isdecimal() else memory
    yield Row("disk", "ok" if free >= DISK_GB else "low", f"{free:.0f} GB free here; {DISK_GB} GB are enough")
    yield Row("memory", "ok" if memory >= MEMORY_GB else "low", f"{memory:.0f} GB; {MEMORY_GB} GB are enough")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Row("CPU", "ok", f"{cores} cores")


def _credentials() -> Iterator[Row]:
    """Which accounts are configured; no value is shown."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111, Path.home raises where a container has no such user
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    cloud_file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / AWS_FILE)
    hub, cloud = ("SH_CLIENT_ID", "SH_CLIENT_SECRET"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    database = ("DATABASE_URL", "PGHOST", "PGSERVICE")
    yield _account(
        "Sentinel Hub or Copernicus Data Space",
        all(map(os.environ.get, hub)) or _has_account(settings / SENTINEL_HUB_FILE),
        f"environment: {' and '.join(hub)}; or {SENTINEL_HUB_FILE} in the settings",
    )
    yield _account("PostGIS", any(map(os.environ.get, database)), f"environment: {' or '.join(database)}")
    yield _account(
        "S3",
        all(map(os.environ.get, cloud)) or cloud_file.is_file(),
        f"environment: {' and '.join(cloud)}; or ~/{AWS_FILE}",
    )


def _account(name: str, present: bool, where: str) -> Row:
    return Row(f"credentials: {name}", "ok" if present else "absent", where)


def _has_account(file: Path) -> bool:
    """Whether a profile of the sentinelhub package has a client and its secret."""
    try:
        profiles = tomllib.loads(file.read_text(encoding="utf-8")).values()
    except (OSError, ValueError):
        return False
    return any(isinstance(p, dict) and p.get("sh_client_id") and p.get("sh_client_secret") for p in profiles)


def _network(servers: dict[str, str]) -> Iterator[Row]:
    """Which servers answer in time, by whatever proxy the environment names; all are asked at once."""
    answered: set[str] = set()

    def ask(host: str) -> None:
        try:
            with urlopen(Request(f"https://{host}/", method="HEAD"), timeout=TIMEOUT_S):
                answered.add(host)
        except HTTPError as error:  # an answer, too
            error.close()
            answered.add(host)
        except (OSError, HTTPException, ValueError):
            pass

    # Daemons, because a name server that does not answer knows no time-out.
    asking = [threading.Thread(target=ask, args=(host,), daemon=True) for host in servers]
    deadline = time.monotonic() + TIMEOUT_S
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    for host, what in servers.items():
        found = host if host in answered else f"{host} cannot be reached; the embedded cities need no network"
        yield Row(f"network: {what}", "ok" if host in answered else "absent", found)
