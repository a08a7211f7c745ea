import logging
import shutil
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio.shutil
import shapely
import sqlalchemy as sa
import yaml
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT, whole_params
from tests.protocol import postgis
from urbanseg import paths
from urbanseg.classes import ClassTable, LandClass
from urbanseg.cli.guard import guarded
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog
from urbanseg.mapping import publishing
from urbanseg.mapping.published_layers import LayerSource, of_table
from urbanseg.mapping.publishing import engine, publish, redact_message
from urbanseg.mapping.styles import layer_styles
from urbanseg.region.dataset import DATA_SETS, write_dataset

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
                connection.execute(sa.text("CREATE ROLE reader"))
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
        for name in ("runs", "layer_styles", "land_cover", "road_edges", "road_nodes"):
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


def query(database, text):
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(text))]


def test_tables_have_a_type_of_geometry_a_key_and_comments_as_qgis_and_people_need(database):
    publish(database, "city_maps", "town", "run1", layers())
    kinds = query(
        database,
        "SELECT f_table_name, type, srid FROM geometry_columns WHERE f_table_schema = 'city_maps' ORDER BY 1",
    )
    assert kinds == [
        ("land_cover", "POLYGON", 4326), ("road_edges", "LINESTRING", 4326), ("road_nodes", "POINT", 4326),
    ]  # fmt: skip
    keys = query(
        database,
        "SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
        "WHERE i.indisprimary AND c.relnamespace = 'city_maps'::regnamespace ORDER BY 1",
    )
    assert keys == [
        (name, "id") for name in ("land_cover", "layer_styles", "road_edges", "road_nodes", "runs")
    ]
    bare = query(
        database,
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = 'city_maps'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 "
        "AND c.relname <> 'layer_styles' AND a.attname <> 'name' "
        "AND col_description(c.oid, a.attnum) IS NULL",
    )
    assert bare == []
    assert query(database, "SELECT obj_description('city_maps.land_cover'::regclass) LIKE 'Land cover%'") == [
        (True,)
    ]


def test_rows_can_be_edited_and_new_ones_drawn(database):
    publish(database, "city_maps", "town", "run1", layers())
    with database.begin() as connection:
        drawn = "ST_GeomFromText('POLYGON((9 48, 9 49, 10 49, 9 48))', 4326)"
        connection.execute(
            sa.text(f"INSERT INTO city_maps.land_cover (city, run, geom) VALUES ('town', 'me', {drawn})")  # noqa: S608
        )
        changed = connection.execute(sa.text("UPDATE city_maps.land_cover SET class_id = 1 WHERE id = 1"))
        assert changed.rowcount == 1


def test_what_was_published_when_is_kept(database):
    publish(database, "city_maps", "town", "run1", layers(), title="The Town")
    publish(database, "city_maps", "town", "run2", layers(5), title="The Town")
    publish(database, "city_maps", "village", "run7", layers())
    kept = query(
        database,
        "SELECT city, run, title, source_crs, is_current, now() - published_at < '1 minute' "
        "FROM city_maps.runs ORDER BY id",
    )
    assert kept == [
        ("town", "run1", "The Town", "EPSG:32632", False, True),
        ("town", "run2", "The Town", "EPSG:32632", True, True),
        ("village", "run7", "village", "EPSG:32632", True, True),
    ]


def test_a_map_that_comes_back_is_published_again(database):
    for run, n in (("run1", 3), ("run2", 5), ("run1", 3)):
        assert publish(database, "city_maps", "town", run, layers(n))
    assert len(rows(database)) == 3
    assert query(database, "SELECT run FROM city_maps.runs WHERE is_current") == [("run1",)]


def test_qgis_finds_styles_and_those_that_somebody_saved_stay(database):
    styles = layer_styles(ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "road", "#7f8c8d"))))
    publish(database, "city_maps", "town", "run1", layers(), styles=styles)
    found = query(
        database,
        "SELECT f_table_schema, f_table_name, f_geometry_column, useasdefault, "
        "xpath_exists('/qgis/renderer-v2', styleqml) FROM city_maps.layer_styles ORDER BY id",
    )
    assert found == [("city_maps", name, "geom", True, True) for name in layers()]
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE city_maps.layer_styles SET stylename = 'mine'"))
    publish(database, "city_maps", "town", "run2", layers(), styles=styles)
    assert query(database, "SELECT DISTINCT stylename FROM city_maps.layer_styles") == [("mine",)]
    assert len(query(database, "SELECT id FROM city_maps.layer_styles")) == 3


def test_roles_that_are_named_may_read_and_no_more(database):
    publish(database, "city_maps", "town", "run1", layers(), readers=["reader"])
    allowed = query(
        database,
        "SELECT has_schema_privilege('reader', 'city_maps', 'USAGE'), "
        "has_table_privilege('reader', 'city_maps.land_cover', 'SELECT'), "
        "has_table_privilege('reader', 'city_maps.runs', 'SELECT'), "
        "has_table_privilege('reader', 'city_maps.land_cover', 'UPDATE')",
    )
    assert allowed == [(True, True, True, False)]


def test_a_role_that_there_is_not_is_one_sentence_and_nothing_is_published(database):
    with pytest.raises(PipelineError, match="--grant nobody-known: the database has no such role"):
        publish(database, "city_maps", "town", "run1", layers(), readers=["nobody-known"])
    assert query(database, "SELECT to_regclass('city_maps.land_cover')") == [(None,)]


