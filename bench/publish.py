"""Publishing to PostGIS: time, and memory beyond that of the smallest map, by the number of polygons.

``python -m bench.publish [polygons …]``

Maps of square polygons are written into a GeoPackage and published into a server with PostGIS, which is
started here: the installed one, or Debian's packages (see `tests.protocol.postgis`). Each is published by
a process of its own, whose peak memory is measured. A Markdown table goes to the screen; the last line is
one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
import sqlalchemy as sa

from tests.protocol import postgis
from urbanseg.io import files
from urbanseg.mapping.published_layers import of_file
from urbanseg.mapping.publishing import engine, publish
from urbanseg.mapping.vector_layers import write_layer

POLYGONS = (10_000, 100_000, 300_000)
CORNERS = 12
"""Of a polygon, as in the demo city's map."""
SCHEMA = "bench"


def write_polygons(path: Path, count: int) -> None:
    """A GeoPackage of so many polygons with the columns of the land cover, in UTM."""
    side = int(np.ceil(np.sqrt(count)))
    row, col = np.divmod(np.arange(count), side)
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    ring = 45 * np.column_stack([np.cos(angles), np.sin(angles)])
    centres = np.column_stack([300_000 + 100 * col, 5_300_000 + 100 * row])
    shapes = shapely.polygons(np.round(centres[:, np.newaxis] + ring, 2))
    names = np.array(["other", "building", "road", "vegetation", "water", "bare_soil"])
    table = gpd.GeoDataFrame(
        {
            "class_id": np.arange(count, dtype=np.int16) % 6,
            "class_name": names[np.arange(count) % 6],
            "area_m2": shapely.area(shapes),
            "confidence": 0.75,
        },
        geometry=shapes,
        crs=32632,
    )
    write_layer(table, path, "land_cover", geometry_type="Polygon")


def publish_file(path: Path) -> None:
    """Publish a map, and print seconds and MiB of peak memory as JSON."""
    database = engine(os.environ["DATABASE_URL"])
    begin = time.perf_counter()
    publish(database, SCHEMA, path.stem, files.sha256(path)[:12], {"land_cover": of_file(path, "land_cover")})
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": round(seconds, 1), "peak_mib": peak_mib()}))


def peak_mib() -> int:
    """Peak memory of this process; that of getrusage would hold what its parent had when it started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [peak] = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return round(peak / 1024)


def measured(path: Path, address: str) -> dict[str, float]:
    """What `publish_file` says of a map, published by a process of its own, and the rows that arrived."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.publish", "--file", str(path)],
        env={**os.environ, "DATABASE_URL": address}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    database = engine(address)
    with database.connect() as connection:
        query = sa.text(f"SELECT count(*) FROM {SCHEMA}.land_cover WHERE city = '{path.stem}'")  # noqa: S608
        rows = connection.scalar(query)
    return {"rows": rows, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    """Publish maps of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("polygons", nargs="*", type=int, default=POLYGONS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.file:
        publish_file(asked.file)
        return
    found = {}
    with tempfile.TemporaryDirectory() as maps, tempfile.TemporaryDirectory(prefix="pg") as server:
        root = postgis.programs(Path(tempfile.gettempdir()) / "urbanseg-postgis")
        with postgis.serving(root, Path(server)) as address:
            with engine(address).begin() as connection:
                connection.execute(sa.text("CREATE EXTENSION postgis"))
            print("| polygons | GeoPackage, MB | rows in PostGIS | seconds | peak memory, MiB |")
            print("|---|---|---|---|---|")
            for count in asked.polygons:
                path = Path(maps) / f"town{count}.gpkg"
                write_polygons(path, count)
                found[count] = each = measured(path, address)
                size = path.stat().st_size / 1e6
                print(f"| {count} | {size:.1f} | {each['rows']} | {each['seconds']} | {each['peak_mib']} |")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
