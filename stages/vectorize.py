"""Turn a city's predicted raster into a map: polygons, roads, and the files GIS users open."""

import logging

import numpy as np

from stages._cli import city_stage
from urbanseg import paths, raster
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.mapping.export import write_map
from urbanseg.mapping.polygons import area_by_class, polygonise
from urbanseg.mapping.regions import merge_slivers
from urbanseg.mapping.roads import road_layers
from urbanseg.mapping.styles import layer_styles
from urbanseg.network import road_graph
from urbanseg.params import Params
from urbanseg.road_repair import repaired


@city_stage
def main(city: str, params: Params) -> None:
    table = params.class_table
    source = paths.prediction(city)
    with raster.reading(source) as prediction, raster.reading(paths.confidence(city)) as certainty:
        grid = prediction.grid
        raster.require_same_grid(source, grid, paths.confidence(city), certainty.grid)
        classes, confidence = prediction.read_band(), certainty.read_band()
    if (classes == IGNORE).all():
        raise PipelineError(f"{source} holds no class at all: nothing to map; check the scene and its clouds")
    if not grid.is_metric:
        raise PipelineError(f"{source} is not in metres ({grid.crs.name}); warp the scene to UTM first")

    classes = merge_slivers(classes, params.vectorize.min_area_m2 / grid.resolution**2)
    land_cover = polygonise(classes, confidence, grid, table)
    roads = classes == table.id_of("road") if "road" in table.names else np.zeros(grid.shape, dtype=bool)
    skeleton = road_graph(roads, grid.transform, min_spur=params.vectorize.roads.min_spur_m)
    edges, nodes = road_layers(repaired(skeleton, params.vectorize.roads), roads, grid)

    layers = {"land_cover": land_cover, "road_edges": edges, "road_nodes": nodes}
    write_map(paths.map_dir(city), city, layers, layer_styles(table))

    areas = ", ".join(f"{name} {area / 1e6:.3f}" for name, area in area_by_class(land_cover, table).items())
    logging.getLogger(__name__).info(
        "%s: %d polygons (km²: %s); %.1f km of roads in %d edges",
        city,
        len(land_cover),
        areas,
        edges["length_m"].sum() / 1000,
        len(edges),
    )


if __name__ == "__main__":
    main()
