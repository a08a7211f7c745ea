"""What a region costs beside its cells: the scheduler, failures and stragglers, and the merge of seams.

``python -m bench.scale`` drives Dask's scheduler with cells that only wait, simulates a continent with the
overhead that was measured, and merges the polygons and roads of synthetic cells. Each measurement of memory
is a process of its own. The last line is JSON.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.scale_cells import write_cells
from bench.scale_simulation import Region, simulate

STUB_S = 0.01
"""How long a stub of a cell waits."""

CELL_S = 60.0
"""What a cell takes in the simulation, in seconds; the simulation's figures are in shares of it."""


def main() -> None:
    """Print each measurement, and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000, help="cells of the scheduler and of the merge")
    parser.add_argument("--workers", type=int, nargs="*", default=[10, 50], help="of the scheduler")
    parser.add_argument("--only", choices=("scheduler", "merge"), help="one measurement")
    parser.add_argument("--folder", type=Path, help="of cells that are written, to merge in this process")
    options = parser.parse_args()
    if options.only == "scheduler":
        print(json.dumps(scheduler(options.cells, options.workers[0])))
    elif options.only == "merge" and options.folder:
        print(json.dumps(merge(options.cells, options.folder)))
    elif options.only == "merge":
        print(json.dumps(merges(options.cells)))
    else:
        print(json.dumps(everything(options.cells, options.workers)))


def everything(cells: int, workers: list[int]) -> dict[str, Any]:
    """All measurements by name."""
    found: dict[str, Any] = merges(cells)
    for count in workers:
        arguments = ("--only=scheduler", f"--cells={cells}", f"--workers={count}")
        found[f"scheduler_{count}"] = shown(alone(*arguments))
    overhead = found[f"scheduler_{workers[-1]}"]["overhead_ms"] / 1000
    for name, region in regions(overhead).items():
        found[name] = shown(simulate(region))
    return found


def merges(cells: int) -> dict[str, Any]:
    """The merge of a quarter of the cells and of all, each in a process of its own."""
    found = {}
    with TemporaryDirectory() as folder:
        write_cells(Path(folder), cells)
        for count in (cells // 4, cells):
            found[f"merge_{count}"] = shown(alone("--only=merge", f"--cells={count}", f"--folder={folder}"))
    return found


def regions(overhead_s: float) -> dict[str, Region]:
    """What is simulated, with so many seconds of the scheduler for each cell."""
    disturbed = Region(1_000_000, 1_000, CELL_S, overhead_s, failing=0.01, straggling=0.01)
    return {
        "undisturbed": replace(disturbed, failing=0, straggling=0),
        "disturbed": disturbed,
        "10000_workers": replace(disturbed, workers=10_000),
        "50_requests_a_second": replace(disturbed, requests_per_s=50),
    }


def alone(*arguments: str) -> dict[str, Any]:
    """What a measurement in a process of its own says."""
    command = [sys.executable, "-m", "bench.scale", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def shown(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures, printed."""
    print(figures, flush=True)
    return figures


def wait(_: int) -> None:
    """A stub of a cell."""
    time.sleep(STUB_S)


def scheduler(cells: int, workers: int) -> dict[str, Any]:
    """Dask's scheduler with so many workers in this process, and all cells submitted at once.

    Workers don't profile their threads, which costs time by the clock and not by the cell.
    """
    import dask  # noqa: PLC0415
    from distributed import Client, LocalCluster  # noqa: PLC0415, not for the merge
    from distributed import wait as all_of  # noqa: PLC0415

    threads = {"n_workers": workers, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    quiet = dask.config.set({"distributed.worker.profile.enabled": False})
    with quiet, LocalCluster(**threads) as cluster, Client(cluster) as client:
        all_of(client.map(wait, range(workers), pure=False))
        before, cpu = psutil.Process().memory_info().rss, time.process_time()
        began = time.perf_counter()
        futures = client.map(wait, range(cells), pure=False)
        all_of(futures)
        wall = time.perf_counter() - began
        cpu = time.process_time() - cpu
        held = psutil.Process().memory_info().rss - before
    return {
        "cells": cells,
        "workers": workers,
        "wall_s": round(wall, 2),
        "ideal_s": cells * STUB_S / workers,
        "overhead_ms": round(1000 * cpu / cells, 3),
        "memory_kb": round(held / cells / 1000, 2),
    }


def merge(cells: int, folder: Path) -> dict[str, Any]:
    """The merge of polygons and of roads of the first `cells` cells of a folder."""
    from bench.scale_cells import parts_of  # noqa: PLC0415
    from urbanseg.mapping.roads import guess_highways  # noqa: PLC0415
    from urbanseg.region.seams import merge_polygons, merge_roads  # noqa: PLC0415

    at_start = peak_mb()
    with TemporaryDirectory() as out:
        began, cpu = time.perf_counter(), time.process_time()
        polygons = merge_polygons(parts_of(folder, "polygons", cells), Path(out) / "polygons")
        between, between_cpu, peak = time.perf_counter(), time.process_time(), peak_mb()
        roads = merge_roads(
            parts_of(folder, "roads", cells), Path(out) / "roads", Path(out) / "nodes", 10.0, guess_highways
        )
        size = sum(path.stat().st_size for path in Path(out).rglob("*.parquet"))
        return {
            "cells": cells,
            "polygons": polygons,
            "polygons_s": round(between - began, 1),
            "polygons_cpu_s": round(between_cpu - cpu, 1),
            "polygons_peak_mb": peak,
            "roads": roads,
            "roads_s": round(time.perf_counter() - between, 1),
            "roads_cpu_s": round(time.process_time() - between_cpu, 1),
            "peak_mb": peak_mb(),
            "at_start_mb": at_start,
            "written_mb": round(size / 1e6, 1),
            "files": len(list(Path(out).rglob("*.parquet"))),
        }


def peak_mb() -> float:
    """Peak memory of this process in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)


if __name__ == "__main__":
    main()
