"""What the server shows: cities of the project, folders that ``urbanseg map`` wrote, and images mapped here.

A scene is a set of files that exist; nothing is read until it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from urbanseg import paths
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.params import Params
from urbanseg.display.stretch import rgb_bands
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.review.frames import Frame, frame_of
from urbanseg.review.readers import Readers

RASTERS = ("scene", "labels", "prediction", "confidence", "probabilities", "entropy", "margin", "split")

COMPOSITES = {
    "true_color": ("True colour", (("b04", "b03", "b02"), ("red", "green", "blue"))),
    "near_infrared": ("Near infrared", (("b08", "b04", "b03"), ("nir", "red", "green"))),
    "short_wave": ("Short-wave infrared", (("b12", "b08", "b04"),)),
}
"""Titles of combinations of bands, and names of the bands for red, green and blue."""


@dataclass(frozen=True)
class Scene:
    """A scene and what is known of it.

    Attributes:
        id: in the addresses of the server.
        title: for people.
        kind: ``city``, ``image`` or ``upload``.
        table: its classes.
        rasters: files by `RASTERS` that may exist.
        map_file: GeoPackage of its polygons and roads.
        item: STAC Item with the licence.
        pixel_m: side of a pixel in metres, of an image that is nowhere.
        block: side of its blocks in pixels.
    """

    id: str
    title: str
    kind: str
    table: ClassTable
    rasters: Mapping[str, Path]
    map_file: Path
    item: Path
    pixel_m: float | None = None
    block: int = 128
    extra: Mapping[str, Any] = field(default_factory=dict)

    def has(self, layer: str) -> bool:
        """Whether a raster exists."""
        return layer in self.rasters and self.rasters[layer].is_file()

    def name_of(self, value: int | None) -> str | None:
        """The class of a pixel value; None if there is none."""
        return next((each.name for each in self.table if each.id == value), None)

    @cached_property
    def main(self) -> Path:
        """The raster on whose grid the others are."""
        return next(self.rasters[name] for name in ("scene", "prediction") if self.has(name))

    def frame(self, readers: Readers) -> Frame:
        """Where it lies."""
        with readers.reading(self.main) as dataset:
            return frame_of(dataset, self.pixel_m)

    @property
    def attribution(self) -> str | None:
        """Whom to credit, or the licence."""
        if not self.item.is_file():
            return None
        found = files.read_json(self.item).get("properties", {})
        text = found.get("attribution") or found.get("license")
        return str(text) if text else None


def city_scene(city: str, params: Params, root: Path = Path()) -> Scene:
    """The scene of a city of params.yaml; of its files those count that exist.

    Args:
        city: its name in params.yaml.
        params: of the project.
        root: folder of the project.

    Raises:
        PipelineError: if there is no such city.
    """
    predicted = root / paths.prediction_dir(city)
    rasters = {
        "scene": root / paths.scene(city),
        "labels": root / paths.labels(city),
        "prediction": root / paths.prediction(city),
        "split": root / paths.split(city),
        **{name: predicted / f"{name}.tif" for name in ("confidence", "probabilities", "entropy", "margin")},
    }
    return Scene(
        city, params.city(city).title, "city", params.class_table, rasters, root / paths.geopackage(city),
        root / paths.item(city), block=params.tiles.block,
    )  # fmt: skip


def map_scene(
    name: str,
    title: str,
    kind: str,
    folder: Path,
    image: Path | None,
    table: ClassTable,
    pixel_m: float | None,
) -> Scene:
    """The scene of a map that ``urbanseg map`` wrote into a folder, and of the image that it is of.

    Args:
        name: id of the scene.
        title: for people.
        kind: ``image`` or ``upload``.
        folder: that holds the map.
        image: that was mapped; None without.
        table: the classes, where the map names none.
        pixel_m: side of a pixel in metres, of an image that is nowhere; None if unknown.

    Raises:
        PipelineError: if the STAC Item of the map names something else than classes.
    """
    rasters = {"prediction": folder / "classes.tif", "confidence": folder / "confidence.tif"}
    if image is not None:
        rasters["scene"] = image
    item = folder / "item.json"
    return Scene(name, title, kind, table_of(item) or table, rasters, folder / "map.gpkg", item, pixel_m)


def table_of(item: Path) -> ClassTable | None:
    """The classes that the STAC Item of a map names; None if it names none.

    Raises:
        PipelineError: if it names something else.
    """
    if not item.is_file():
        return None
    try:
        for asset in files.read_json(item).get("assets", {}).values():
            entries = [e for e in asset.get("classification:classes", ()) if e["value"] != IGNORE]
            if entries:
                ordered = sorted(entries, key=lambda entry: int(entry["value"]))
                return ClassTable(tuple(_class_of(entry) for entry in ordered))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{item} names no classes as urbanseg map does ({error}); map the image again"
        ) from error
    return None


def _class_of(entry: Mapping[str, Any]) -> LandClass:
    color = str(entry.get("color_hint", "808080")).lstrip("#").lower()
    return LandClass(int(entry["value"]), str(entry["name"]), f"#{color}", entry.get("title"))


def describe_bands(scene: Scene, readers: Readers) -> list[dict[str, Any]]:
    """Number and name of each band of the scene but alpha; none of a map without its image."""
    if not scene.has("scene"):
        return []
    with readers.reading(scene.rasters["scene"]) as dataset:
        pairs = zip(dataset.descriptions, dataset.colorinterp, strict=True)
        return [
            {"index": number, "name": text or (color.name if color.name != "undefined" else f"band {number}")}
            for number, (text, color) in enumerate(pairs, start=1)
            if color.name != "alpha"
        ]


def composites(bands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Combinations of bands that the names of a scene's bands allow, the usual one first."""
    if not bands:
        return []
    numbers = {str(band["name"]).lower(): band["index"] for band in bands}
    found = []
    for name, (title, choices) in COMPOSITES.items():
        for wanted in choices:
            if all(band in numbers for band in wanted):
                found.append({"name": name, "title": title, "bands": [numbers[band] for band in wanted]})
                break
    if not any(each["name"] == "true_color" for each in found):
        usual = [bands[number - 1]["index"] for number in rgb_bands([b["name"] for b in bands])]
        found.insert(0, {"name": "usual", "title": "First bands", "bands": usual})
    return found


def require_layer(scene: Scene, layer: str) -> Path:
    """The file of a raster.

    Raises:
        PipelineError: if the scene has none of that name.
    """
    if not scene.has(layer):
        raise PipelineError(f"{scene.id} has no {layer}; run the stage that makes it")
    return scene.rasters[layer]
