"""Origin of a city's data, and its files, for the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urbanseg.config.labels import label_sources
from urbanseg.config.params import CityParams
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
ORIGINS = {
    "osm": "© OpenStreetMap contributors, ODbL",
    "raster": "a classified raster",
    "vector": "annotation or survey data",
    "masks": "masks that belong to the images",
    "polygons": "polygons that belong to the images",
    "corrections": "corrections that people drew",
}
"""What labels of each source are made from."""
SIMULATED_OSM = "the made-up city's own map, in OpenStreetMap's format"
OMITTED = frozenset(
    {"created", "updated", "simulated", "datetime", "start_datetime", "end_datetime", "proj:transform"}
)
"""Dates of the run, which would change the page with each run, and what the page shows elsewhere."""


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
    """Whether a STAC Item marks its scene as simulated."""
    return bool(item.get("properties", {}).get("simulated", False))


def facts(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Properties of a scene's STAC Item as names and values, nested values left out."""
    properties = dict(item.get("properties", {}))
    providers = properties.pop("providers", [])
    found = [("product", str(item["id"]))] if "id" in item else []
    if providers:
        found.append(("provided by", ", ".join(p["name"] for p in providers)))
    found.append(("acquired", _acquired(properties)))
    for key, value in properties.items():
        parts = value if isinstance(value, list) else [value]
        if key not in OMITTED and not any(part is None or isinstance(part, dict | list) for part in parts):
            name = KNOWN.get(key, humanize(key.split(":")[-1]))
            found.append((name, ", ".join(_format(part) for part in parts)))
    return found


def label_origin(city: CityParams, *, simulated: bool) -> str:
    """What the labels were made from, in words, the first of several layers first.

    OpenStreetMap is named, as its licence asks, if and only if labels are its own.
    """
    sources = label_sources(city.labels).values()
    origins = [
        SIMULATED_OSM
        if source.source == "osm" and simulated and city.scene.provider == "simulated"
        else ORIGINS[source.source]
        for source in sources
    ]
    return ", then ".join(dict.fromkeys(origins))


def require(path: Path, stage: str) -> Path:
    """`path`, if it exists.

    Raises:
        PipelineError: naming the stage that makes it.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; make it with: dvc repro {stage}")
    return path


def _acquired(properties: Mapping[str, Any]) -> str:
    """When a scene was acquired: a date, a range, or unknown, which is stored as an endless range."""
    if moment := properties.get("datetime"):
        return str(moment)
    start, end = properties.get("start_datetime"), properties.get("end_datetime")
    return f"{start} to {end}" if start and end and not end.startswith("9999") else "unknown"


def _format(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
