"""Do 95 % intervals hold the truth in 95 % of the cases, and is the gate right?

``python -m bench.coverage [--fields 200] [--kernel exponential] [--block 128]``

Maps of the embedded cities are simulated: a pixel of the labels is wrong where a Gaussian random
field is below the quantile of its class's share of errors (1 − recall in ``metrics/``), and a second field
says which class it gets. The fields' correlation lengths are those of clustered errors. Each map
is counted as the evaluate stage does, on the test blocks that the tiles stage would draw, and the
intervals see these counts alone. The truth is the figure from the mean counts of all maps. Two maps of
equal quality are compared as `make compare` does, and the gate judges them; then a map with a mean IoU
0.03 lower takes the place of one, once with errors of its own and once with mostly the same. The last
line is one JSON object.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from stages.evaluate import plan
from urbanseg import labels, osm, paths
from urbanseg.config.params import Params, load
from urbanseg.config.scene import SimulatedScene
from urbanseg.dataset import splits, tiles
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, Window
from urbanseg.imagery.simulated import rendering
from urbanseg.io import files
from urbanseg.metrics import block_counts
from urbanseg.metrics.accumulate import merge
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.metrics.bootstrap import Interval
from urbanseg.metrics.counting import Plan, Readers, count_block
from urbanseg.metrics.delivered import Delivered
from urbanseg.metrics.segmentation import TEST, class_scores, mean
from urbanseg.osm.simulated import lay_out, write
from urbanseg.report import comparison

LENGTHS_M = (50, 200, 640)
LEAST = {50: 0.93, 200: 0.93, 640: 0.88}
"""Coverage that is asked for, by correlation length."""
MOST_DIFFERENT = 0.07
MOST_ALARMS = 0.05
DROP = 0.03
SHARED = 0.9
"""Correlation of two models' fields where their errors are mostly the same."""
FIGURES = ("miou", "pixel_accuracy", "road_apls", "road_connectivity", "roads.completeness", "roads.quality")
SAMPLES = 200
KERNELS = ("exponential", "gaussian")
PADDING_PX = 256

Raster = NDArray[np.uint8]
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Band:
    """A raster in memory that is read like a file."""

    path: Path
    grid: Grid
    values: Raster

    def read_band(self, window: Window) -> Raster:
        """The values of a window."""
        return self.values[window.slices].copy()


@dataclass(frozen=True)
class City:
    """What a map is simulated on: labels, test blocks, and each class's share of wrong pixels."""

    grid: Grid
    truth: Raster
    split: Raster
    test: list[Window]
    wrong: NDArray[np.float64]


@cache
def cities(block: int | None) -> tuple[Params, dict[str, City]]:
    """The parameters, and the cities that they simulate."""
    params = load(paths.PARAMS)
    size = block or params.tiles.block
    made = {}
    for name, entry in params.cities.items():
        if not isinstance(entry.scene, SimulatedScene) or entry.scene.layout is None:
            raise PipelineError(f"the city {name} is not simulated; run this with the embedded cities alone")
        grid, truth = _labels(entry.scene, params)
        laid = splits.lay_blocks(truth.shape, size)
        counts = np.array([tiles.histogram(truth[w.slices], params.class_table.ids) for w in laid])
        shares = [getattr(params.tiles.split, split) for split in SPLITS]
        split_of = splits.split_blocks(laid, counts, shares, params.seed, only_test=entry.role == "holdout")
        split = np.zeros(truth.shape, np.uint8)
        for window, which in zip(laid, split_of, strict=True):
            split[window.slices] = which
        test = [window for window, which in zip(laid, split_of, strict=True) if which == TEST]
        recalls = files.read_json(paths.metrics(name))["classes"]
        wrong = np.array([1 - recalls[c]["recall"] for c in params.classes])
        made[name] = City(grid, truth, split, test, wrong)
    return params, made


def _labels(scene: SimulatedScene, params: Params) -> tuple[Grid, Raster]:
    """The labels of a simulated city, without clouds."""
    grid, layout = rendering.area(scene), scene.layout
    assert layout is not None  # noqa: S101, the caller looked
    with tempfile.TemporaryDirectory() as folder:
        extract = Path(folder) / "city.osm.pbf"
        write(extract, lay_out(layout.style, layout.seed, grid.bounds), grid.crs)
        rules = params.osm
        found = osm.read_features(extract, rules.rules, skip=rules.skip, keep_tags=rules.keep_tags)
    polygons = osm.polygons(found, grid.crs, params.labels)
    label = labels.labeller(polygons, grid, params.class_table, params.labels, None)
    truth = np.zeros(grid.shape, np.uint8)
    for window in labels.windows(grid.shape, params.labels):
        truth[window.slices] = label(window)
    return grid, truth


