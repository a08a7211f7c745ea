"""Where a city's data came from and where its files lie, as the page says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urbanseg.errors import PipelineError
from urbanseg.io.files import sha256
from urbanseg.report.pictures import humanize

KNOWN = {
    "eo:cloud_cover": "cloud cover (%)",
    "gsd": "ground sample distance (m)",
    "proj:code": "coordinate system",
    "proj:shape": "height, width (pixels)",
    "s2:processing_baseline": "processing baseline",
}
"""Names of STAC properties in plain words; others are named after their key."""
OMITTED = frozenset(
    {"created", "updated", "simulated", "datetime", "start_datetime", "end_datetime", "proj:transform"}
)
"""Dates of this run, which would change the page with each one, and what is said in other words."""


@dataclass(frozen=True)
class Artefact:
    """A file of the pipeline: path from the project's folder, what it is, and its fingerprint if known."""

    path: Path
    what: str
    sha256: str | None = None
    size: int | None = None

    @property
    def size_text(self) -> str:
        """The size in kB or MB."""
        if self.size is None:
            return ""
        return f"{self.size / 1e6:.1f} MB" if self.size >= 1e6 else f"{self.size / 1e3:.1f} kB"


def fingerprint(path: Path, what: str) -> Artefact:
    """An artefact with the size and SHA-256 of the file, read as a stream."""
    return Artefact(path, what, sha256(path), path.stat().st_size)


def is_simulated(item: Mapping[str, Any]) -> bool:
    """Whether a STAC Item says that its scene is simulated."""
    return bool(item.get("properties", {}).get("simulated", False))


def facts(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a STAC Item says of a scene, as names and values; nested values are left to the file."""
    properties = dict(item.get("properties", {}))
    providers = properties.pop("providers", [])
    found = [("product", str(item["id"]))] if "id" in item else []
    if providers:
        found.append(("provided by", ", ".join(p["name"] for p in providers)))
    found.append(("acquired", _moment(properties)))
    for key, value in properties.items():
        parts = value if isinstance(value, list) else [value]
        if key not in OMITTED and not any(part is None or isinstance(part, dict | list) for part in parts):
            name = KNOWN.get(key, humanize(key.split(":")[-1]))
            found.append((name, ", ".join(_say(part) for part in parts)))
    return found


def require(path: Path, stage: str) -> Path:
    """`path`, if it exists.

    Raises:
        PipelineError: naming the stage that makes it.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; make it with: dvc repro {stage}")
    return path


def _moment(properties: Mapping[str, Any]) -> str:
    """When a scene was taken: a date, a range, or unknown, which the scene stage says by an endless one."""
    if moment := properties.get("datetime"):
        return str(moment)
    start, end = properties.get("start_datetime"), properties.get("end_datetime")
    return f"{start} to {end}" if start and end and not end.startswith("9999") else "unknown"


def _say(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
