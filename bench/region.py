"""A region of 100 × 100 km at 10 m from a STAC API on loopback, end to end: time, memory, cost per km².

``python -m bench.region FOLDER [--cells 4 4] [--size 2560] [--minutes 60]``

The demo city is rendered once and offered, repeated, as four granules of Sentinel-2 L2A. The stage `region`
maps its cells by the model s2-urban, on two workers. If it takes longer than ``--minutes`` it is
killed; the next call with the same FOLDER goes on, and the figures are those of all calls together. The last
line is JSON.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow.parquet as pq
import shapely
from ruamel.yaml import YAML

from bench.region_ground import granules, outline, render
from bench.region_watch import Taken, watched
from tests.conftest import ROOT
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.world import EPSG

NAME, MODEL = "hundred", "s2-urban"
PIXEL_M = 10
CORNER = (512_000, 5_401_600)
"""Left and bottom of the region: multiples of cells of 2,560 pixels, and of those of 256."""
MARGIN_M = 6400
"""That granules reach beyond the region."""
UNIT_M = 20_000
"""Side of the administrative units."""


def main() -> None:
    """Make what is missing, run the stage, print the figures of all calls."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, nargs=2, default=[4, 4], help="columns and rows")
    parser.add_argument("--size", type=int, default=2560, help="side of a cell in pixels, a multiple of 256")
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    image = render(folder)
    left, bottom = CORNER
    side = options.size * PIXEL_M
    bounds = (left, bottom, left + options.cells[0] * side, bottom + options.cells[1] * side)
    (folder / "cogs").mkdir(exist_ok=True)
    kept = folder / "port"  # the address decides on the cells, so it stays
    port = int(kept.read_text(encoding="utf-8")) if kept.exists() else 0
    with running(folder / "cogs", port) as (archive, url):
        kept.write_text(url.rpartition(":")[2], encoding="utf-8")
        archive.reset(granules(image, shapely.box(*bounds).buffer(MARGIN_M, join_style="mitre").bounds))
        prepare(folder / "project", bounds, options.size, url)
        session = measured(folder, archive, options.minutes)
    past = folder / "sessions.json"
    sessions = [*(json.loads(past.read_text(encoding="utf-8")) if past.exists() else []), session]
    past.write_text(json.dumps(sessions, indent=1), encoding="utf-8")
    print(json.dumps(summary(folder / "project/data/region" / NAME, sessions, side)))
    if session["exit"] != 0:
        sys.exit(f"it is not done; {folder / 'stage.log'} says how far it came")


def prepare(project: Path, bounds: tuple[float, float, float, float], size: int, url: str) -> None:
    """A project with the region, of which all but the address stays from call to call."""
    project.mkdir(exist_ok=True)
    left, bottom, right, top = bounds
    inner = (left + 3, bottom + 3, right - 3, top - 3)
    (project / "area.geojson").write_text(outline(inner), encoding="utf-8")
    places = [
        (x, y) for x in range(int(left), int(right), UNIT_M) for y in range(int(bottom), int(top), UNIT_M)
    ]
    units = [shapely.box(x, y, min(x + UNIT_M, right), min(y + UNIT_M, top)) for x, y in places]
    names = [f"unit {i}" for i in range(len(units))]
    gpd.GeoDataFrame({"name": names}, geometry=units, crs=EPSG).to_file(project / "units.gpkg")
    params = YAML().load(ROOT / "params.yaml")
    params["predict"]["threads"] = 1
    params["regions"] = {
        NAME: {
            "title": "A hundred kilometres",
            "inputs": "area.geojson",
            "model_inputs": "data/none",
            "model": MODEL,
            "scene": {
                "provider": "stac",
                "profile": "earth_search",
                "url": f"{url}/stac/earth_search",
                "area": {"file": "area.geojson"},
                "dates": "2023-05-01/2023-07-31",
                "bands": ["B02", "B03", "B04", "B08"],
                "crs": f"EPSG:{EPSG}",
            },
            "cells": {"size_px": size, "context_px": 128},
            "zones": "units.gpkg",
            "work": {"workers": 2, "memory_limit": "2 GB", "requests_per_s": 1000},
        }
    }
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)


def measured(folder: Path, archive: Any, minutes: float) -> dict[str, Any]:
    """Run the stage; what it took."""
    project = folder / "project"
    done = set(finished(project))
    began, clock = time.time(), time.monotonic()
    command = [sys.executable, "-m", "stages.region", NAME]
    code, taken = watched(command, project, folder / "stage.log", 60 * minutes)
    made = [path for path in finished(project) if path not in done]
    last = max((path.stat().st_mtime for path in made), default=began)
    ranges = [
        re.fullmatch(r"bytes=(\d+)-(\d+)", each.headers.get("Range", ""))
        for each in archive.matching("/cogs/")
    ]
    return {
        "exit": code,
        "cells": len(made),
        "wall_s": round(time.monotonic() - clock, 1),
        "cells_s": round(last - began, 1),
        "cpu_s": {part: round(sum(each.cpu_s.values()), 1) for part, each in taken.items()},
        "peak_mb": {part: peak_of(each) for part, each in taken.items()},
        "searches": archive.count("/search$"),
        "requests": len(ranges),
        "read_mb": round(sum(1 + int(found[2]) - int(found[1]) for found in ranges if found) / 1e6, 1),
    }


def peak_of(taken: Taken) -> float:
    """The largest of the processes of a part."""
    return round(max(taken.peak_mb.values(), default=0.0), 1)


def finished(project: Path) -> list[Path]:
    """The files of cells that are done."""
    return sorted(project.glob(f"data/region/{NAME}/cells/e*n????/cell.json"))


def summary(made: Path, sessions: Sequence[dict[str, Any]], side: float) -> dict[str, Any]:
    """The figures of all calls."""
    cells = sum(session["cells"] for session in sessions)
    km2 = cells * (side / 1000) ** 2
    cpu = {part: sum(session["cpu_s"][part] for session in sessions) for part in sessions[0]["cpu_s"]}
    peak = {part: max(session["peak_mb"][part] for session in sessions) for part in sessions[0]["peak_mb"]}
    total = sum(cpu.values())
    sizes = {
        kind: sum(path.stat().st_size for path in made.rglob(f"*{kind}")) for kind in (".tif", ".parquet")
    }
    return {
        "calls": len(sessions),
        "done": sessions[-1]["exit"] == 0,
        "cells": cells,
        "km2": round(km2, 1),
        "wall_s": round(sum(session["wall_s"] for session in sessions), 1),
        "cells_s": round(sum(session["cells_s"] for session in sessions), 1),
        "cpu_s": {part: round(seconds, 1) for part, seconds in cpu.items()},
        "cpu_s_per_km2": round(total / km2, 4) if km2 else None,
        "peak_mb": peak,
        "requests": sum(session["requests"] for session in sessions),
        "read_mb": round(sum(session["read_mb"] for session in sessions), 1),
        "rasters_mb": round(sizes[".tif"] / 1e6, 1),
        "vectors_mb": round(sizes[".parquet"] / 1e6, 1),
        "polygons": rows(made / "polygons"),
        "roads": rows(made / "roads"),
    }


def rows(folder: Path) -> int:
    """Of all files of a data set."""
    return sum(pq.read_metadata(path).num_rows for path in folder.glob("*.parquet"))


if __name__ == "__main__":
    main()
