"""Put a city's files into a QGIS project, with a raster of errors and bookmarks of the worst blocks."""

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.display.raster_styles import paletted_qml
from urbanseg.io import files, raster
from urbanseg.metrics import block_tables
from urbanseg.workflows.city_project import (
    ERRORS,
    ProjectFiles,
    worst_blocks,
    write_city_project,
    write_errors,
)


@city_stage(writes=paths.project_dir)
def main(city: str, params: Params) -> None:
    grid = raster.describe(paths.prediction(city)).grid
    worst = worst_blocks(block_tables.read(paths.evaluation_dir(city)), grid)
    folder = paths.project_dir(city)
    geopackage = paths.geopackage(city) if paths.geopackage(city).exists() else None
    with files.atomic(folder, paths.project_files(city)) as made:
        made.mkdir()
        errors = made / "errors.tif"
        write_errors(errors, paths.labels(city), paths.prediction(city), paths.split(city))
        files.write_text(errors.with_suffix(".qml"), paletted_qml(ERRORS))
        shown = ProjectFiles(
            paths.scene(city),
            geopackage,
            paths.prediction(city),
            paths.confidence(city),
            paths.labels(city),
            errors,
        )
        write_city_project(made / f"{city}.qgz", city, shown, params.class_table, worst, made)


if __name__ == "__main__":
    main()
