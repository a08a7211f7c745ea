"""Delivered roads against the centre lines of OpenStreetMap, before and after a change.

``python -m bench.roads [--before FOLDER] [--picture docs/roads.png] [CITY ...]``

The road edges in ``data/map`` are scored as the evaluate stage scores them, pooled over the blocks of each
split: parameters are chosen on train and val, test is what is reported. ``--before`` is
the folder ``data/map`` of another version, whose roads are printed beside them; the raster,
the labels and the split are those of this one. A holdout city is all test. The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyogrio
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from shapely.geometry.base import BaseGeometry

from stages.evaluate import reference
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.config.params import Params, load
from urbanseg.dataset import splits
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Window
from urbanseg.io import raster
from urbanseg.metrics.delivered import LAYERS, outline
from urbanseg.metrics.delivered_roads import Lines, score_roads
from urbanseg.metrics.roads import RoadScores

MATCHED, MISSED, EXTRA = "#7f8c8d", "#d35400", "#2980b9"
CROP_M = 1600
"""Side of the part of a city that is drawn."""

CROP_AT = {"demo": (0.62, 0.45), "oasis": (0.45, 0.5)}
"""Middle of the part, as shares of the city's width and height from its lower left corner."""


def main() -> None:
    """Print a table, draw, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cities", nargs="*", metavar="CITY", help="default: demo oasis")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="data/map of another version")
    parser.add_argument("--picture", type=Path, help="PNG of a part of each city")
    asked = parser.parse_args()
    maps = {"before": asked.before} if asked.before else {}
    maps["now"] = Path(paths.geopackage("demo")).parents[1]
    try:
        params = load(paths.PARAMS)
        figures, drawn = {}, []
        print("| city | split | map | APLS | completeness | correctness | connectivity | km |")
        print("|---|---|---|--:|--:|--:|--:|--:|")
        for city in asked.cities or ["demo", "oasis"]:
            lines, areas = truth(city, params)
            edges = {name: read_edges(folder / city / f"{city}.gpkg") for name, folder in maps.items()}
            figures |= compare(city, lines, edges, areas, params.evaluate.roads)
            drawn.append((city, lines, edges))
        if asked.picture:
            draw(asked.picture, drawn, params.evaluate.roads.buffer_m)
    except PipelineError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(figures))


def truth(city: str, params: Params) -> tuple[Lines, dict[str, list[BaseGeometry]]]:
    """Centre lines, and by split the labelled and predicted pixels of each block as polygons."""
    with raster.reading(paths.labels(city)) as labels:
        found = reference(city, params, labels.grid)
        if found.lines is None:
            raise PipelineError(f"{city} has no centre lines to compare with: {found.basis['roads']}")
        areas: dict[str, list[BaseGeometry]] = {name: [] for name in SPLITS}
        with raster.reading(paths.prediction(city)) as predicted, raster.reading(paths.split(city)) as split:
            for block in splits.lay_blocks(labels.grid.shape, params.tiles.block):
                for name, mask in _masks(block, labels, predicted, split):
                    area = outline(mask, labels.grid.window(block))
                    extent = found.extent
                    areas[name].append(area if extent is None else shapely.intersection(area, extent))
    return found.lines, {name: some for name, some in areas.items() if some}


def _masks(block: Window, *readers: raster.Reader) -> Iterator[tuple[str, np.ndarray]]:
    labels, predicted, split = (reader.read_band(block) for reader in readers)
    for code, name in enumerate(SPLITS):
        mask = (split == code) & (labels != IGNORE) & (predicted != IGNORE)
        if mask.any():
            yield name, mask


def read_edges(path: Path) -> Lines:
    """The roads of a map."""
    if not path.exists():
        raise PipelineError(f"{path} does not exist; run the vectorize stage that makes it")
    return np.asarray(pyogrio.read_dataframe(path, layer=LAYERS["roads"], columns=[]).geometry)


def compare(
    city: str,
    lines: Lines,
    maps: dict[str, Lines],
    areas: dict[str, list[BaseGeometry]],
    rules: RoadScoreParams,
) -> dict[str, float]:
    """Print a row for each split and map."""
    figures: dict[str, float] = {}
    for split, some in areas.items():
        for name, edges in maps.items():
            scores = sum((score_roads(lines, edges, area, rules) for area in some), RoadScores())
            found = {
                "apls": scores.paths.apls,
                "completeness": scores.lengths.completeness,
                "correctness": scores.lengths.correctness,
                "connectivity": scores.connectivity,
            }
            cells = " | ".join(f"{value:.3f}" for value in found.values())
            print(f"| {city} | {split} | {name} | {cells} | {scores.prediction.length_m / 1000:.1f} |")
            figures |= {f"{city}_{split}_{name}_{key}": round(value, 4) for key, value in found.items()}
    return figures


def draw(path: Path, cities: Sequence[tuple[str, Lines, dict[str, Lines]]], buffer_m: float) -> None:
    """A part of each city, a row each, and the maps side by side."""
    mpl.use("Agg")
    columns = len(cities[0][2])
    figure = Figure(figsize=(7 * columns, 7 * len(cities) + 0.4), layout="constrained")
    axes = figure.subplots(len(cities), columns, squeeze=False)
    for row, (city, lines, maps) in zip(axes, cities, strict=True):
        left, bottom, right, top = shapely.total_bounds(lines)
        share_x, share_y = CROP_AT.get(city, (0.5, 0.5))
        x, y = left + share_x * (right - left), bottom + share_y * (top - bottom)
        box = shapely.box(x - CROP_M / 2, y - CROP_M / 2, x + CROP_M / 2, y + CROP_M / 2)
        for ax, (name, edges) in zip(row, maps.items(), strict=True):
            _draw_part(ax, box, lines, edges, buffer_m)
            ax.set_title(f"{city}, {name}")
    for color, text in (
        (MATCHED, f"mapped, within {buffer_m:g} m of a centre line"),
        (EXTRA, "mapped, no centre line there"),
        (MISSED, "not mapped"),
    ):
        axes[0, 0].plot([], [], color=color, linewidth=2.5, label=text)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=60, metadata={"Software": None})


def _draw_part(ax: Axes, box: BaseGeometry, lines: Lines, edges: Lines, buffer_m: float) -> None:
    around = shapely.buffer(box, 4 * buffer_m)
    near, mapped = (shapely.union_all(shapely.intersection(each, around)) for each in (lines, edges))
    true, drawn = (shapely.buffer(each, buffer_m) for each in (near, mapped))
    for shape, color in (
        (near.difference(drawn), MISSED),
        (mapped.difference(true), EXTRA),
        (mapped.intersection(true), MATCHED),
    ):
        for part in shapely.get_parts(shape):
            if part.length:
                ax.plot(*part.xy, color=color, linewidth=2)
    left, bottom, right, top = box.bounds
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")


if __name__ == "__main__":
    main()
