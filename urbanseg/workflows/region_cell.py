"""A cell of a region: its scene, the prediction, polygons and roads, and the figures; what a worker does.

The scene is fetched with context around the cell: as much as polygons and roads need, and as much more as
the windows of prediction reach out of that. So nothing in the cell depends on where the cell ends. A cell
leaves a folder that appears when all is in it; the scene goes.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

import urbanseg
from urbanseg import labels
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.labels import LabelParams
from urbanseg.config.region import RegionParams
from urbanseg.config.vectorize import VectorizeParams
from urbanseg.grid import BLOCK_PX, Grid, Window, strips
from urbanseg.imagery.item import COPERNICUS
from urbanseg.imagery.sentinel2 import archives, satellite
from urbanseg.imagery.sentinel2.acquisitions import NoSceneError
from urbanseg.imagery.sentinel2.area import Area
from urbanseg.imagery.sentinel2.satellite import Delivery
from urbanseg.infer import outputs
from urbanseg.infer.images import select_bands
from urbanseg.infer.scene import predict_scene
from urbanseg.infer.stitching import Strip
from urbanseg.infer.windows import PlacedWindows, placed
from urbanseg.io import cog, files, raster
from urbanseg.io.class_raster import read_classes
from urbanseg.io.geoparquet import write_geoparquet
from urbanseg.io.startup import prepare
from urbanseg.mapping.pieces import polygon_pieces, road_pieces
from urbanseg.mapping.stac_item import map_item
from urbanseg.mapping.tidiness import chosen_for
from urbanseg.mapping.vector_map import vector_layers
from urbanseg.redact import quiet
from urbanseg.region import manifest
from urbanseg.region.cells import Cell, Lattice, grown, within
from urbanseg.region.pace import Pace
from urbanseg.region.run import NothingToMapError
from urbanseg.workflows.map_model import RunningModel, load_model
from urbanseg.workflows.region_archive import PacedArchive

CODE = (
    "calibration", "classes.py", "grid.py", "imagery/sentinel2", "infer", "io", "labels", "mapping", "model",
    "region/cells.py", "roads", "workflows/map_model.py", "workflows/region_cell.py",
)  # fmt: skip
"""Parts of the library that decide on the bytes of a cell."""

RASTERS = ("classes", "confidence", "road_probability")
POLYGONS, ROADS, AREAS, ITEM = "polygons.parquet", "roads.parquet", "areas.json", "item.json"
CELL_FILES = (
    *(f"{name}{ending}" for name in RASTERS for ending in (".tif", ".tif.aux.xml", ".qml")),
    POLYGONS, ROADS, AREAS, ITEM, manifest.FILE,
)  # fmt: skip
"""All that a cell leaves."""


@dataclass(frozen=True)
class CellWork:
    """What a worker needs to make any cell of a region; paths are the same on all machines."""

    name: str
    """Of the region."""
    home: Path
    """The project's folder, in which workers are started."""
    folder: Path
    """Of the region, relative to it."""
    fetched: Path
    """For what cells need while they are made, relative to the project's folder."""
    lattice: Lattice
    region: RegionParams
    labels: LabelParams
    vectorize: VectorizeParams
    key: str
    """Of `urbanseg.region.manifest`."""
    code: str
    """Digest of `CODE`."""

    def __call__(self, cell: str) -> None:
        """Make a cell; see `make`."""
        prepare()
        if Path.cwd() != self.home or code() != self.code:
            raise ImportError(f"it runs in {Path.cwd()}" if Path.cwd() != self.home else "other sources")
        with raster.small_cache(), quiet():
            make(self, Cell.of(cell))


@lru_cache(maxsize=1)
def code() -> str:
    """Digest of the parts of the library that decide on the bytes of a cell."""
    return manifest.of_code(Path(urbanseg.__file__).parent, CODE)


@lru_cache(maxsize=1)
def _model(name: str, _key: str) -> RunningModel:
    """The model, loaded once by each worker."""
    return load_model(name)


def make(work: CellWork, cell: Cell) -> None:
    """Make a cell and leave its files in ``cells/<id>`` of the region's folder.

    Raises:
        NothingToMapError: if there is no image of it, or nothing is seen on it.
        PipelineError: if the archive fails, or the model.
    """
    fetched = work.fetched / cell.id
    model = _model(work.region.model, work.key)
    with (
        files.atomic(work.folder / "cells" / cell.id, CELL_FILES) as made,
        files.temporary(fetched / "work") as drafts,
    ):
        made.mkdir()
        drafts.mkdir()
        frame = _Frame.of(work, cell, model)
        delivery = _fetch(work, cell, frame.read, fetched, drafts)
        _predict(work, model, frame, drafts)
        counts = _cut_rasters(drafts, made, frame, model.table)
        if not counts["pixels"]:
            raise NothingToMapError(
                f"nothing is seen in the cell {cell.id} on {_when(delivery)}: all is cloud or nodata; "
                "widen dates, or choose the median of several"
            )
        _draw(work, cell, model, frame, drafts, made)
        files.write_json(made / AREAS, counts)
        _describe(work, cell, model, frame, delivery, made)
        manifest.write(made, work.key, {"cell": cell.id, "acquired": delivery.moment})
    files.remove(fetched)


