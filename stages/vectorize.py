"""Turn a city's predicted raster into a map: polygons, roads, and the files GIS users open."""

import logging
from contextlib import ExitStack

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io import files, raster
from urbanseg.io.class_raster import read_classes, require_classes, require_confidence
from urbanseg.mapping import buildings
from urbanseg.mapping.export import About, write_map
from urbanseg.mapping.polygons import area_by_class
from urbanseg.mapping.styles import layer_styles
from urbanseg.mapping.tidiness import Tidiness, chosen_for
from urbanseg.mapping.vector_map import ReadBand, vector_layers


@city_stage(writes=paths.map_dir)
def main(city: str, params: Params) -> None:
    table = params.class_table
    source = paths.prediction(city)
    with ExitStack() as stack:
        prediction, certainty = (
            stack.enter_context(raster.reading(path)) for path in (source, paths.confidence(city))
        )
        grid = prediction.grid
        require_classes(prediction)
        require_confidence(certainty)
        raster.require_same_grid(source, grid, paths.confidence(city), certainty.grid)
        if not grid.is_metric:
            raise PipelineError(
                f"{source} is not in metres on the ground ({grid.crs.name}); warp the scene to UTM first"
            )

        def classes(window: Window) -> NDArray[np.uint8]:
            return read_classes(prediction, table.ids, window)

        tidy = chosen_for(params.vectorize, grid.resolution, table.kinds)
        roads = _road_probability(city, prediction, stack)
        layers = vector_layers(classes, certainty.read_band, grid, table, tidy, road_probability=roads)
        polygons, edges = layers["land_cover"], layers["road_edges"]
        layers |= _buildings(city, certainty, tidy, stack)
        if polygons.empty:
            raise PipelineError(f"{source} holds no class: nothing to map; check the scene and its clouds")

    described = paths.prediction_dir(city) / paths.item(city).name
    said = files.read_json(described)["properties"] if described.exists() else {}
    about = About(city, said.get("attribution", ""))
    formats, pixel_m = params.vectorize.formats, grid.resolution
    styles = layer_styles(table, with_buildings="buildings" in layers)
    write_map(paths.map_dir(city), city, layers, styles, formats, pixel_m, about, table)

    log = logging.getLogger(__name__)
    if not table.of_kind("road"):
        log.info("%s: no class is of the kind road (classes.<name>.kind), so the map has no roads", city)
    areas = ", ".join(f"{name} {area / 1e6:.3f}" for name, area in area_by_class(polygons, table).items())
    log.info(
        "%s: %d polygons (km²: %s); %.1f km of roads in %d edges",
        city,
        len(polygons),
        areas,
        edges["length_m"].sum() / 1000,
        len(edges),
    )


def _buildings(
    city: str, certainty: raster.Reader, tidy: Tidiness, stack: ExitStack
) -> dict[str, gpd.GeoDataFrame]:
    """The layer of buildings one by one, where the prediction has them."""
    if not paths.instances(city).exists():
        return {}
    numbers, cores = (
        stack.enter_context(raster.reading(path))
        for path in (paths.instances(city), paths.core_probability(city))
    )
    for path in (numbers, cores):
        raster.require_same_grid(certainty.path, certainty.grid, path.path, path.grid)
    grid = numbers.grid
    return {
        "buildings": buildings.polygons(
            numbers.read_band, certainty.read_band, cores.read_band, grid, tidy.simplify_m
        )
    }


def _road_probability(city: str, prediction: raster.Reader, stack: ExitStack) -> ReadBand | None:
    """The raster that the predict stage writes where roads are a class; None without one."""
    path = paths.road_probability(city)
    if not path.exists():
        return None
    found = stack.enter_context(raster.reading(path))
    require_confidence(found)
    raster.require_same_grid(prediction.path, prediction.grid, path, found.grid)
    return found.read_band


if __name__ == "__main__":
    main()
