"""Publication of the map in PostGIS.

One table holds a layer of all cities; rows carry the city and the run that made them, a
digest of the map. Replacing a city is one transaction: readers see its old rows until the
new ones are complete, and a failure leaves the old ones. The role needs CONNECT and a
schema it may create in; the administrator has installed the PostGIS extension before.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import geopandas as gpd
import pandas as pd
import sqlalchemy as sa
from geoalchemy2 import Geometry

from urbanseg.errors import PipelineError
from urbanseg.mapping.vector_layers import GEOMETRY
from urbanseg.redact import redact

EPSG = 4326
"""CRS of the tables: cities lie in different UTM zones, and a table has one."""

RUNS = "runs"
"""Table of the published run of each city."""

KEYS = ("city", "run")


def engine(url: str) -> sa.Engine:
    """An engine for a ``postgresql://`` address; an empty one takes libpq's variables (``PGHOST`` …).

    Raises:
        PipelineError: if it is no address of PostgreSQL; the address is not repeated, as it may
            hold a password.
    """
    try:
        made = sa.make_url(url or "postgresql://")
    except (sa.exc.ArgumentError, ValueError):
        raise PipelineError("DATABASE_URL is no address such as postgresql://host:5432/database") from None
    if made.get_backend_name() not in {"postgresql", "postgres"}:
        raise PipelineError("DATABASE_URL must start with postgresql://; only PostGIS is published to")
    return sa.create_engine(
        made.set(drivername="postgresql+psycopg"), hide_parameters=True, poolclass=sa.NullPool
    )


def publish(
    database: sa.Engine, schema: str, city: str, run: str, layers: Mapping[str, gpd.GeoDataFrame]
) -> bool:
    """Replace what the database holds of a city; False if it holds this run already.

    Args:
        database: where to.
        schema: made if it is missing.
        city: whose rows are replaced.
        run: names what is published; the same map has the same one.
        layers: a table for each layer by its name, geometry in any CRS.

    Returns:
        Whether rows were replaced; False if the run was there already.

    Raises:
        PipelineError: if the database cannot be reached or refuses; it is left as it was.
    """
    with translate_errors(), database.begin() as connection:
        # Two publishers of one city follow each other instead of both inserting.
        _lock(connection, f"{schema}.{city}")
        _prepare(connection, schema, layers)
        runs = _runs(schema)
        if connection.scalar(sa.select(runs.c.run).where(runs.c.city == city)) == run:
            return False
        for name, layer in layers.items():
            table = sa.table(name, sa.column("city"), schema=schema)
            connection.execute(sa.delete(table).where(table.c.city == city))
            _rows(layer, city, run).to_postgis(
                name, connection, schema=schema, if_exists="append", chunksize=10_000
            )
        connection.execute(sa.delete(runs).where(runs.c.city == city))
        connection.execute(sa.insert(runs).values(city=city, run=run))
        return True


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn errors of the database into a `PipelineError` without address, user or password.

    Raises:
        PipelineError: if the database reports an error.
    """
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        reason = redact_message(str(getattr(error, "orig", None) or error))
        raise PipelineError(
            f"the database could not be written, and is left as it was ({reason}); check DATABASE_URL or "
            "the PG variables, that the role may create in the schema, and that PostGIS is installed"
        ) from None


def redact_message(text: str) -> str:
    """The first line of a database's message, without host, database, user and password."""
    line = next(iter(redact(text).strip().splitlines()), "")
    line = re.sub(r"\w+(\+\w+)?://\S+", "[hidden]", line)
    line = re.sub(
        r'(user|role|database|host|server at|to server at|socket) (name )?"[^"]*"', r"\1 [hidden]", line
    )
    line = re.sub(r"\b\d{1,3}(\.\d{1,3}){3}\b", "[hidden]", line)
    return re.sub(r"(?i)(password|user|host|dbname)=\S+", r"\1=[hidden]", line)


def _lock(connection: sa.Connection, name: str) -> None:
    """Wait until no other transaction holds the lock of this name; it is held until ours ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(name))))


def _prepare(connection: sa.Connection, schema: str, layers: Mapping[str, gpd.GeoDataFrame]) -> None:
    """Make the schema and the tables that are missing, with their spatial indexes.

    Only one transaction at a time may: PostgreSQL's ``IF NOT EXISTS`` does not see what another one
    is making. Where nothing is missing, publishers of different cities do not wait for each other.
    """
    if {RUNS, *layers} <= set(sa.inspect(connection).get_table_names(schema)):
        return
    _lock(connection, schema)
    if schema not in sa.inspect(connection).get_schema_names():
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    _runs(schema).create(connection, checkfirst=True)
    for name, layer in layers.items():
        metadata = sa.MetaData(schema=schema)
        columns = [sa.Column(c, _type(layer[c])) for c in layer.columns if c != layer.geometry.name]
        table = sa.Table(
            name,
            metadata,
            *(sa.Column(key, sa.Text, nullable=False, index=key == "city") for key in KEYS),
            *columns,
            sa.Column(GEOMETRY, Geometry("GEOMETRY", srid=EPSG, spatial_index=True)),
        )
        table.create(connection, checkfirst=True)


def _runs(schema: str) -> sa.Table:
    return sa.Table(
        RUNS,
        sa.MetaData(),
        sa.Column("city", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        schema=schema,
    )


def _rows(layer: gpd.GeoDataFrame, city: str, run: str) -> gpd.GeoDataFrame:
    """The layer with the columns of the database table."""
    rows = layer.to_crs(EPSG).rename_geometry(GEOMETRY)
    rows.insert(0, "run", run)
    rows.insert(0, "city", city)
    return rows


def _type(column: pd.Series) -> sa.types.TypeEngine[Any]:
    if pd.api.types.is_integer_dtype(column):
        return sa.BigInteger()
    return sa.Double() if pd.api.types.is_float_dtype(column) else sa.Text()