@dataclass(frozen=True)
class _Frame:
    """Where the pixels of a cell, of its context, and of what is read lie."""

    read: Grid
    inside: Window
    """Of the context in what is read."""
    context: Grid
    core: Window
    """Of the cell in its context."""

    @classmethod
    def of(cls, work: CellWork, cell: Cell, model: RunningModel) -> "_Frame":
        rows, cols = work.lattice.pixels(cell)
        around = [grown(span, work.region.cells.context_px) for span in (rows, cols)]
        read = [placed(span, model.options.size, model.options.overlap) for span in around]
        return cls(
            work.lattice.grid(*read),
            _window(around, read),
            work.lattice.grid(*around),
            _window([rows, cols], around),
        )


def _window(inner: list[range], outer: list[range]) -> Window:
    rows, cols = (within(one, other) for one, other in zip(inner, outer, strict=True))
    return Window(rows.start, cols.start, len(inner[0]), len(inner[1]))


def _fetch(work: CellWork, cell: Cell, grid: Grid, fetched: Path, drafts: Path) -> Delivery:
    """Download the scene of a cell and its context."""
    scene = work.region.scene
    outline = shapely.segmentize(shapely.box(*grid.bounds), grid.bounds[2] - grid.bounds[0])
    to_degrees = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform
    shape = shapely.transform(outline, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1])))
    pace = Pace(work.fetched / "next_request", work.region.work.requests_per_s)
    archive = PacedArchive(archives.connect(scene), pace, scene.patience.wait_s)
    try:
        return satellite.deliver(
            archive, scene, Area(f"the cell {cell.id}", shape), grid, fetched / "chunks",
            drafts / "scene.tif", drafts / "scl.tif",
        )  # fmt: skip
    except NoSceneError as error:
        raise NothingToMapError(str(error)) from error


def _predict(work: CellWork, model: RunningModel, frame: _Frame, drafts: Path) -> None:
    """Write the rasters of the cell with its context."""
    options, table = model.options.model_copy(update={"rasters": []}), model.table
    windows = PlacedWindows(frame.read.shape, options.size, options.overlap, options.blend)
    rows = range(frame.inside.row, frame.inside.row + frame.inside.height)
    path = drafts / "scene.tif"
    # Handles of their own for two threads: GDAL's are not shared.
    with (
        raster.reading(path) as scene,
        raster.reading(path) as same,
        raster.reading(drafts / "scl.tif") as scl,
    ):
        predicted = predict_scene(
            scene, select_bands(scene.info.descriptions, model.spec, f"the scene of {work.name}"),
            model.predict, model.spec.classes, options, rows, table.rest,
            [c.name for c in table.of_kind("road")], calibration=model.calibration, windows=windows,
        )  # fmt: skip
        clouded = labels.cloud_mask(same, scl, work.labels)

        def seen() -> Iterator[Strip]:
            for strip in predicted:
                strip.hide(clouded(strip.window))
                yield _cropped(strip, frame.inside)

        outputs.write(drafts, frame.context, seen(), table, options)


def _cropped(strip: Strip, inside: Window) -> Strip:
    """The columns of a strip that lie in a window, as rows and columns of that window."""
    cols = slice(inside.col, inside.col + inside.width)
    placed_at = Window(strip.window.row - inside.row, 0, strip.window.height, inside.width)
    return Strip(placed_at, {name: layer[..., cols] for name, layer in strip.layers.items()})


