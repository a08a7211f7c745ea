"""A region: which cells it has, which of them must be made, and what becomes of all of them together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pyproj import CRS
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.config.region import PROJECT_MODEL, RegionParams
from urbanseg.errors import PipelineError
from urbanseg.grid import utm_crs
from urbanseg.imagery.sentinel2 import area
from urbanseg.io import files
from urbanseg.io.dask_cluster import LocalWorkers, connected
from urbanseg.mapping.roads import guess_highways
from urbanseg.packed import registry
from urbanseg.region import manifest
from urbanseg.region.cells import Cell, Lattice
from urbanseg.region.run import Failure, run_cells
from urbanseg.region.seams import Part, merge_polygons, merge_roads
from urbanseg.workflows.map_model import load_model
from urbanseg.workflows.map_zones import placed_in, read_zones
from urbanseg.workflows.region_catalogue import COLLECTION, write_collection, write_mosaics
from urbanseg.workflows.region_cell import POLYGONS, ROADS, CellWork, code
from urbanseg.workflows.region_tables import write_tables

log = logging.getLogger(__name__)

FAILURES, AREA = "failures.csv", "area.json"

QUIET = {"TQDM_DISABLE": "1"}
"""Workers show no progress bars: the cells have one."""


@dataclass(frozen=True)
class Plan:
    """The cells of a region, in order, and what makes them."""

    lattice: Lattice
    cells: list[Cell]
    work: CellWork

    @property
    def folder(self) -> Path:
        """Of the region."""
        return self.work.folder

    def is_done(self, cell: Cell) -> bool:
        """Whether a cell is made as it is wanted now."""
        return manifest.is_done(self.folder / "cells" / cell.id, self.work.key)


def map_region(name: str, params: Params) -> list[Failure]:
    """Make the cells of a region that are missing or stale, and all that is made of them together.

    What an earlier run made stays; a run that is stopped goes on where it was.

    Args:
        name: of the region.
        params: all of params.yaml.

    Returns:
        The cells that could not be made.

    Raises:
        PipelineError: if no cell could be made, or the parameters make no region.
    """
    plan = planned(name, params)
    region = params.region(name)
    zones = None if region.zones is None else read_zones(region.zones, f"regions.{name}.zones")
    missing = [cell for cell in plan.cells if not plan.is_done(cell)]
    log.info("%s: %d cells, of which %d are to be made", name, len(plan.cells), len(missing))
    failures = _made(plan, region, [cell.id for cell in missing])
    done = [cell for cell in plan.cells if plan.is_done(cell)]
    if not done:
        raise PipelineError(f"no cell of the region {name} could be made; the first: {failures[0].why}")
    _remove_others(plan, done)
    _write_failures(plan.folder, failures)
    _join(plan, done)
    model = load_model(region.model)
    placed = None if zones is None else placed_in(zones, plan.lattice.crs)
    areas = write_tables(plan.folder, plan.lattice, done, model.table, model.calibration, placed)
    write_mosaics(plan.folder, plan.lattice, done, model.table)
    write_collection(plan.folder, name, region, done)
    told = ", ".join(f"{key} {value:,.1f}" for key, value in areas.items())
    log.info("%s: %d cells (ha: %s)", plan.folder / COLLECTION, len(done), told)
    if failures:
        log.warning("%d cells are left out; %s says why", len(failures), plan.folder / FAILURES)
    else:
        files.remove(plan.work.fetched)
    return failures


def planned(name: str, params: Params) -> Plan:
    """The cells of a region, and the work that makes them.

    Raises:
        PipelineError: if the area is not found, or is too large for one CRS in metres.
    """
    region, folder = params.region(name), paths.region_dir(name)
    outline = _area(name, region, folder)
    crs = _crs(region, outline.bounds)
    lattice = Lattice(crs, region.scene.resolution_m, region.cells.size_px)
    cells = lattice.covering(area.project(outline, crs))
    for cell in (cells[0], cells[-1]):
        if not lattice.grid(*lattice.pixels(cell)).is_metric:
            raise PipelineError(
                f"the region {name} is too large for metres to be metres in {crs.name}; make a region of "
                "each of its parts, or name a CRS that suits all of it with scene.crs"
            )
    predict = params.predict.model_dump(mode="json", exclude={"scheduler"})
    masks = params.labels.model_dump(mode="json", include={"cloud_dilation_m", "ignore_scl", "s2cloudless"})
    facts = {
        "cells": region.cells.model_dump(mode="json"),
        "classes": {key: value.model_dump(mode="json") for key, value in params.classes.items()},
        "code": code(),
        "crs": crs.to_wkt(),
        "labels": masks,
        "model": _model_digest(region.model),
        "predict": predict,
        "scene": region.scene.model_dump(mode="json", exclude={"area", "patience", "request_px"}),
        "vectorize": params.vectorize.model_dump(mode="json"),
    }
    work = CellWork(
        name, Path.cwd(), folder, paths.region_state(name), lattice, region, params.labels, params.vectorize,
        manifest.key(facts), code(),
    )  # fmt: skip
    return Plan(lattice, cells, work)


def _area(name: str, region: RegionParams, folder: Path) -> BaseGeometry:
    """The area in degrees; of a place, its outline is kept, so that a geocoder is asked once."""
    wanted, kept = region.scene.area, folder / AREA
    asked = wanted.model_dump(mode="json")
    if wanted.place is None:
        return area.find(wanted, region.scene.patience).shape
    if kept.exists() and (told := files.read_json(kept)).get("asked") == asked:
        return shape(told["geometry"])
    log.info("%s: asking %s for the outline of %s", name, wanted.geocoder, wanted.place)
    found = area.find(wanted, region.scene.patience).shape
    files.write_json(kept, {"asked": asked, "geometry": mapping(found)})
    return found


def _crs(region: RegionParams, degrees: tuple[float, float, float, float]) -> CRS:
    if region.scene.crs:
        return CRS.from_user_input(region.scene.crs)
    west, south, east, north = degrees
    return utm_crs((west + east) / 2, (south + north) / 2)


def _model_digest(name: str) -> dict[str, str]:
    """Digests of the files of a model; of the project's, of what its export says of it, too."""
    if name != PROJECT_MODEL:
        return manifest.of_folder(registry.find(name))
    if not paths.MODEL.is_dir():
        raise PipelineError(f"{paths.MODEL} does not exist; run the train and export stages, or name a model")
    exported = {f"export/{key}": value for key, value in manifest.of_folder(paths.EXPORT).items()}
    return manifest.of_folder(paths.MODEL) | exported


