"""Addresses of what to look at next."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from urbanseg import paths
from urbanseg.review import suggestions
from urbanseg.review.desk import Desk
from urbanseg.review.refusals import RefusedError, unknown

MOST = 200


def queue(desk: Desk) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()

    @router.get("/api/scenes/{name}/suggestions")
    def suggested(name: str, n: int = 20) -> dict[str, Any]:
        scene = desk.scene(name)
        if not 1 <= n <= MOST:
            raise RefusedError(422, f"n is from 1 to {MOST}")
        log, frame, figures = desk.root / paths.questions(scene.id), desk.frame(scene), desk.figures(scene)
        answered = suggestions.answered_blocks(log)
        found = suggestions.suggest(scene, desk.readers, frame, figures, answered, n)
        ids = [figures.ids[each.number] for each in found]
        suggestions.note(log, [_entry(desk, name, "asked") for name in ids])
        return {
            "blocks": [
                {
                    "id": figures.ids[each.number], "bounds": _bounds(frame, figures.windows[each.number]),
                    "score": round(each.score, 4), "entropy": round(each.uncertainty, 4),
                    "distance": round(each.distance, 4), "split": figures.splits[each.number],
                }
                for each in found
            ]
        }  # fmt: skip

    @router.post("/api/scenes/{name}/suggestions/{block}")
    def answer(name: str, block: str, asked: dict[str, Any]) -> dict[str, Any]:
        scene = desk.scene(name)
        if asked.get("answer") not in suggestions.ANSWERS:
            raise RefusedError(422, f"answer must be one of {', '.join(suggestions.ANSWERS)}")
        figures, log = desk.figures(scene), desk.root / paths.questions(scene.id)
        if block not in figures.ids:
            raise unknown("block of that id")
        suggestions.note(log, [_entry(desk, block, asked["answer"])])
        may = {i for i, split in zip(figures.ids, figures.splits, strict=True) if split != "test"}
        return {"left": len(may - suggestions.answered_blocks(log))}

    return router


def _entry(desk: Desk, block: str, event: str) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"time": now, "user": desk.user, "event": event, "block": block}


def _bounds(frame: Any, window: Any) -> list[float]:
    ring = frame.block_in_degrees(window)
    east, north = zip(*ring, strict=True)
    return [min(east), min(north), max(east), max(north)]
