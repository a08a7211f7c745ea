"""Publish a city's map to PostGIS; run by hand, since a database is no output of the pipeline."""

import logging
import os
from argparse import ArgumentParser, Namespace

import geopandas as gpd

from stages._cli import command
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.io import files, vector_files
from urbanseg.mapping.export import GEOMETRY_TYPES
from urbanseg.mapping.publishing import engine, publish

SCHEMA = "urbanseg"
"""Where the tables go, unless the environment says otherwise (DATABASE_SCHEMA)."""

VARIABLES = ("DATABASE_URL", "PGHOST", "PGSERVICE")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("city", help="whose map is published")


@command(arguments)
def main(asked: Namespace, params: Params) -> None:  # noqa: ARG001, every city's map is published alike
    """Read the GeoPackage; replace the city's rows."""
    city = asked.city
    if not any(os.environ.get(name) for name in VARIABLES):
        raise PipelineError(f"no database is named: set one of {', '.join(VARIABLES)} in the environment")
    source = paths.geopackage(city)
    if not source.exists():
        raise PipelineError(
            f"{source} does not exist; run dvc repro {paths.city_stage('vectorize', city)} first"
        )
    vector_files.require_plain(source)
    layers = {name: gpd.read_file(source, layer=name) for name in GEOMETRY_TYPES}
    schema, run = os.environ.get("DATABASE_SCHEMA", SCHEMA), files.sha256(source)[:12]
    database = engine(os.environ.get("DATABASE_URL", ""))

    is_new = publish(database, schema, city, run, layers)
    rows = ", ".join(f"{len(layer)} {name}" for name, layer in layers.items())
    log = logging.getLogger(__name__)
    log.info("%s: run %s %s (%s)", city, run, "published" if is_new else "was published before", rows)


if __name__ == "__main__":
    main()
