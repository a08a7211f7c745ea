"""Publish a city's map to PostGIS.

The database is named by DATABASE_URL, or by the variables of libpq (PGHOST, PGSERVICE, …); the schema
by DATABASE_SCHEMA.
"""

import logging
import os
from argparse import ArgumentParser, Namespace

SCHEMA = "urbanseg"
"""Where the tables go, unless the environment says otherwise (DATABASE_SCHEMA)."""
VARIABLES = ("DATABASE_URL", "PGHOST", "PGSERVICE")


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("city", help="whose map is published")
    parser.add_argument(
        "--grant", metavar="ROLE", action="append", default=[], help="a role that may read; may be repeated"
    )


def run(asked: Namespace) -> None:
    """Read the GeoPackage; replace the city's rows."""
    import pyogrio
    from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FieldError

    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError, missing_package
    from urbanseg.io import files, vector_files
    from urbanseg.mapping.export import GEOMETRY_TYPES, NEEDED_LAYERS

    try:
        from urbanseg.mapping.published_layers import of_file
        from urbanseg.mapping.publishing import engine, publish
    except ModuleNotFoundError as error:
        raise missing_package(error, "postgis") from error
    city = asked.city
    params = load(paths.PARAMS)
    params.city(city)
    if not any(os.environ.get(name) for name in VARIABLES):
        raise PipelineError(f"no database is named: set one of {', '.join(VARIABLES)} in the environment")
    source = paths.geopackage(city)
    rerun = f"run dvc repro {paths.city_stage('vectorize', city)} first"
    if not source.exists():
        raise PipelineError(f"{source} does not exist; {rerun}")
    vector_files.require_plain(source)
    try:
        listed = {name for name, _ in pyogrio.list_layers(source)}
        layers = {name: of_file(source, name) for name in GEOMETRY_TYPES if name in {*NEEDED_LAYERS, *listed}}
        styles = pyogrio.read_dataframe(source, layer="layer_styles") if "layer_styles" in listed else None
    except (CRSError, DataLayerError, DataSourceError, FieldError) as error:
        raise PipelineError(
            f"{source} is no map that the vectorize stage wrote ({error}); {rerun}"
        ) from error
    except ValueError as error:
        raise PipelineError(f"{source} {error}; {rerun}") from error
    schema, digest = os.environ.get("DATABASE_SCHEMA", SCHEMA), files.sha256(source)[:12]
    database = engine(os.environ.get("DATABASE_URL", ""))

    is_new = publish(
        database,
        schema,
        city,
        digest,
        layers,
        title=params.city(city).title or city,
        styles=styles,
        readers=asked.grant,
    )
    rows = ", ".join(f"{pyogrio.read_info(source, layer=name)['features']} {name}" for name in layers)
    log = logging.getLogger(__name__)
    log.info("%s: run %s %s (%s)", city, digest, "published" if is_new else "was published before", rows)
