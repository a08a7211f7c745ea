"""Addresses of what is decided for the project: thresholds, and the colours and titles of classes."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from urbanseg.classes import ClassTable
from urbanseg.config.overlay import overlaid
from urbanseg.review import thresholds
from urbanseg.review.desk import Desk
from urbanseg.review.frames import parse_bounds
from urbanseg.review.layers import classes
from urbanseg.review.refusals import RefusedError
from urbanseg.workflows.params_file import edit

COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
LONGEST_TITLE = 100


def decide(desk: Desk) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()

    @router.get("/api/scenes/{name}/areas")
    def areas(
        name: str, bounds: str, least: Annotated[str, Query(alias="min")] = "", clean: str = "none",
        clean_px: int = 1,
    ) -> dict[str, Any]:  # fmt: skip
        scene = desk.scene(name)
        if not scene.has("probabilities"):
            raise RefusedError(422, thresholds.UNAVAILABLE)
        settings = thresholds.parse(scene.table, least, clean, clean_px)
        try:
            box = parse_bounds(bounds)
        except ValueError as error:
            raise RefusedError(422, "bounds are west,south,east,north in degrees") from error
        window = desk.frame(scene).window_of(box)
        if window is None:
            raise RefusedError(422, "the view shows nothing of the scene; move the map")
        return thresholds.areas(scene, desk.readers, desk.frame(scene).grid, window, settings)

    @router.post("/api/thresholds")
    def apply(asked: dict[str, Any]) -> dict[str, str]:
        require_project(desk)
        edit(desk.file, lambda text: overlaid(text, threshold_overlay(asked, desk.table()), "the request"))
        return {"written": desk.file.name}

    @router.post("/api/classes")
    def save(asked: dict[str, dict[str, Any]]) -> dict[str, Any]:
        require_project(desk)
        edit(desk.file, lambda text: overlaid(text, class_overlay(asked, desk.table()), "the request"))
        return {"classes": classes(desk.table())}

    return router


def require_project(desk: Desk) -> None:
    """Refuse what is stored in params.yaml where there is none.

    Raises:
        RefusedError: if the server runs outside of a project.
    """
    if not desk.file.is_file():
        raise RefusedError(422, "there is no params.yaml to write to; start urbanseg review in a project")


def threshold_overlay(asked: Mapping[str, Any], table: ClassTable) -> str:
    """Thresholds as an overlay of params.yaml.

    Args:
        asked: ``min_confidence`` by class, ``clean``, ``clean_px``; what is missing stays as it is.
        table: the classes.

    Raises:
        RefusedError: if they are none.
    """
    least = asked.get("min_confidence", {})
    clean, clean_px = asked.get("clean", "none"), asked.get("clean_px", 1)
    is_number = isinstance(least, dict) and all(isinstance(v, int | float) for v in least.values())
    if not is_number or not isinstance(clean_px, int):
        raise RefusedError(422, "min_confidence is an object of shares by class, and clean_px a whole number")
    pairs = ",".join(f"{name}:{value}" for name, value in least.items())
    thresholds.parse(table, pairs, str(clean), clean_px)
    kept = {name: float(value) for name, value in least.items() if value > 0}
    lines = ["predict:"]
    if "min_confidence" in asked:
        lines.append(
            f"  min_confidence: {{{', '.join(f'{name}: {value:g}' for name, value in kept.items())}}}"
        )
    lines += [f"  {key}: {asked[key]}" for key in ("clean", "clean_px") if key in asked]
    if len(lines) == 1:
        raise RefusedError(422, "the request names no threshold")
    return "\n".join(lines) + "\n"


def class_overlay(asked: Mapping[str, Mapping[str, Any]], table: ClassTable) -> str:
    """Colours and titles of classes as an overlay of params.yaml; what is not named stays.

    Raises:
        RefusedError: if there is no such class, or a colour is none.
    """
    lines = ["classes:"]
    known = {each.name: each for each in table}
    for name, change in asked.items():
        if name not in known:
            raise RefusedError(422, f"there is no class {name[:40]!r}")
        old = known[name]
        color, title = change.get("color", old.color), change.get("title", old.title)
        if not isinstance(color, str) or not COLOR.fullmatch(color):
            raise RefusedError(422, "a colour is such as #bb2e12")
        if title is not None and (not isinstance(title, str) or len(title) > LONGEST_TITLE):
            raise RefusedError(422, f"a title is a text of {LONGEST_TITLE} characters at most")
        parts = [f"id: {old.id}", f'color: "{color.lower()}"']
        parts += [f"title: {json.dumps(title, ensure_ascii=True)}"] if title else []
        parts += [f"kind: {old.kind}"] if old.kind else []
        lines.append(f"  {name}: {{{', '.join(parts)}}}")
    if len(lines) == 1:
        raise RefusedError(422, "the request names no class")
    return "\n".join(lines) + "\n"
