"""Curves: those of the training are read from the files that it writes; all are drawn as inline SVG.

Written as SVG here rather than by matplotlib, so that the lines take the page's colours in
light and dark mode, and have a text for screen readers.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import MappingProxyType

from markupsafe import Markup

from urbanseg.report.pictures import Wording, humanize

Series = Sequence[tuple[float, float]]
"""Points ``(step, value)`` in the order of the steps."""
NO_COLORS: Mapping[str, str] = MappingProxyType({})
Place = Callable[[float, float], tuple[float, float]]

WIDTH, HEIGHT = 520, 270
"""Size of a chart in the units of its view box."""
LEFT, RIGHT, TOP, BOTTOM = 68, 16, 10, 58
"""Margins of the plot area, likewise."""
WHOSE = {"train": "training", "val": "validation"}
"""Folders of curves in plain words."""
KINDS = 4
"""Strokes that the page has for lines without a class; further ones start again."""
STEPS = (1, 2, 2.5, 5, 10)
"""Distances between ticks that read as round, times a power of ten."""


def read_curves(folder: Path, wording: Wording = humanize) -> dict[str, dict[str, Series]]:
    """Curves under `folder`, by what they measure, then by whose they are: ``{"loss": {"training": …}}``.

    Training writes ``plots/metrics/<where>/<what>.tsv`` with the columns step (from 0; the
    epochs of the page count from 1) and value. ``iou_<class>`` is the IoU of that class, which
    is named by `wording`.
    Values that are not finite are left out, and curves that have no others.
    """
    root = folder / "plots" / "metrics"
    curves: dict[str, dict[str, Series]] = defaultdict(dict)
    for path in sorted(root.rglob("*.tsv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        points = [(float(row["step"]) + 1, float(row[path.stem] or "nan")) for row in rows]
        if finite := [point for point in points if math.isfinite(point[1])]:
            of_class = path.stem.startswith("iou_")
            what, whose = path.stem.split("_", 1) if of_class else (path.stem, path.parent.name)
            curves[what][wording(whose) if of_class else WHOSE.get(whose, humanize(whose))] = finite
    return dict(curves)


def chart(
    title: str,
    series: Mapping[str, Series],
    *,
    by: str = "epoch",
    up: str = "",
    colors: Mapping[str, str] = NO_COLORS,
    xs: Sequence[float] = (),
    ys: Sequence[float] = (),
) -> Markup:
    """A line chart, over the epochs unless said otherwise, as an ``<svg>`` element with titles of both axes.

    The parts carry classes (``grid``, ``line-0``, ``line-1`` …), by which the page gives them their
    strokes. A line of a land-cover class has the colour of the class, with an edge that shows on any ground.

    Args:
        title: what is measured.
        series: one line each, by its name; at least one, each with a point.
        by: what lies on the horizontal axis.
        up: what lies on the vertical one; the title if empty.
        colors: of the series that are classes.
        xs: ticks of the horizontal axis; whole numbers around the data if empty.
        ys: ticks of the vertical axis; round numbers around the data if empty.

    Returns:
        Safe markup, to be placed into the page.
    """
    xs = xs or ticks(*_range(series, 0), whole=True)
    ys = ys or ticks(*_range(series, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        right = (x - xs[0]) / (xs[-1] - xs[0]) * (WIDTH - LEFT - RIGHT)
        up = (y - ys[0]) / (ys[-1] - ys[0]) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + right, 1), round(HEIGHT - BOTTOM - up, 1)

    ends = [f"{name or title} from {line[0][1]:.3g} to {line[-1][1]:.3g}" for name, line in series.items()]
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{} by {}: {}">').format(
        WIDTH, HEIGHT, humanize(title), by, "; ".join(ends)
    )
    lines = Markup("").join(
        _line(name or title, line, place, kind)
        for (name, line), (_, kind) in zip(series.items(), keys(series, colors), strict=True)
    )
    return head + _axes(xs, ys, place) + _titles(by, up or humanize(title)) + lines + Markup("</svg>")


def keys(series: Iterable[str], colors: Mapping[str, str] = NO_COLORS) -> list[tuple[str, str | int]]:
    """Each series with its colour, if it is a class, or else the number of its stroke."""
    others = count()
    return [(name, colors[name] if name in colors else next(others) % KINDS) for name in series]


def ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers, about `count` (whole ones, if asked), that enclose ``low … high``; at least two.

    >>> ticks(0.13, 0.87)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]

    Args:
        low: smallest value.
        high: largest value.
        count: about how many intervals.
        whole: whether all ticks are whole numbers.

    Returns:
        Ascending ticks.
    """
    if high <= low:
        low, high = low - 0.5, low + 0.5
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(s for s in STEPS if s * power >= rough * (1 - 1e-9))
    if whole:
        step = max(1, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = 1 - math.floor(math.log10(step))
    return [round(i * step, digits) for i in range(first, last + 1)]


def _range(series: Mapping[str, Series], axis: int) -> tuple[float, float]:
    values = [point[axis] for line in series.values() for point in line]
    return min(values), max(values)


def _axes(xs: Sequence[float], ys: Sequence[float], place: Place) -> Markup:
    """Horizontal grid lines with their values, and the values of the horizontal axis below."""
    rule = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    text = Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{:g}</text>')
    parts = []
    for y in ys:
        left, height = place(xs[0], y)
        parts += [
            rule.format(left, WIDTH - RIGHT, height, height),
            text.format(left - 8, height + 4, "end", y),
        ]
    parts += [text.format(place(x, ys[0])[0], HEIGHT - BOTTOM + 20, "middle", x) for x in xs]
    return Markup("").join(parts)


def _titles(across: str, up: str) -> Markup:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return Markup(
        '<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="axis" transform="translate(16 {}) rotate(-90)" text-anchor="middle">{}</text>'
    ).format((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, middle, up)


def _line(name: str, line: Series, place: Place, kind: str | int) -> Markup:
    """One series, with a dot at its last point; `kind` from `keys`."""
    spots = [place(x, y) for x, y in line]
    path = " ".join(f"{x},{y}" for x, y in spots)
    if isinstance(kind, str):
        edge = Markup('<polyline class="edge" points="{}"/>').format(path)
        group, paint = "of-class", Markup(' style="--class: {}"').format(kind)
    else:
        edge, group, paint = Markup(), f"line-{kind}", Markup()
    return Markup(
        '<g class="{group}"{paint}><title>{name}</title>{edge}<polyline class="series" points="{path}"/>'
        '<circle class="dot" cx="{x}" cy="{y}" r="3.5"/></g>'
    ).format(group=group, paint=paint, name=name, edge=edge, path=path, x=spots[-1][0], y=spots[-1][1])
