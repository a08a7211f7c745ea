"""Render images of every city and one HTML report that needs no network."""

import logging

from tqdm import tqdm

from stages._cli import stage
from urbanseg import paths
from urbanseg.classes import ClassTable
from urbanseg.config.params import CityParams, Params
from urbanseg.io import files, raster
from urbanseg.report import curves, page, quality, scores, vectors, views
from urbanseg.report.page import CityReport
from urbanseg.report.pictures import wording
from urbanseg.report.provenance import Artefact, fingerprint, require

log = logging.getLogger(__name__)

MAP_FORMATS = {
    "gpkg": "the map as polygons and roads, with QGIS styles inside",
    "fgb": "its polygons as FlatGeobuf",
    "geojson": "its polygons as GeoJSON",
    "shapefile": "its polygons as a Shapefile",
    "parquet": "its polygons as GeoParquet",
    "pmtiles": "its polygons and roads as vector tiles",
}


@stage(writes=paths.REPORT)
def main(params: Params) -> None:
    training = files.read_json(require(paths.TRAINING, "train"))
    training_curves = curves.read_curves(require(paths.CURVES, "train"), wording(params.class_table))
    cities = [
        read_city(name, city, params.class_table, len(params.cities))
        for name, city in tqdm(params.cities.items(), unit="city")
    ]
    together = files.read_json(require(paths.OVERALL, "overall"))
    html = page.render(cities, training, training_curves, params, together)

    for city in cities:
        views.write_previews(paths.previews(city.name), city.views, {"failures": city.quality.sheet})
    files.write_text(paths.REPORT, html)
    log.info("open %s in a browser (%.1f MB)", paths.REPORT, paths.REPORT.stat().st_size / 1e6)


def read_city(name: str, params: CityParams, table: ClassTable, cities: int) -> CityReport:
    """Read what the page shows of a city, one of so many."""
    rasters = views.RasterFiles(
        scene=require(paths.scene(name), paths.city_stage("scene", name)),
        labels=require(paths.labels(name), paths.city_stage("labels", name)),
        split=require(paths.split(name), paths.city_stage("tiles", name)),
        prediction=require(paths.prediction(name), paths.city_stage("predict", name)),
        confidence=require(paths.confidence(name), paths.city_stage("predict", name)),
    )
    tables = require(paths.evaluation_dir(name), paths.city_stage("evaluate", name))
    pictures = views.read_views(rasters, table)
    made = {
        form: path
        for form, ending in paths.MAP_ENDINGS.items()
        if (path := paths.map_dir(name) / f"{name}{ending}").exists()
    }
    downloads = {
        form: Artefact(path, MAP_FORMATS.get(form, form), size=path.stat().st_size)
        for form, path in made.items()
    }
    return CityReport(
        name=name,
        params=params,
        views=pictures,
        metrics=files.read_json(require(paths.metrics(name), paths.city_stage("evaluate", name))),
        confusion=scores.read_confusion(
            require(tables / "confusion.csv", paths.city_stage("evaluate", name)), wording(table)
        ),
        quality=quality.read_quality(tables, rasters, raster.describe(rasters.labels).grid, table),
        item=files.read_json(require(paths.item(name), paths.city_stage("scene", name))),
        artefacts=[
            fingerprint(rasters.scene, "the scene"),
            fingerprint(rasters.labels, "the labels"),
            fingerprint(rasters.prediction, "the map as a raster"),
            fingerprint(rasters.confidence, "its confidence, 0–254 for 0–1"),
            *downloads.values(),
            Artefact(paths.metrics(name), "all scores"),
            Artefact(paths.previews(name), "the pictures of this page as PNG"),
        ],
        vectors=vectors.read_vectors(
            [made[form] for form in vectors.FORMATS if form in made],
            pictures.grid.shrunk(views.side_of(cities)),
            table,
            vectors.points_of(cities),
        ),
        downloads=[*downloads.items()],
    )


if __name__ == "__main__":
    main()
