"""What the page is told of each layer that a scene has: its kind, its title, its legend."""

from typing import Any

from urbanseg.classes import ClassTable
from urbanseg.grid import SPLITS
from urbanseg.report.pictures import ERROR_COLORS, SPLIT_COLORS
from urbanseg.review.scenes import Scene
from urbanseg.review.tiles import SHARE_RAMP

TITLES = {
    "scene": "Scene",
    "labels": "Labels",
    "prediction": "Prediction",
    "confidence": "Confidence",
    "entropy": "Entropy",
    "margin": "Margin",
    "errors": "Errors",
    "split": "Split",
}

KINDS = {
    "scene": "raster", "labels": "classes", "prediction": "classes", "confidence": "share",
    "entropy": "share", "margin": "share", "errors": "errors", "split": "split",
}  # fmt: skip


def describe_layers(scene: Scene) -> list[dict[str, Any]]:
    """The rasters of a scene, in the order in which they are listed."""
    found = []
    for name, title in TITLES.items():
        is_there = scene.has(name)
        if name == "errors":
            is_there = scene.has("labels") and scene.has("prediction")
        if is_there:
            found.append({"name": name, "kind": KINDS[name], "title": title} | _legend(KINDS[name]))
    return found


def classes(table: ClassTable) -> list[dict[str, Any]]:
    """The class table for the page."""
    return [{"id": c.id, "name": c.name, "title": c.title, "color": c.color} for c in table]


def _legend(kind: str) -> dict[str, Any]:
    if kind == "share":
        steps = [index / (len(SHARE_RAMP) - 1) for index in range(len(SHARE_RAMP))]
        return {"legend": [[step, _hex(color)] for step, color in zip(steps, SHARE_RAMP, strict=True)]}
    if kind == "errors":
        return {"legend": _named(("right", "wrong"), ERROR_COLORS)}
    return {"legend": _named(SPLITS, SPLIT_COLORS)} if kind == "split" else {}


def _named(names: tuple[str, ...], colors: Any) -> list[dict[str, str]]:
    return [{"label": name, "color": _hex(color)} for name, color in zip(names, colors, strict=False)]


def _hex(color: tuple[int, ...]) -> str:
    return "#" + bytes(color[:3]).hex()
