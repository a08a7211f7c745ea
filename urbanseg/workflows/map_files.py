"""The files of an image's map: vector layers, zones, the STAC Item, the report."""

import warnings
from collections.abc import Collection, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, count
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray

from urbanseg.calibration.forecast import Estimate
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.addresses import address
from urbanseg.infer.images import common_name
from urbanseg.io.files import sha256
from urbanseg.mapping.export import About, map_files, write_map
from urbanseg.mapping.styles import layer_styles, outlines_qml, style_table
from urbanseg.mapping.vector_layers import reproducible_writing, write_layer
from urbanseg.paths import MAP_ENDINGS
from urbanseg.report import image_page
from urbanseg.report.image_page import UNITS, ImageReport, amount
from urbanseg.report.pictures import true_color, wording
from urbanseg.workflows.map_frame import Frame, reading_on
from urbanseg.workflows.map_model import RunningModel
from urbanseg.workflows.map_result import PROJECT_FILE, Mapped
from urbanseg.workflows.model_input.image import ModelInput
from urbanseg.workflows.model_input.sources import Source

NAME = "map"
"""Of the vector files, without their endings."""

NEED_A_PLACE = ("geojson", "pmtiles")
"""Formats that are in degrees by their own rules."""

PICTURE_PX = 2048
"""Longest side of the pictures of the report."""

WHAT = {
    "classes.tif": "classes, one band",
    "confidence.tif": "confidence, 0 to 254 for 0 to 1",
    "set.tif": "how many classes each pixel may have, and which",
    "preview.png": "the classes as a picture",
    "zones.csv": "areas by class in each zone",
    "item.json": "STAC Item",
    PROJECT_FILE: "QGIS project of the map and, from where it lies, the image: move them together",
} | {
    f"{NAME}{MAP_ENDINGS[key]}": what
    for key, what in {
        "gpkg": "polygons and roads, with styles for QGIS",
        "parquet": "polygons as GeoParquet",
        "fgb": "polygons as FlatGeobuf",
        "geojson": "polygons as GeoJSON",
        "shapefile": "polygons as a Shapefile",
        "pmtiles": "vector tiles",
    }.items()
    if key in MAP_ENDINGS
}
"""The files that people look for, and what they hold."""


def write_vectors(
    folder: Path,
    layers: Mapping[str, gpd.GeoDataFrame],
    formats: Collection[str],
    frame: Frame,
    table: ClassTable,
    about: About,
) -> None:
    """Write the layers of a map in some formats; see `urbanseg.mapping.export.write_map`."""
    made = folder / "vectors"
    pixel = frame.pixel_m or 1.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # it is said in a sentence of ours
        write_map(made, NAME, layers, layer_styles(table), formats, pixel, about, table)
    for path in sorted(made.iterdir()):
        path.rename(folder / path.name)
    made.rmdir()


def write_zones(folder: Path, zones: gpd.GeoDataFrame) -> None:
    """Write zones.csv, and a layer into the GeoPackage, if there is one."""
    zones.drop(columns="geometry").to_csv(folder / "zones.csv", index=False, encoding="utf-8")
    package = map_files(folder, NAME)["gpkg"]
    if package.exists():
        with reproducible_writing(package):
            write_layer(
                _columns_free(zones),
                package,
                "zones",
                title="Zones",
                geometry_type="MultiPolygon",
                append=True,
            )
            write_layer(style_table({"zones": outlines_qml()}), package, "layer_styles", append=True)


