"""Road metrics on real vectors: OpenStreetMap against SpaceNet in seven areas of Las Vegas.

``python -m bench.vegas_roads [folder] [picture]``

SpaceNet's centre lines, drawn on the image, are the reference; OpenStreetMap's roads of the
same streets are scored against them, as a map of roads would be. The folder (default
``../shared/data/vegas``) holds `spacenetroads` and `osm` with a GeoJSON file for each area.
A Markdown table goes to the screen, and a picture that explains the scores to
``docs/vegas_roads.png``. The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from urbanseg import paths
from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.config.params import Params, load
from urbanseg.errors import PipelineError
from urbanseg.io import vector_files
from urbanseg.metrics.apls import control_points
from urbanseg.metrics.roads import RoadScores, compare
from urbanseg.roads.skeleton import RoadGraph, line_graph

UTM = 32611
RULES = RoadScoreParams(
    connectivity_snap_m=10, buffer_m=4, apls_snap_m=4, apls_spacing_m=50, apls_min_path_m=10
)
"""Of the paper that defines APLS; the buffer is as wide as the snapping."""

MATCHED, MISSED, EXTRA = "#7f8c8d", "#d35400", "#2980b9"
TIGHT_M = 1e-3
"""Drawn lines are cut where they leave the buffer by this."""


@dataclass(frozen=True)
class Area:
    """One area: both networks as lines and graphs, and how they compare."""

    name: str
    lines: tuple[np.ndarray, np.ndarray]
    graphs: tuple[RoadGraph, RoadGraph]
    scores: RoadScores


def read_lines(path: Path, highways: Sequence[str] | None = None) -> np.ndarray:
    """Centre lines of a GeoJSON file in UTM; those of certain `highway` values, if given."""
    vector_files.require_plain(path)
    table = gpd.read_file(path).to_crs(UTM)
    if highways is not None:
        table = table[table["highway"].isin(highways)]
    lines = table.geometry.explode(index_parts=False).force_2d()
    return np.array([line for line in lines if line.length > 0], dtype=object)


def roads_of(params: Params) -> list[str]:
    """The values of `highway` that make a road in params.yaml."""
    return [
        value
        for rule in params.osm.rules["road"]
        if rule.geometry == "line" and isinstance(rule.tags.get("highway"), list)
        for value in rule.tags["highway"]
    ]


def read_area(folder: Path, name: str, highways: Sequence[str]) -> Area:
    """Read and score one area."""
    lines = read_lines(folder / "spacenetroads" / name), read_lines(folder / "osm" / name, highways)
    graphs = line_graph(list(lines[0])), line_graph(list(lines[1]))
    return Area(Path(name).stem.split("_")[-1], lines, graphs, compare(*graphs, RULES))


def table(areas: Sequence[Area]) -> str:
    """The scores as a Markdown table, all areas pooled, and the mean of their APLS, in the last."""
    head = ("area", "APLS", "SpaceNet → OSM", "OSM → SpaceNet", "completeness", "correctness", "quality")
    head += ("connectivity", "km SpaceNet", "km OSM")
    rows = [f"| {' | '.join(head)} |", f"|---{'|--:' * (len(head) - 1)}|"]
    for name, scores in [
        *((area.name, area.scores) for area in areas),
        ("**all, pooled**", sum((area.scores for area in areas), RoadScores())),
    ]:
        figures = (
            scores.paths.apls,
            scores.paths.reference_to_prediction,
            scores.paths.prediction_to_reference,
            scores.lengths.completeness,
            scores.lengths.correctness,
            scores.lengths.quality,
            scores.connectivity,
        )
        lengths = scores.reference.length_m / 1000, scores.prediction.length_m / 1000
        cells = [f"{value:.3f}" for value in figures] + [f"{value:.2f}" for value in lengths]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows.append(
        f"| **mean** | {np.mean([area.scores.paths.apls for area in areas]):.3f} |{' |' * (len(head) - 2)}"
    )
    return "\n".join(rows)


def draw(path: Path, areas: Sequence[Area]) -> None:
    """All areas side by side: what both have, what OSM lacks, what only OSM has, and lost points."""
    mpl.use("Agg")
    figure = Figure(figsize=(14, 8.2), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    for area, ax in zip(areas, axes, strict=False):
        _draw_area(ax, area)
    key = axes[len(areas)]
    key.axis("off")
    for color, text in (
        (MATCHED, "in both, within 4 m"),
        (MISSED, "in SpaceNet, not in OpenStreetMap"),
        (EXTRA, "in OpenStreetMap, not in SpaceNet"),
    ):
        key.plot([], [], color=color, linewidth=2.5, label=text)
    key.plot(
        [], [], "o", color="black", markersize=4, label="control point of SpaceNet without road of OSM in 4 m"
    )
    key.legend(loc="upper left", frameon=False, fontsize=10)
    source = "SpaceNet roads © DigitalGlobe / SpaceNet, CC BY-SA 4.0\n© OpenStreetMap contributors, ODbL"
    key.text(0.02, 0.36, source, fontsize=8, color="#555555", transform=key.transAxes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=75, metadata={"Software": None})


def _draw_area(ax: Axes, area: Area) -> None:
    spacenet, osm = (shapely.union_all(lines) for lines in area.lines)
    wide = [shapely.buffer(roads, RULES.buffer_m + TIGHT_M, quad_segs=32) for roads in (spacenet, osm)]
    for roads, color in (
        (spacenet.intersection(wide[1]), MATCHED),
        (osm.difference(wide[0]), EXTRA),
        (spacenet.difference(wide[1]), MISSED),
    ):
        for part in shapely.get_parts(roads):
            ax.plot(*part.xy, color=color, linewidth=2.2, solid_capstyle="round")
    points = control_points(area.graphs[0], RULES.apls_spacing_m)
    lost = points[shapely.distance(shapely.points(points), osm) > RULES.apls_snap_m]
    ax.plot(*lost.T, "o", color="black", markersize=3)
    scores = area.scores
    ax.set_title(
        f"{area.name}: APLS {scores.paths.apls:.2f}, complete {scores.lengths.completeness:.2f}, "
        f"correct {scores.lengths.correctness:.2f}\n{len(lost)} of {len(points)} control points without road",
        fontsize=9,
    )
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])


DEFAULT_PICTURE = Path("docs/vegas_roads.png")


def main() -> None:
    """Score, draw, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/vegas"))
    parser.add_argument("picture", nargs="?", type=Path, default=DEFAULT_PICTURE)
    given = parser.parse_args()
    if given.picture != DEFAULT_PICTURE and given.picture.exists():
        sys.exit(f"error: {given.picture} exists; name another file")
    names = sorted(path.name for path in (given.folder / "spacenetroads").glob("*.geojson"))
    if not names:
        sys.exit(f"error: {given.folder} holds no spacenetroads/*.geojson; give the folder of the Vegas data")
    try:
        highways = roads_of(load(paths.PARAMS))
    except PipelineError as error:
        sys.exit(f"error: {error}")
    areas = [read_area(given.folder, name, highways) for name in names]
    draw(given.picture, areas)
    print(table(areas))
    print(json.dumps({area.name: round(area.scores.paths.apls, 4) for area in areas}))


if __name__ == "__main__":
    main()