@cache
def spectrum(shape: tuple[int, int], length_px: float, kernel: str) -> Field:
    """Amplitudes of a periodic Gaussian random field of unit variance."""
    down, right = (np.minimum(np.arange(side), side - np.arange(side)) / length_px for side in shape)
    away = np.hypot(down[:, np.newaxis], right)
    covariance = np.exp(-away if kernel == "exponential" else -(away**2) / 2)
    return np.sqrt(np.maximum(fft.rfft2(covariance).real, 0)).astype(np.float32)


def fields(city: City, length_m: float, kernel: str, rng: np.random.Generator) -> list[Field]:
    """Two fields: where errors are, and of which class."""
    shape = tuple(side + PADDING_PX for side in city.truth.shape)
    amplitudes = spectrum(shape, length_m / city.grid.pixel_m[0], kernel)
    return [
        fft.irfft2(amplitudes * fft.rfft2(rng.standard_normal(shape, np.float32)), shape)[
            : city.truth.shape[0], : city.truth.shape[1]
        ]
        for _ in range(2)
    ]


def mapped(city: City, drawn: Sequence[Field], factor: float = 1.0) -> Raster:
    """A map whose errors are where the first field is low; `factor` multiplies their share."""
    others = len(city.wrong) - 1
    other = np.minimum(ndtr(drawn[1]) * others, others - 1).astype(np.uint8)
    other += other >= city.truth
    limits = ndtri(np.minimum(city.wrong * factor, 1)).astype(np.float32)
    return np.where(drawn[0] < limits[city.truth], other, city.truth)


def counted(city: City, found: Raster, what: Plan, classes: Sequence[str]) -> CountsByBlock:
    """The counts that the evaluate stage would write."""
    sure = np.full_like(found, 200)
    readers = Readers(*(Band(Path("memory"), city.grid, v) for v in (city.truth, found, sure, city.split)))
    blocks = {window: count_block(readers, window, what)[1] for window in city.test}
    known = {window: counts for window, counts in blocks.items() if counts is not None}
    scene = merge(city.grid, known, what, np.zeros(len(classes), np.int64))
    return block_counts.from_scene(scene, classes, Delivered())


def expected_miou(made: Mapping[str, City], factor: float) -> float:
    """Mean IoU of all cities together where errors are evenly spread over the other classes."""
    total = 0
    for city in made.values():
        pixels = np.bincount(city.truth[city.split == TEST], minlength=len(city.wrong))
        wrong = np.minimum(city.wrong * factor, 1)
        spread = np.where(np.eye(len(wrong), dtype=bool), 1 - wrong, wrong[:, np.newaxis] / (len(wrong) - 1))
        total = total + pixels[:, np.newaxis] * spread
    return mean(class_scores(np.asarray(total)).iou)


@dataclass(frozen=True)
class Simulation:
    """The counts of one draw: of a map by city, and of two worse maps, without roads, of all cities."""

    by_city: dict[str, CountsByBlock]
    worse: CountsByBlock
    worse_shared: CountsByBlock


def simulate(task: tuple[int, float, str, int | None, float]) -> Simulation:
    """One draw."""
    number, length_m, kernel, block, factor = task
    params, made = cities(block)
    rng = np.random.default_rng([number, int(length_m)])
    names, by_city, worse = list(params.classes), {}, ([], [])
    for name, city in made.items():
        what = replace(plan(params, city.grid), tolerances={})
        one, other = (fields(city, length_m, kernel, rng) for _ in range(2))
        by_city[name] = counted(city, mapped(city, one), what, names)
        alike = [SHARED * a + np.float32((1 - SHARED**2) ** 0.5) * b for a, b in zip(one, other, strict=True)]
        for kept, drawn in zip(worse, (other, alike), strict=True):
            kept.append(counted(city, mapped(city, drawn, factor), replace(what, road=None), names))
    return Simulation(by_city, *(block_counts.pool(parts) for parts in worse))


Judged = dict[str, Interval]


