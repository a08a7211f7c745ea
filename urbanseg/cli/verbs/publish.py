"""Publish the map of a city or a region to PostGIS.

The database is named by DATABASE_URL, or by the variables of libpq (PGHOST, PGSERVICE, …); the schema
by DATABASE_SCHEMA.
"""

from __future__ import annotations

import logging
import os
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from urbanseg.config.params import Params
    from urbanseg.mapping.published_layers import LayerSource

SCHEMA = "urbanseg"
"""Where the tables go, unless the environment says otherwise (DATABASE_SCHEMA)."""
VARIABLES = ("DATABASE_URL", "PGHOST", "PGSERVICE")


@dataclass(frozen=True)
class _Map:
    """What is published, and a digest of it."""

    layers: dict[str, LayerSource]
    digest: str
    title: str
    styles: pd.DataFrame | None = None


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("name", metavar="city", help="whose map is published; or the name of a region")
    parser.add_argument(
        "--grant", metavar="ROLE", action="append", default=[], help="a role that may read; may be repeated"
    )


def run(asked: Namespace) -> None:
    """Read the map; replace the rows of its city or region."""
    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError, missing_package

    try:
        from urbanseg.mapping.publishing import engine, publish
    except ModuleNotFoundError as error:
        raise missing_package(error, "postgis") from error
    params, name = load(paths.PARAMS), asked.name
    if name in params.regions and name in params.cities:
        raise PipelineError(
            f"params.yaml: {name} is a city and a region, whose rows could not be told apart; rename one"
        )
    if name not in params.regions:
        params.city(name)
    if not any(os.environ.get(variable) for variable in VARIABLES):
        raise PipelineError(f"no database is named: set one of {', '.join(VARIABLES)} in the environment")
    read = _of_region if name in params.regions else _of_city
    found = read(name, params)
    is_new = publish(
        engine(os.environ.get("DATABASE_URL", "")),
        os.environ.get("DATABASE_SCHEMA", SCHEMA),
        name,
        found.digest,
        found.layers,
        title=found.title,
        styles=found.styles,
        readers=asked.grant,
    )
    rows = ", ".join(f"{source.rows} {layer}" for layer, source in found.layers.items())
    log = logging.getLogger(__name__)
    log.info(
        "%s: run %s %s (%s)", name, found.digest, "published" if is_new else "was published before", rows
    )


def _of_city(city: str, params: Params) -> _Map:
    """The layers of a city's GeoPackage, and its styles."""
    import pyogrio
    from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FieldError

    from urbanseg import paths
    from urbanseg.errors import PipelineError
    from urbanseg.io import files, vector_files
    from urbanseg.mapping.export import GEOMETRY_TYPES, NEEDED_LAYERS
    from urbanseg.mapping.published_layers import of_file

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
    return _Map(layers, files.sha256(source)[:12], params.city(city).title or city, styles)


def _of_region(region: str, params: Params) -> _Map:
    """The data sets of a region, of which a file is read at a time."""
    import hashlib

    from urbanseg import paths
    from urbanseg.errors import PipelineError
    from urbanseg.io import files
    from urbanseg.mapping.export import GEOMETRY_TYPES
    from urbanseg.mapping.published_layers import of_dataset
    from urbanseg.region.dataset import DATA_SETS

    folder, digest = paths.region_dir(region), hashlib.sha256()
    layers = {}
    for layer, name in DATA_SETS.items():
        try:
            layers[layer] = of_dataset(folder / name, GEOMETRY_TYPES[layer])
        except ValueError as error:
            raise PipelineError(
                f"{folder / name} {error}; run dvc repro regions/{region}/dvc.yaml first"
            ) from error
        for path in sorted((folder / name).glob("*.parquet")):
            digest.update(files.sha256(path).encode())
    return _Map(layers, digest.hexdigest()[:12], params.region(region).title)
