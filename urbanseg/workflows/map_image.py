"""The map of an image: rasters, polygons, roads, areas and a report, by a model that is trained already.

`map_image` is what `urbanseg.map_image` is for people who write Python; ``urbanseg map`` calls `map_into`.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from urbanseg.errors import PipelineError
from urbanseg.infer import outputs
from urbanseg.infer.familiarity import Ground, require_familiar, require_familiar_ground
from urbanseg.infer.scene import predict_scene
from urbanseg.io import files, georeference, raster
from urbanseg.io.output_folder import output_folder
from urbanseg.mapping.export import About
from urbanseg.mapping.stac_item import map_item
from urbanseg.model.domain import STOP, WARN, Domain
from urbanseg.report.image_page import Familiarity
from urbanseg.report.pictures import colorize, png
from urbanseg.workflows import map_files
from urbanseg.workflows.map_frame import Frame, figures_of, frame_of, layers_of, open_map, reading_on
from urbanseg.workflows.map_model import Models, RunningModel
from urbanseg.workflows.map_project import write_map_project
from urbanseg.workflows.map_result import PROJECT_FILE, Mapped, MapResult, Wishes
from urbanseg.workflows.map_zones import measured, read_zones
from urbanseg.workflows.model_input import sources
from urbanseg.workflows.model_input.image import InputReport
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.model_input.resampling import resolution
from urbanseg.workflows.model_input.sources import Source

log = logging.getLogger(__name__)


def map_image(
    path: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    model: str | Path | None = None,
    formats: Sequence[str] = ("gpkg", "parquet"),
    zones: str | Path | None = None,
    bands: str | None = None,
    scale: str | None = None,
    mask: str | None = None,
    pixel_m: float | None = None,
    backend: str | None = None,
    force: bool = False,
    overwrite: bool = False,
) -> MapResult:
    """Map the land cover of an image.

    Args:
        path: a raster file that GDAL opens, an address (``https://…``), or the files of a scene's bands.
        out: folder for the files of ``urbanseg map``; None to write none.
        model: name of the registry, folder of a model, or ``project`` for that of the project in this
            folder; None for the model of the registry that fits the bands and the size of the pixels.
        formats: vector formats to write, of `map_result.FORMATS`.
        zones: a vector file with polygons, in each of which classes are measured.
        bands: such as ``red=1,green=2,blue=3``; None to find them.
        scale: such as ``10`` or ``1,-1000``: factor, and what is added, to the units of the model's
            training; None to tell it.
        mask: such as ``SCL.tif`` or ``cloud=clouds.tif``; None for one that lies beside the image.
        pixel_m: side of a pixel in metres of an image that does not say where it lies.
        backend: ``torch``, ``onnx``, ``openvino`` or ``openvino_int8``; None to choose.
        force: map an image that would be refused, with a warning.
        overwrite: write into a folder that holds other files.

    Returns:
        The map; its arrays are as large as the image.

    Raises:
        PipelineError: in one sentence, if the image cannot be mapped, and why.
    """
    given = [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]
    found = sources.gather(given, numbered=bands is not None)
    if len(found) > 1:
        names = ", ".join(image.name for image in found[:3])
        raise PipelineError(f"{len(found)} images are given ({names} …); map_image takes one at a time")
    wishes = Wishes(
        {"classes", "confidence", "set", "report", "item", "project", *formats},
        None if zones is None else Path(zones),
        bands, scale, mask, pixel_m, force, tables=True,
    )  # fmt: skip
    running = Models(model, backend).for_image(found[0], wishes)
    if out is not None:
        with output_folder(Path(out), overwrite=overwrite) as folder:
            return _loaded(map_into(found[0], folder, running, wishes, Path(out)), folder, Path(out))
    wishes = replace(wishes, outputs={"classes", "confidence"})
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        return _loaded(map_into(found[0], folder, running, wishes, folder), folder, None)


def map_into(source: Source, folder: Path, model: RunningModel, wishes: Wishes, home: Path) -> Mapped:
    """Map an image into an existing folder; memory is bounded by a strip, and by the polygons.

    Args:
        source: the files of an image.
        folder: empty.
        model: that maps it.
        wishes: what is written.
        home: where the folder will lie.

    Raises:
        PipelineError: in one sentence, if the image cannot be mapped, and why.
    """
    with _warnings(source) as warnings:
        zones = None if wishes.zones is None else read_zones(wishes.zones)
        seen = _predict(source, folder, model, wishes)
        frame = seen.frame
        _tell_what_is_unknown(frame, model)
        formats = _possible(wishes.formats, frame)
        with open_map(folder, frame, model.table) as found:
            figures = figures_of(found, frame)
            if not any(figures.areas.values()):
                raise PipelineError(
                    f"{source.files[0]} holds no pixel that can be mapped: all is nodata or masked; name "
                    "another image"
                )
            layers = layers_of(found, frame) if formats or wishes.tables else {}
            if zones is not None:
                zones = measured(zones, found)
    name = wishes.title or seen.name
    distance = None if seen.judged is None else seen.judged.score
    doubts = Familiarity(tuple(dict.fromkeys(warnings)), distance, WARN, STOP)
    said = _found(seen.report, source)
    forecast = model.calibration.forecast(figures.counts) if model.calibration else None
    if forecast is not None:
        log.info("%s", map_files.told(forecast, is_familiar=distance is None or distance < WARN))
    mapped = Mapped(name, frame, model.table, model.name, figures, layers, zones, doubts, said, forecast)
    if formats:
        about = About(name, wishes.properties.get("attribution", ""))
        map_files.write_vectors(folder, layers, formats, frame, model.table, about)
    if zones is not None:
        map_files.write_zones(folder, zones)
    _describe(folder, mapped, model, wishes, source, seen.shown)
    if "project" in wishes.outputs:
        write_map_project(folder, home, mapped, source)
    return mapped


@dataclass(frozen=True)
class _Predicted:
    """What is known of an image once its rasters are written."""

    frame: Frame
    name: str
    report: InputReport
    judged: Domain | None
    shown: Any
    """Of the image and its map, for the report; None without one."""


def _predict(source: Source, folder: Path, model: RunningModel, wishes: Wishes) -> _Predicted:
    """Write the classes and the confidence of an image, strip by strip; see `map_into`."""
    image = source.files[0]
    with (
        raster.small_cache(),
        open_for_model(
            source, model.spec, bands=wishes.bands, scale=wishes.scale, mask=wishes.mask,
            pixel_m=wishes.pixel_m, force=wishes.force, drafts=folder,
        ) as opened,
    ):  # fmt: skip
        frame = frame_of(opened.own, is_placed=opened.report.is_placed, pixel_m=opened.report.pixel_m)
        if wishes.zones is not None and not frame.is_placed:
            raise PipelineError(
                f"{image} does not say where it lies, so no zones can be laid on it; leave out --zones, "
                "or give the image its place, for example with gdal_edit.py -a_srs -a_ullr"
            )
        judged = require_familiar(
            opened, opened.bands, model.spec, model.known, image.name, force=wishes.force
        )
        ground, options = Ground(opened.grid.shape), model.options_with_sets(wanted="set" in wishes.outputs)
        rest, roads = model.table.rest, [c.name for c in model.table.of_kind("road")]
        strips = predict_scene(
            opened, opened.bands, model.predict, model.spec.classes, options,
            rest=rest, roads=roads, calibration=model.calibration,
        )  # fmt: skip
        strips = ground.watched(strips)
        outputs.write(folder, frame.grid, opened.back(strips), model.table, options)
        judged = require_familiar_ground(
            judged, ground, opened, opened.bands, model.spec, model.known, image.name, force=wishes.force
        )
        shown = map_files.picture(opened, model) if "report" in wishes.outputs else None
        return _Predicted(frame, opened.name, opened.report, judged, shown)


def _tell_what_is_unknown(frame: Frame, model: RunningModel) -> None:
    if not frame.is_placed:
        log.warning("it does not say where it lies, so the map has no coordinate reference system")
    if frame.pixel_m is None:
        trained = resolution(model.spec)
        taken = "" if trained is None else f"; the model takes them for {trained:g} m"
        log.warning(
            "the size of its pixels is unknown, so areas and lengths are in pixels%s (--pixel-m says it)",
            taken,
        )


def _describe(
    folder: Path, mapped: Mapped, model: RunningModel, wishes: Wishes, source: Source, shown: Any
) -> None:
    """Write the pictures and texts that are wanted, and remove the rasters that are not."""
    facts = map_files.facts(mapped, model, source)
    if "preview" in wishes.outputs:
        codes = map_files.small(folder / "classes.tif", mapped.frame)
        (folder / "preview.png").write_bytes(png(colorize(codes, model.table)))
    if "report" in wishes.outputs:
        later = {"item": "item.json", "project": PROJECT_FILE}
        names = {path.name for path in folder.iterdir()} | {later[o] for o in wishes.outputs if o in later}
        page = map_files.page(folder, mapped, model, shown, facts, names)
        (folder / "report.html").write_text(page, encoding="utf-8")
    for name in {"classes", "confidence", "road_probability"} - set(wishes.outputs):
        for path in folder.glob(f"{name}.*"):
            path.unlink()
    if "item" in wishes.outputs:
        properties = map_files.properties(mapped, model, source) | wishes.properties
        written = sorted(folder.iterdir())
        grid, crs = mapped.frame.grid, mapped.frame.crs
        item = map_item(mapped.name, grid, crs, model.table, properties, written, wishes.links)
        files.write_json(folder / "item.json", item)


def _possible(formats: Sequence[str], frame: Frame) -> list[str]:
    """The formats that an image can be written in: some need a place on Earth."""
    left = [name for name in formats if name in map_files.NEED_A_PLACE and not frame.is_placed]
    if left:
        log.warning(
            "it does not say where it lies, so %s, which is in degrees, is left out",
            " and ".join(left),
        )
    return [name for name in formats if name not in left]


def _loaded(mapped: Mapped, folder: Path, out: Path | None) -> MapResult:
    """A map with its arrays."""
    with (
        reading_on(folder / "classes.tif", mapped.frame.grid) as classes,
        reading_on(folder / "confidence.tif", mapped.frame.grid) as confidence,
    ):
        arrays = classes.read_band(), confidence.read_band()
    return MapResult(
        *arrays,
        mapped.table.names,
        mapped.frame.grid.transform,
        mapped.frame.crs,
        mapped.layers["land_cover"],
        mapped.layers["road_edges"],
        mapped.layers["road_nodes"],
        mapped.figures.areas,
        mapped.frame.unit,
        mapped.zones,
        list(mapped.familiarity.warnings),
        mapped.familiarity.score,
        out,
        mapped.forecast,
    )


def _found(report: InputReport, source: Source) -> list[tuple[str, str]]:
    """What was found of an image, without the folders that it lies in."""
    told = [
        ("bands found", "; ".join(f"{own}: {where}" for own, where in report.bands.items())),
        ("product", report.product or ""),
        ("values", report.units),
        ("resampling", report.resampling),
        ("mask", report.mask),
    ]
    return [(name, _without_folders(text, source)) for name, text in told if text]


def _without_folders(text: str, source: Source) -> str:
    """A sentence with the names of files alone."""
    masks = [source.mask[1]] if source.mask else []
    for file in [*source.files, *masks]:
        text = text.replace(str(file), file.name)
    return text


class _Collector(logging.Handler):
    """Keeps the warnings of the log."""

    def __init__(self, source: Source) -> None:
        super().__init__(logging.WARNING)
        self.source, self.found = source, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a sentence, without the folder of the image."""
        text = _without_folders(record.getMessage(), self.source)
        for file in self.source.files:
            text = text.removeprefix(f"{file.name}: ")
        self.found.append(text)


@contextmanager
def _warnings(source: Source) -> Iterator[list[str]]:
    """The warnings that the library logs meanwhile."""
    collector, library = _Collector(source), logging.getLogger("urbanseg")
    library.addHandler(collector)
    georeference.log.addFilter(_concerns_a_map)
    try:
        yield collector.found
    finally:
        georeference.log.removeFilter(_concerns_a_map)
        library.removeHandler(collector)


def _concerns_a_map(record: logging.LogRecord) -> bool:
    """Not what is said of the placeholder for no place: a map has none, and says what it lacks."""
    return "placeholder" not in record.getMessage()
