"""Publication of the map in PostGIS.

One table holds a layer of all cities; rows carry the city and the run that made them, a
digest of the map. Replacing a city is one transaction: readers see its old rows until the
new ones are complete, and a failure leaves the old ones. The role needs CONNECT and a
schema it may create in; the administrator has installed the PostGIS extension before. Rows go
by COPY, a batch at a time, so memory does not grow with the map.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely
import sqlalchemy as sa

from urbanseg.errors import PipelineError
from urbanseg.mapping.published_layers import Batch, LayerSource, of_table
from urbanseg.mapping.published_tables import (
    KEYS,
    RUNS,
    STYLES,
    add_columns,
    lacking_columns,
    layer_table,
    runs_table,
    styles_table,
    upgrade,
)
from urbanseg.mapping.vector_layers import GEOMETRY
from urbanseg.redact import redact


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
    database: sa.Engine,
    schema: str,
    city: str,
    run: str,
    layers: Mapping[str, gpd.GeoDataFrame | LayerSource],
    *,
    title: str = "",
    styles: pd.DataFrame | None = None,
    readers: Sequence[str] = (),
) -> bool:
    """Replace what the database holds of a city; False if it holds this run already.

    Args:
        database: where to.
        schema: made if it is missing.
        city: whose rows are replaced.
        run: names what is published; the same map has the same one.
        layers: by its name, geometry in any CRS.
        title: of the city.
        styles: as `urbanseg.mapping.styles.style_table` makes it; a style that the database
            holds stays.
        readers: roles that may read the tables from now on.

    Returns:
        Whether rows were replaced; False if the run was there already.

    Raises:
        PipelineError: if the database cannot be reached or refuses; it is left as it was.
    """
    sources = {
        name: each if isinstance(each, LayerSource) else of_table(each) for name, each in layers.items()
    }
    with translate_errors(), database.begin() as connection:
        # Two publishers of one city follow each other instead of both inserting.
        _lock(connection, f"{schema}.{city}")
        _prepare(connection, schema, sources)
        _add_styles(connection, schema, styles)
        _grant(connection, schema, sources, readers)
        runs = runs_table(schema)
        current = sa.select(runs.c.run).where(runs.c.city == city, runs.c.is_current)
        if connection.scalar(current) == run:
            return False
        for name, source in sources.items():
            table = sa.table(name, sa.column("city"), schema=schema)
            connection.execute(sa.delete(table).where(table.c.city == city))
            for batch in source.batches():
                copy_rows(connection, schema, name, (city, run), batch)
        connection.execute(sa.update(runs).where(runs.c.city == city).values(is_current=False))
        crs = next(iter(sources.values())).crs
        written = {"city": city, "run": run, "title": title or city, "source_crs": _name(crs)}
        connection.execute(sa.insert(runs).values(**written, is_current=True))
        return True


def copy_rows(connection: sa.Connection, schema: str, name: str, keys: Sequence[str], batch: Batch) -> None:
    """Send a batch of rows by COPY.

    Args:
        connection: in whose transaction.
        schema: of the table.
        name: of the table.
        keys: values of `KEYS`, the same for all rows.
        batch: attributes and geometries.
    """
    attributes, shapes = batch
    quote = connection.dialect.identifier_preparer.quote_identifier
    columns = ", ".join(map(quote, (*KEYS, *attributes.column_names, GEOMETRY)))
    values = [column.to_pylist() for column in attributes.columns]
    geometries = shapely.to_wkb(shapes, hex=True, include_srid=True).tolist()
    database = connection.dialect.dbapi
    assert database is not None  # noqa: S101, it is connected
    command = f"COPY {quote(schema)}.{quote(name)} ({columns}) FROM STDIN"
    try:
        with closing(connection.connection.cursor()) as cursor, cursor.copy(command) as copy:
            for row in zip(*values, geometries, strict=True):
                copy.write_row((*keys, *row))
    except database.Error as error:
        raise sa.exc.OperationalError("COPY", None, error) from error


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


def _prepare(connection: sa.Connection, schema: str, sources: Mapping[str, LayerSource]) -> None:
    """Make the schema, the tables and columns that are missing, with their keys, indexes and comments.

    Only one transaction at a time may: PostgreSQL's ``IF NOT EXISTS`` does not see what another one
    is making. Where nothing is missing, publishers of different cities do not wait for each other.
    """
    inspector = sa.inspect(connection)
    found = set(inspector.get_table_names(schema))
    lacking = lacking_columns(connection, schema, found, sources)
    if {RUNS, STYLES, *sources} <= found and not lacking:
        return
    _lock(connection, schema)
    add_columns(connection, schema, lacking)
    if schema not in inspector.get_schema_names():
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    if {RUNS, *sources} & found and STYLES not in found:
        upgrade(connection, schema, found, sources)
    for table in (
        runs_table(schema),
        styles_table(schema),
        *(layer_table(schema, *each) for each in sources.items()),
    ):
        table.create(connection, checkfirst=True)


def _add_styles(connection: sa.Connection, schema: str, styles: pd.DataFrame | None) -> None:
    """Add the styles of tables that have none."""
    if styles is None:
        return
    table = styles_table(schema)
    styled = set(connection.scalars(sa.select(table.c.f_table_name).where(table.c.f_table_schema == schema)))
    rows = [
        {
            "f_table_catalog": connection.scalar(sa.func.current_database()),
            "f_table_schema": schema,
            "f_table_name": name,
            "f_geometry_column": GEOMETRY,
            "stylename": name,
            "styleqml": re.sub(r"<!DOCTYPE[^>]*>\s*", "", qml),  # the type xml takes none
            "useasdefault": True,
            "description": "urbanseg",
        }
        for name, qml in zip(styles["f_table_name"], styles["styleQML"], strict=True)
        if name not in styled
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def _grant(
    connection: sa.Connection, schema: str, sources: Mapping[str, LayerSource], readers: Sequence[str]
) -> None:
    """Let roles read the tables.

    Raises:
        PipelineError: if there is no such role.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    tables = ", ".join(f"{quote(schema)}.{quote(name)}" for name in (RUNS, STYLES, *sources))
    roles = sa.table("pg_roles", sa.column("rolname"))
    for role in readers:
        if not connection.scalar(sa.select(roles.c.rolname).where(roles.c.rolname == role)):
            raise PipelineError(
                f"--grant {role}: the database has no such role; an administrator makes it by CREATE ROLE"
            )
        connection.execute(sa.text(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)}"))
        connection.execute(sa.text(f"GRANT SELECT ON {tables} TO {quote(role)}"))


def _name(crs: Any) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.name)