def judge(pair: tuple[Simulation, Simulation]) -> tuple[Judged, Judged, list[Judged]]:
    """Intervals of a map in the first city; of an equal one against it, there and in all; of worse ones."""
    one, other = pair
    city = next(iter(one.by_city))
    base, equal = (block_counts.pool(list(side.by_city.values())) for side in pair)
    without = [
        block_counts.differences(replace(base, roads=worse.roads), worse, 0, SAMPLES)
        for worse in (other.worse, one.worse_shared)
    ]
    return (
        block_counts.intervals(one.by_city[city], 0, SAMPLES),
        block_counts.differences(one.by_city[city], other.by_city[city], 0, SAMPLES),
        [block_counts.differences(base, equal, 0, SAMPLES), *without],
    )


def alarms(judged: Sequence[Judged], figures: Sequence[str]) -> float:
    """Share of the comparisons in which the gate would fail."""
    changed = [
        [
            comparison.Change("all", name, 0.0, 0.0, (0.0, 0.0), "", name, found[name].p_drop)
            for name in figures
        ]
        for found in judged
    ]
    return float(np.mean([bool(comparison.gate(changes, "all").drops) for changes in changed]))


def score(
    made: Sequence[Simulation], judged: Sequence[tuple[Judged, Judged, list[Judged]]]
) -> dict[str, float]:
    """Coverage and shares of wrong verdicts, by figure; false alarms and power of the gate."""
    city = next(iter(made[0].by_city))
    parts = [sim.by_city[city] for sim in made]
    sums = {
        name: np.mean([getattr(part, name) for part in parts], axis=0)
        for name in ("pixels", "outlines", "buildings")
    }
    truth = block_counts.figures(replace(parts[0], **sums, roads=np.concatenate([p.roads for p in parts])))
    found: dict[str, float] = {}
    for name in FIGURES:
        own = [one[name] for one, *_ in judged]
        if all(np.isnan(one.low) for one in own):
            print(f"  {name}: no interval ({own[0].basis})")
            continue
        found[f"{name}_coverage"] = float(np.mean([one.low <= truth[name] <= one.high for one in own]))
        found[f"{name}_different"] = float(
            np.mean([not change[name].low <= 0 <= change[name].high for _, change, _ in judged])
        )
        found[f"{name}_width"] = float(np.median([one.high - one.low for one in own]))
    equal, apart, shared = zip(*(gate for *_, gate in judged), strict=True)
    return found | {
        "gate_false_alarms": alarms(equal, comparison.GATED),
        "gate_power": alarms(apart, comparison.GATED[:1]),
        "gate_power_shared": alarms(shared, comparison.GATED[:1]),
    }


def run(given: argparse.Namespace) -> Iterator[tuple[int, dict[str, float]]]:
    """The figures of each correlation length."""
    _, made = cities(given.block)
    before = expected_miou(made, 1)
    factor = brentq(lambda times: before - expected_miou(made, times) - DROP, 1, 3)
    print(f"errors {factor:.2f} times as frequent lower the mean IoU from {before:.3f} by {DROP}")
    with ProcessPoolExecutor(given.workers) as pool:
        for length in given.lengths:
            tasks = [(i, length, given.kernel, given.block, factor) for i in range(given.fields + 1)]
            drawn = list(pool.map(simulate, tasks))
            judged = list(pool.map(judge, pairwise(drawn), chunksize=8))
            yield length, score(drawn, judged)


def main() -> None:
    """Simulate, and print a line for each correlation length and figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fields", type=int, default=200, help="maps for each correlation length")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS_M, help="correlation lengths, m")
    parser.add_argument("--kernel", choices=KERNELS, default=KERNELS[0])
    parser.add_argument("--block", type=int, help="pixels; by default tiles.block")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    given = parser.parse_args()
    results: dict[str, float] = {}
    held = True
    try:
        for length, found in run(given):
            print(
                f"{length} m: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()),
                flush=True,
            )
            results |= {f"{name}_{length}m": round(value, 4) for name, value in found.items()}
            covered = [found[key] for key in found if key in {"miou_coverage", "road_apls_coverage"}]
            wrong = [found[key] for key in found if key in {"miou_different", "road_apls_different"}]
            held &= min(covered) >= LEAST.get(length, 0) and max(wrong) <= MOST_DIFFERENT
            held &= found["gate_false_alarms"] <= MOST_ALARMS
    except PipelineError as error:
        sys.exit(f"error: {error}")
    print(json.dumps({"fields": given.fields, "kernel": given.kernel, "within_limits": bool(held)} | results))


if __name__ == "__main__":
    main()