def test_tables_of_the_release_before_are_brought_to_todays_form_with_their_rows(database):
    with database.begin() as connection:
        for name, columns in (
            ("land_cover", "class_id bigint, name text"),
            ("road_edges", "u bigint, length_m double precision"),
            ("road_nodes", "node_id bigint"),
        ):
            keys = "city text NOT NULL, run text NOT NULL"
            kind = "geometry(Geometry, 4326)"
            connection.execute(sa.text(f"CREATE TABLE city_maps.{name} ({keys}, {columns}, geom {kind})"))
        old = "ST_GeomFromText('POLYGON((9 48, 9 49, 10 49, 9 48))', 4326)"
        connection.execute(
            sa.text(f"INSERT INTO city_maps.land_cover VALUES ('village', 'run0', 1, 'road', {old})")  # noqa: S608
        )
        connection.execute(sa.text("CREATE TABLE city_maps.runs (city text PRIMARY KEY, run text NOT NULL)"))
        connection.execute(sa.text("INSERT INTO city_maps.runs VALUES ('village', 'run0')"))
    assert publish(database, "city_maps", "town", "run1", layers())
    assert not publish(database, "city_maps", "village", "run0", layers())
    assert len(rows(database)) == 3
    assert len(rows(database, city="village")) == 1
    kinds = query(database, "SELECT type FROM geometry_columns WHERE f_table_name = 'land_cover'")
    assert kinds == [("POLYGON",)]
    assert query(database, "SELECT min(id) > 0, count(DISTINCT id) FROM city_maps.land_cover") == [(True, 4)]


def test_a_column_that_an_earlier_release_did_not_have_is_added(database):
    before = layers()
    publish(database, "city_maps", "village", "run0", before)
    today = before | {"road_edges": before["road_edges"].assign(highway_guess="service")}
    assert publish(database, "city_maps", "town", "run1", today)
    assert rows(database, "road_edges")["highway_guess"].tolist() == ["service"]
    assert rows(database, "road_edges", "village")["highway_guess"].tolist() == [None]


def test_no_more_than_a_batch_is_held(database):
    held, most = [], []

    def batches():
        for _ in range(5):
            source = of_table(layers(50)["land_cover"])
            [(attributes, shapes)] = source.batches()
            held.append(weakref.ref(shapes))
            yield attributes, shapes
            del attributes, shapes
            most.append(sum(each() is not None for each in held))

    whole = of_table(layers()["land_cover"])
    source = LayerSource(whole.crs, whole.columns, whole.geometry_type, batches, 250)
    publish(database, "city_maps", "town", "run1", {"land_cover": source})
    assert len(rows(database)) == 250
    assert max(most) <= 1, "batches pile up"


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
    original = publishing.copy_rows

    def cut_off(connection, schema, name, *rest):
        original(connection, schema, name, *rest)
        if name == "road_edges":
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            other = engine(server)
            with other.begin() as killer:
                killer.execute(sa.text(f"SELECT pg_terminate_backend({pid})"))
            other.dispose()

    monkeypatch.setattr(publishing, "copy_rows", cut_off)
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


def test_a_region_is_published_file_by_file(server, database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params({"land": {"title": "The land", "inputs": "data/none", "model_inputs": "data/none",
                           "model": "s2-urban", "scene": SCENE}})  # fmt: skip
    monkeypatch.setenv("DATABASE_SCHEMA", "city_maps")
    monkeypatch.setenv("DATABASE_URL", server)
    with pytest.raises(PipelineError, match=r"land/polygons holds no GeoParquet; run dvc repro regions/land"):
        execute(["publish", "land"])
    folder = paths.region_dir("land")
    for layer, name in DATA_SETS.items():
        whole = layers()[layer].assign(is_whole=True)
        write_dataset(folder / name, [whole.iloc[:2], whole.iloc[2:]])
    for _ in range(2):
        execute(["publish", "land"])
    found = rows(database, city="land")
    assert sorted(found["class_id"]) == [0, 1, 2]
    assert found["is_whole"].tolist() == [True] * 3
    assert found["run"].nunique() == 1
    assert sorted(found.to_crs(32632).total_bounds.round()) == [0, 100, 500_000, 500_300]
    assert [len(rows(database, name, "land")) for name in ("road_edges", "road_nodes")] == [1, 1]
    (folder / "roads/part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(PipelineError, match="land/roads holds files that are no GeoParquet"):
        execute(["publish", "land"])


def test_a_region_called_as_a_city_is_not_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params({"demo": {"title": "The land", "inputs": "data/none", "model_inputs": "data/none",
                           "model": "s2-urban", "scene": SCENE}})  # fmt: skip
    with pytest.raises(PipelineError, match="demo is a city and a region"):
        execute(["publish", "demo"])


SCENE = {
    "provider": "stac",
    "profile": "earth_search",
    "area": {"bbox": [9.0, 48.0, 9.1, 48.1]},
    "dates": "2023-05-01/2023-07-31",
    "bands": ["B02"],
}


def write_params(regions):
    """The project's params.yaml with these regions."""
    paths.PARAMS.write_text(yaml.safe_dump(whole_params() | {"regions": regions}, sort_keys=False))


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
