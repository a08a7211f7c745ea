"""Turn a city's predicted raster into a map: polygons, roads, and the files GIS users open."""

import logging

import numpy as np
from numpy.typing import NDArray

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io import files, raster
from urbanseg.io.class_raster import read_classes, require_classes, require_confidence
from urbanseg.mapping.export import About, write_map
from urbanseg.mapping.partition import OUTSIDE, Pixels
from urbanseg.mapping.polygons import CleanUp, area_by_class, land_cover
from urbanseg.mapping.roads import road_layers
from urbanseg.mapping.styles import layer_styles
from urbanseg.mapping.tidiness import Tidiness, chosen_for
from urbanseg.roads.repair import repair_network
from urbanseg.roads.skeleton import centre_line_graph


@city_stage(writes=paths.map_dir)
def main(city: str, params: Params) -> None:
    table = params.class_table
    road = table.id_of("road") if "road" in table.names else OUTSIDE
    source = paths.prediction(city)
    with raster.reading(source) as prediction, raster.reading(paths.confidence(city)) as certainty:
        grid = prediction.grid
        require_classes(prediction)
        require_confidence(certainty)
        raster.require_same_grid(source, grid, paths.confidence(city), certainty.grid)
        if not grid.is_metric:
            raise PipelineError(
                f"{source} is not in metres on the ground ({grid.crs.name}); warp the scene to UTM first"
            )

        tidy = chosen_for(params.vectorize, grid.resolution, table.names)

        def read(window: Window) -> Pixels:
            return read_classes(prediction, len(table), window), certainty.read_band(window)

        def is_road(window: Window) -> NDArray[np.bool_]:
            return np.asarray(read_classes(prediction, len(table), window) == road)

        polygons = land_cover(read, grid, table, clean_up(tidy))
        if polygons.empty:
            raise PipelineError(f"{source} holds no class: nothing to map; check the scene and its clouds")
        skeleton = centre_line_graph(is_road, grid.shape, grid.transform, min_spur=tidy.roads.min_spur_m)
        edges, nodes = road_layers(repair_network(skeleton, tidy.roads), is_road, grid)

    layers = {"land_cover": polygons, "road_edges": edges, "road_nodes": nodes}
    described = paths.prediction_dir(city) / paths.item(city).name
    said = files.read_json(described)["properties"] if described.exists() else {}
    about = About(params.city(city).title or city, said.get("attribution", ""))
    formats, pixel_m = params.vectorize.formats, grid.resolution
    write_map(paths.map_dir(city), city, layers, layer_styles(table), formats, pixel_m, about, table)

    areas = ", ".join(f"{name} {area / 1e6:.3f}" for name, area in area_by_class(polygons, table).items())
    logging.getLogger(__name__).info(
        "%s: %d polygons (km²: %s); %.1f km of roads in %d edges",
        city,
        len(polygons),
        areas,
        edges["length_m"].sum() / 1000,
        len(edges),
    )


def clean_up(tidy: Tidiness) -> CleanUp:
    """How the parameters want polygons."""
    return CleanUp(tidy.min_area_m2, tidy.min_hole_m2, tidy.simplify_m, tidy.smooth, tidy.square)


if __name__ == "__main__":
    main()
