import logging
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio.shutil
import shapely
import sqlalchemy as sa
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from tests.protocol import postgis
from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog
from urbanseg.mapping.publishing import engine, publish, redact_message

CACHE = Path(tempfile.gettempdir()) / "urbanseg-postgis"
GRID = Grid(CRS(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 20, 30)
PASSWORD = "s3cret-word"  # noqa: S105, of a server that lives for a minute


@pytest.fixture(scope="module")
def server():
    """Address of a database with PostGIS, for a role that is no superuser."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        root = postgis.programs(CACHE)
        with postgis.serving(root, folder) as admin:
            database = engine(admin)
            with database.begin() as connection:
                connection.execute(sa.text("CREATE EXTENSION postgis"))
                connection.execute(sa.text(f"CREATE ROLE mapper LOGIN PASSWORD '{PASSWORD}'"))
                connection.execute(sa.text("CREATE SCHEMA city_maps AUTHORIZATION mapper"))
            database.dispose()
            yield admin.replace("admin@", f"mapper:{PASSWORD}@")
    except postgis.MissingError as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server):
    made = engine(server)
    yield made
    with made.begin() as connection:
        for name in ("runs", "land_cover", "road_edges", "road_nodes"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS city_maps.{name}"))
    made.dispose()


def layers(n=3):
    boxes = [shapely.box(500_000 + 100 * i, 0, 500_100 + 100 * i, 100) for i in range(n)]
    cover = gpd.GeoDataFrame({"class_id": np.arange(n), "name": "road"}, geometry=boxes, crs=32632)
    lines = gpd.GeoDataFrame(
        {"u": [0], "length_m": [5.0]}, geometry=[shapely.LineString([(5e5, 0), (5e5, 5)])], crs=32632
    )
    nodes = gpd.GeoDataFrame({"node_id": [0]}, geometry=[shapely.Point(5e5, 0)], crs=32632)
    return {"land_cover": cover, "road_edges": lines, "road_nodes": nodes}


def rows(database, table="land_cover", city="town"):
    with database.connect() as connection:
        query = sa.text(f"SELECT * FROM city_maps.{table} WHERE city = '{city}'")  # noqa: S608, names are ours
        return gpd.read_postgis(query, connection, geom_col="geom")


def test_publishing_twice_leaves_one_copy(database):
    assert publish(database, "city_maps", "town", "run1", layers())
    assert not publish(database, "city_maps", "town", "run1", layers())
    assert len(rows(database)) == 3
    assert len(rows(database, "road_edges")) == len(rows(database, "road_nodes")) == 1


def test_a_new_run_replaces_its_city_and_no_other(database):
    publish(database, "city_maps", "town", "run1", layers())
    publish(database, "city_maps", "village", "run7", layers(2))
    publish(database, "city_maps", "town", "run2", layers(5))
    assert set(rows(database)["run"]) == {"run2"}
    assert [len(rows(database, city=city)) for city in ("town", "village")] == [5, 2]


def test_what_is_read_back_lies_where_it_was_and_has_a_spatial_index(database):
    publish(database, "city_maps", "town", "run1", layers())
    found = rows(database).sort_values("class_id")
    assert found.crs.to_epsg() == 4326
    assert np.allclose(found.to_crs(32632).bounds, layers()["land_cover"].bounds, atol=1e-3)
    with database.connect() as connection:
        kinds = connection.execute(
            sa.text(
                "SELECT tablename FROM pg_indexes WHERE schemaname = 'city_maps' AND indexdef LIKE '%gist%'"
            )
        ).scalars()
        assert sorted(kinds) == ["land_cover", "road_edges", "road_nodes"]
        role = sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert connection.scalar(role) is False


def test_cities_that_are_published_at_the_same_time_into_an_empty_schema_all_arrive(database):
    cities = [f"town{number}" for number in range(6)]
    with ThreadPoolExecutor(len(cities)) as pool:
        done = list(pool.map(lambda city: publish(database, "city_maps", city, "run1", layers()), cities))
    assert all(done)
    assert [len(rows(database, city=city)) for city in cities] == [3] * len(cities)


def test_nothing_is_made_before_the_lock_is_held_and_cities_do_not_wait_for_each_other(database):
    statements = []
    sa.event.listen(database, "before_cursor_execute", lambda *said: statements.append(said[2]))
    publish(database, "city_maps", "town", "run1", layers())
    locks = [i for i, text in enumerate(statements) if "pg_advisory_xact_lock" in text]
    made = [i for i, text in enumerate(statements) if "CREATE" in text]
    assert len(locks) == 2  # of the city, and of the tables that are missing
    assert made
    assert max(locks) < min(made)
    statements.clear()
    publish(database, "city_maps", "village", "run1", layers())
    assert sum("pg_advisory_xact_lock" in text for text in statements) == 1
    assert not any("CREATE" in text for text in statements)


def test_a_publish_that_fails_or_is_cut_off_in_the_middle_leaves_the_previous_one(
    database, server, monkeypatch
):
    publish(database, "city_maps", "town", "run1", layers())
    original = gpd.GeoDataFrame.to_postgis

    def cut_off(self, name, connection, **options):
        original(self, name, connection, **options)
        if name == "road_edges":
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            other = engine(server)
            with other.begin() as killer:
                killer.execute(sa.text(f"SELECT pg_terminate_backend({pid})"))
            other.dispose()

    monkeypatch.setattr(gpd.GeoDataFrame, "to_postgis", cut_off)
    with pytest.raises(PipelineError, match="left as it was") as said:
        publish(database, "city_maps", "town", "run2", layers(9))
    assert PASSWORD not in str(said.value)
    assert set(rows(database)["run"]) == {"run1"}
    assert len(rows(database)) == 3


def test_the_stage_publishes_the_map_and_never_says_the_address(
    server, database, tmp_path, monkeypatch, caplog
):
    root = ROOT
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / paths.PARAMS, paths.PARAMS)
    target = paths.geopackage("demo")
    target.parent.mkdir(parents=True)
    for name, layer in layers().items():
        layer.to_file(target, layer=name, driver="GPKG")
    monkeypatch.setenv("DATABASE_SCHEMA", "city_maps")
    monkeypatch.setenv("DATABASE_URL", server)
    with caplog.at_level(logging.DEBUG):
        guarded(lambda: execute(["publish", "demo"]))
        assert len(rows(database, city="demo")) == 3
        monkeypatch.setenv("DATABASE_URL", server.replace("mapper:", "nobody-known:"))
        with pytest.raises(SystemExit, match="could not be written") as said:
            guarded(lambda: execute(["publish", "demo"]))
    for secret in (PASSWORD, "nobody-known", "mapper"):
        assert secret not in str(said.value)
        assert secret not in caplog.text


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize(
    ("kept", "crs", "sentence"),
    [
        ((), 32632, r"demo\.gpkg is no map that the vectorize stage wrote"),
        (("land_cover", "road_edges"), 32632, r"demo\.gpkg is no map that the vectorize stage wrote"),
        (
            ("land_cover", "road_edges", "road_nodes"),
            None,
            r"demo\.gpkg has no CRS, or .* the layer land_cover",
        ),
    ],
)
def test_a_file_that_is_no_map_is_one_sentence(kept, crs, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / paths.PARAMS, paths.PARAMS)
    target = paths.geopackage("demo")
    target.parent.mkdir(parents=True)
    for name in kept:
        layers()[name].set_crs(crs, allow_override=True).to_file(target, layer=name, driver="GPKG")
    if not kept:
        with cog.writing(target.with_suffix(".tif"), GRID, dtype="uint8"):
            pass
        rasterio.shutil.copy(target.with_suffix(".tif"), target, driver="GPKG")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@/none?host=/none")
    with pytest.raises(PipelineError, match=sentence) as said:
        execute(["publish", "demo"])
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("url", ["mysql://a:s3cret-word@h/d", "s3cret-word"])
def test_an_address_that_is_none_is_not_repeated(url):
    with pytest.raises(PipelineError) as said:
        engine(url)
    assert PASSWORD not in str(said.value)


def test_masking_hides_addresses_and_names():
    text = 'connection to server at "10.1.2.3", port 5432 failed: FATAL: role "ann" does not exist\nmore'
    assert redact_message(text) == (
        "connection to server at [hidden], port 5432 failed: FATAL: role [hidden] does not exist"
    )