def _columns_free(zones: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Zones with names of columns that a GeoPackage takes: it tells no case, and has its own fid and geom."""
    taken, renamed = {"fid", "geom"}, dict[str, str]()
    for name in zones.columns.drop("geometry"):
        numbered = (f"{name}_{number}" for number in count(1))
        renamed[name] = next(each for each in chain([name], numbered) if each.lower() not in taken)
        taken.add(renamed[name].lower())
    return zones.rename(columns=renamed)


def picture(image: ModelInput, model: RunningModel) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Red, green and blue of an image, or a grey band, for a screen; and which pixels are valid."""
    values = image.decimated(PICTURE_PX)
    names = [common_name(band) for band in model.spec.bands]
    wanted = [names.index(name) for name in ("red", "green", "blue") if name in names]
    shown = values[wanted if len(wanted) == 3 else range(3) if len(names) >= 3 else [0]]
    return np.asarray(shown.data), np.asarray(~np.ma.getmaskarray(values).all(axis=0))


def small(path: Path, frame: Frame) -> NDArray[np.uint8]:
    """A raster of codes at the size of the picture, ``(height, width)`` uint8, `IGNORE` where unknown."""
    with reading_on(path, frame.grid) as codes:
        return np.asarray(codes.decimated(PICTURE_PX)[0].filled(IGNORE), np.uint8)


def page(
    folder: Path,
    mapped: Mapped,
    model: RunningModel,
    shown: tuple[NDArray[Any], NDArray[np.bool_]],
    facts: list[tuple[str, str]],
    files: Collection[str],
) -> str:
    """The report as HTML.

    Args:
        folder: with classes.tif and confidence.tif.
        mapped: the map.
        model: that made it.
        shown: the image, of `picture`.
        facts: the provenance.
        files: names of the files of the map.
    """
    frame = mapped.frame
    codes = small(folder / "classes.tif", frame)
    rgb = true_color(*shown, codes != IGNORE)
    return image_page.render(
        ImageReport(
            title=mapped.name,
            picture=rgb,
            classes=codes,
            confidence=small(folder / "confidence.tif", frame),
            table=model.table,
            areas=mapped.figures.areas,
            unknown=mapped.figures.unknown,
            unit=frame.unit,
            means=mapped.figures.confidence,
            histogram=mapped.figures.histogram,
            familiarity=mapped.familiarity,
            forecast=""
            if mapped.forecast is None
            else told(mapped.forecast, is_familiar=_is_familiar(mapped)),
            pixel_m=None if frame.pixel_m is None else frame.pixel_m * frame.grid.width / codes.shape[1],
            figures=_headline(mapped),
            facts=facts,
            files=[(name, what) for name, what in WHAT.items() if name in files],
            zones=[] if mapped.zones is None else zone_rows(mapped.zones),
        )
    )


def _is_familiar(mapped: Mapped) -> bool:
    doubts = mapped.familiarity
    return doubts.score is None or doubts.score < doubts.edge


def told(forecast: Estimate, *, is_familiar: bool) -> str:
    """What is expected of a map, in a sentence.

    Args:
        forecast: its mean IoU.
        is_familiar: whether the image is like the training, for which alone the interval stands.
    """
    doubt = "" if is_familiar else "; the image is unlike the training, so it may be far lower"
    return (
        f"expected mean IoU {forecast.miou:.2f} ({forecast.low:.2f} to {forecast.high:.2f}), from how "
        f"confident the model is; nobody has checked it{doubt}"
    )


def _headline(mapped: Mapped) -> list[tuple[str, str]]:
    """What the page says first."""
    unit, figures = mapped.frame.unit, mapped.figures
    total = sum(figures.areas.values())
    largest = max(figures.areas, key=lambda name: figures.areas[name])
    label = wording(mapped.table)(largest)
    expected = mapped.forecast
    said = [
        (f"mapped, {UNITS[unit]}", amount(total, unit)),
        (f"most of it: {label}", f"{100 * figures.areas[largest] / total:.0f} %"),
    ]
    if expected is not None:
        said.append(("expected mean IoU", f"{expected.miou:.2f} ({expected.low:.2f}–{expected.high:.2f})"))
    if mapped.layers:
        said.append(("polygons", f"{len(mapped.layers['land_cover']):,}".replace(",", "\u202f")))
        length = mapped.road_length
        roads = f"{length:,.0f} px" if unit == "px" else f"{length / 1000:,.1f} km"
        said.append(("roads", roads.replace(",", "\u202f")))
    return said


def facts(mapped: Mapped, model: RunningModel, source: Source) -> list[tuple[str, str]]:
    """The provenance of a map, in words.

    Args:
        mapped: the map.
        model: that made it.
        source: the files that it was made of; only their names are told.
    """
    frame, options = mapped.frame, model.options
    height, width = frame.grid.shape
    found = [("image", _names(source)), ("pixels", f"{width} × {height}")]
    if frame.pixel_m is not None:
        found.append(("pixel size", f"{frame.pixel_m:.4g} m"))
    crs = frame.crs
    found.append(("coordinates", "none" if crs is None else ":".join(crs.to_authority() or [crs.name])))
    found += [(f"SHA-256 of {name}", digest) for name, digest in _digests(source).items()]
    return [
        *found,
        *mapped.found,
        ("model", f"{model.name}: {model.spec.arch}, {model.spec.encoder}"),
        ("SHA-256 of the model", model.sha256),
        ("bands of the model", ", ".join(model.spec.bands)),
        ("run by", f"{options.backend}, windows of {options.size} px, overlap {options.overlap} px"),
        ("versions", ", ".join(f"{name} {number}" for name, number in versions().items())),
    ]


def properties(mapped: Mapped, model: RunningModel, source: Source) -> dict[str, Any]:
    """Properties of the STAC Item of a map.

    Args:
        mapped: the map.
        model: that made it.
        source: the files that it was made of; only their names are told.
    """
    known: dict[str, Any] = {
        "title": mapped.name,
        "processing:lineage": f"land cover predicted from {_names(source)} by the model {model.name}",
        "processing:software": versions(),
        "source:sha256": _digests(source),
        "model:name": model.name,
        "model:sha256": model.sha256,
        "gsd": mapped.frame.pixel_m,
        "urbanseg:expected_miou": mapped.forecast and round(mapped.forecast.miou, 4),
        "urbanseg:expected_miou_interval": mapped.forecast
        and [round(mapped.forecast.low, 4), round(mapped.forecast.high, 4)],
        "urbanseg:distance_from_training": mapped.familiarity.score,
        "urbanseg:warnings": list(mapped.familiarity.warnings) or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def versions() -> dict[str, str]:
    """Versions of what made a map."""
    found = {"urbanseg": "checkout", "gdal": str(rasterio.__gdal_version__)}
    for name in ("urbanseg", "onnxruntime"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _names(source: Source) -> str:
    return ", ".join(file.name for file in source.files)


def _digests(source: Source) -> dict[str, str]:
    """SHA-256 of the files on this machine, by name."""
    return {file.name: sha256(file) for file in source.files if not address(file)}


def zone_rows(zones: gpd.GeoDataFrame, most: int = 200) -> list[list[str]]:
    """The table of zones for the page, at most so many rows; the file has all."""
    plain = zones.drop(columns="geometry")
    rows = [[f"{v:,.1f}".replace(",", "\u202f") if isinstance(v, float) else str(v) for v in row]
            for row in plain.head(most).itertuples(index=False)]  # fmt: skip
    more = [[f"… and {len(plain) - most} more in zones.csv"]] if len(plain) > most else []
    return [list(map(str, plain.columns)), *rows, *more]