def _made(plan: Plan, region: RegionParams, missing: list[str]) -> list[Failure]:
    """Let workers make the missing cells."""
    if not missing:
        return []
    work = region.work
    local = LocalWorkers(
        min(work.workers, len(missing)),
        work.memory_limit.replace(" ", ""),
        work.retries,
        QUIET,
        dashboard=True,
    )
    with connected(work.scheduler, f"regions.{plan.work.name}.work.scheduler", local) as client:
        return run_cells(client, missing, plan.work, work.retries)


def _remove_others(plan: Plan, done: Sequence[Cell]) -> None:
    """Remove the folders of cells that the region does not have any more, or that are stale."""
    kept = {cell.id for cell in done}
    for path in sorted((plan.folder / "cells").iterdir()):
        if path.name not in kept:
            files.remove(path)


def _write_failures(folder: Path, failures: Sequence[Failure]) -> None:
    rows = [(each.cell, each.kind, each.why) for each in failures]
    table = pd.DataFrame(rows, columns=["cell", "kind", "why"])
    files.write_text(folder / FAILURES, table.to_csv(index=False, lineterminator="\n"))


def _join(plan: Plan, done: Sequence[Cell]) -> None:
    """Make one data set of the polygons of all cells, and one of their roads."""

    def parts(name: str) -> list[Part]:
        return [
            Part(cell.id, plan.lattice.bounds(cell), plan.folder / "cells" / cell.id / name)
            for cell in sorted(done, key=lambda cell: cell.id)
        ]

    own = ["*"]
    with files.atomic(plan.folder / "polygons", own) as polygons:
        merge_polygons(parts(POLYGONS), polygons)
    with (
        files.atomic(plan.folder / "roads", own) as edges,
        files.atomic(plan.folder / "road_nodes", own) as nodes,
    ):
        merge_roads(parts(ROADS), edges, nodes, plan.lattice.resolution, guess_highways)