def _cut_rasters(drafts: Path, made: Path, frame: _Frame, table: ClassTable) -> dict[str, Any]:
    """Write the rasters of the cell alone; returns its pixels by class and stored confidence."""
    grid = frame.context.window(frame.core)
    counts = np.zeros((len(table), IGNORE), np.int64)
    share: cog.RasterProfile = {"dtype": "uint8", "nodata": IGNORE, "resampling": "average"}
    profiles = {name: share for name in RASTERS if (drafts / f"{name}.tif").exists()}
    profiles["classes"] = share | {"resampling": "mode", "classes": table}
    with cog.writing_all(grid, {made / f"{name}.tif": each for name, each in profiles.items()}) as writers:
        for name in profiles:
            with raster.reading(drafts / f"{name}.tif") as source:
                for strip in strips(grid.shape, BLOCK_PX):
                    writers[made / f"{name}.tif"].write(source.read_band(_shifted(strip, frame.core)), strip)
            style = drafts / f"{name}.qml"
            files.write_text(made / style.name, style.read_text(encoding="utf-8"))
    with raster.reading(made / "classes.tif") as classes, raster.reading(made / "confidence.tif") as sure:
        for strip in strips(grid.shape, BLOCK_PX):
            codes, levels = read_classes(classes, table.ids, strip), sure.read_band(strip)
            known = (codes != IGNORE) & (levels != IGNORE)
            both = table.position_lut[codes[known]].astype(np.int64) * IGNORE + levels[known]
            counts += np.bincount(both, minlength=counts.size).reshape(counts.shape)
    named = zip(table.names, counts.tolist(), strict=True)
    return {
        "pixel_m2": abs(grid.transform.determinant),
        "pixels": int(counts.sum()),
        "unknown": int(grid.height * grid.width - counts.sum()),
        "classes": {name: {str(at): n for at, n in enumerate(row) if n} for name, row in named},
    }


def _shifted(window: Window, by: Window) -> Window:
    return window._replace(row=window.row + by.row, col=window.col + by.col)


def _draw(work: CellWork, cell: Cell, model: RunningModel, frame: _Frame, drafts: Path, made: Path) -> None:
    """Write the polygons and roads of the cell, which are drawn with its context."""
    table, grid = model.table, frame.context
    tidy = chosen_for(work.vectorize, grid.resolution, table.kinds)
    with ExitStack() as stack:
        classes, confidence, roads = (_opened(drafts / f"{name}.tif", stack) for name in RASTERS)
        assert classes is not None  # noqa: S101, they were just written
        assert confidence is not None  # noqa: S101

        def own(window: Window) -> NDArray[np.uint8]:
            """Confidences of the cell alone, so that the mean of a polygon is over its pixels there."""
            return _only(confidence.read_band(window), window, frame.core)

        layers = vector_layers(
            lambda window: read_classes(classes, table.ids, window), own, grid, table, tidy,
            road_probability=None if roads is None else roads.read_band, counted=True,
        )  # fmt: skip
    bounds = work.lattice.bounds(cell)
    _write_pieces(made / POLYGONS, polygon_pieces(layers["land_cover"], bounds))
    _write_pieces(made / ROADS, road_pieces(layers["road_edges"], bounds))


def _opened(path: Path, stack: ExitStack) -> raster.Reader | None:
    return stack.enter_context(raster.reading(path)) if path.exists() else None


def _only(values: NDArray[np.uint8], window: Window, core: Window) -> NDArray[np.uint8]:
    """Values of a window, `IGNORE` outside another."""
    kept = np.full_like(values, IGNORE)
    rows = slice(max(0, core.row - window.row), max(0, core.row + core.height - window.row))
    cols = slice(max(0, core.col - window.col), max(0, core.col + core.width - window.col))
    kept[rows, cols] = values[rows, cols]
    return kept


def _write_pieces(path: Path, pieces: gpd.GeoDataFrame) -> None:
    with files.atomic(path) as target:
        write_geoparquet(pieces, target)


def _describe(
    work: CellWork, cell: Cell, model: RunningModel, frame: _Frame, delivery: Delivery, made: Path
) -> None:
    """Write the STAC Item of the cell."""
    moment = delivery.moment
    when: dict[str, Any] = {"datetime": moment}
    if not isinstance(moment, str):
        when = {"datetime": None, "start_datetime": moment[0], "end_datetime": moment[1]}
    kept = ("constellation", "eo:cloud_cover", "instruments", "source:")
    origin = {name: value for name, value in delivery.properties.items() if name.startswith(kept)}
    properties = {
        **origin, **when, "gsd": frame.context.resolution, "license": COPERNICUS.license,
        "attribution": COPERNICUS.attribution, "model:name": model.name, "model:sha256": model.sha256,
    }  # fmt: skip
    up = {"href": "../../collection.json", "type": "application/json"}
    links = [{"rel": rel, **up} for rel in ("root", "parent", "collection")]
    grid = frame.context.window(frame.core)
    assets = [path for path in sorted(made.iterdir()) if path.suffix in {".tif", ".parquet"}]
    item = map_item(cell.id, grid, grid.crs, model.table, properties, assets, links)
    files.write_json(made / ITEM, item | {"collection": work.name})


def _when(delivery: Delivery) -> str:
    return delivery.moment if isinstance(delivery.moment, str) else " to ".join(delivery.moment)
