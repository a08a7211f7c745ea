"""A vector file that names other data, or an address of its CRS or schema, is refused."""

import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely
from pyproj import CRS

from tests.unit.io.counting import Counter, counting
from urbanseg.classes import ClassTable, LandClass
from urbanseg.config.labels import VectorLabels
from urbanseg.config.scene import AreaParams, Retry
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.imagery.sentinel2 import area
from urbanseg.io import vector_files
from urbanseg.labels.vector import read_vector
from urbanseg.mapping.checkpoints import read_checkpoints

SQUARE = shapely.box(9, 48, 9.1, 48.1)
GML = (
    '<wfs:FeatureCollection xmlns:x="http://x" xmlns:gml="http://www.opengis.net/gml" '
    'xmlns:wfs="http://www.opengis.net/wfs" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://x {schema}"><gml:featureMember><x:y fid="1"><x:geom>'
    '<gml:Polygon srsName="EPSG:4326"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>'
    "9,48 9.1,48 9.1,48.1 9,48</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>"
    "</x:geom></x:y></gml:featureMember></wfs:FeatureCollection>"
)


def geojson(path: Path, crs: str) -> Path:
    """GeoJSON with this text for its CRS."""
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(SQUARE)}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    path.write_text(text.replace("{", "{" + crs + ", ", 1) if crs else text)
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def zipped(path: Path, name: str, text: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
    return path


def link(url: str, key: str = '"crs"', kind: str = "link", name: str = "href") -> str:
    return f'{key}: {{"type": "{kind}", "properties": {{"{name}": "{url}/crs"}}}}'


OGR_VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/vsicurl/{url}/v.gpkg</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)
HOSTILE: dict[str, Callable[[Path, str], Path]] = {
    "OGR VRT": lambda f, url: written(f / "a.vrt", OGR_VRT.format(url=url)),
    "OGR VRT by another name": lambda f, url: written(f / "a.geojson", OGR_VRT.format(url=url)),
    "OGR VRT after a comment": lambda f, url: written(f / "a.gml", "<!-- -->" + OGR_VRT.format(url=url)),
    "OGR VRT in an archive": lambda f, url: zipped(f / "a.zip", "a.vrt", OGR_VRT.format(url=url)),
    "CRS by a link": lambda f, url: geojson(f / "a.geojson", link(url)),
    "CRS by an address": lambda f, url: geojson(f / "a.geojson", link(url, kind="url", name="url")),
    "CRS with an escape": lambda f, url: geojson(f / "a.geojson", link(url, key='"\\u0063r\\u0073"')),
    "CRS far away": lambda f, url: geojson(f / "a.json", link(url).replace(":", ":" + " " * 9000, 1)),
    "CRS behind another object": lambda f, url: geojson(
        f / "a.json", link(url).replace('"type"', '"a": {}, "type"', 1)
    ),
    "GML schema": lambda f, url: written(
        f / "a.gml",
        GML.format(schema=f"{url}/wfs?service=WFS&amp;version=1.0.0&amp;request=DescribeFeatureType&amp;typeName=x:y"),
    ),
    "algorithm": lambda f, url: written(
        f / "a.json",
        json.dumps({
            "type": "gdal_streamed_alg",
            "command_line": f"gdal vector pipeline ! read /vsicurl/{url}/a.gpkg",
        }),
    ),
}  # fmt: skip
SILENT = {"GML schema"}
"""Read without a request, instead of refused."""
UNKNOWN = {"CRS far away"}
"""Taken for no GeoJSON by today's GDAL."""

READ = """
import sys, warnings, pyogrio
warnings.simplefilter("ignore")
try:
    pyogrio.read_dataframe(sys.argv[1])
except Exception as error:
    print(error)
"""


@pytest.fixture
def counter(tmp_path: Path):
    with counting(tmp_path) as served:
        yield served


def labels(path: Path) -> None:
    grid = Grid(CRS.from_epsg(32632), *_place())
    read_vector(VectorLabels(source="vector", path=path, classes="building"), grid)


def _place():
    from affine import Affine  # noqa: PLC0415

    return Affine(10, 0, 500_000, 0, -10, 5_327_000), 1000, 1000


def outline(path: Path) -> None:
    area.find(AreaParams(file=path), Retry())


def sample(path: Path) -> None:
    read_checkpoints(path, ClassTable((LandClass(0, "other", "#000000"), LandClass(1, "road", "#ffffff"))))


READERS = {"labels": labels, "area.file": outline, "assess": sample}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("reader", READERS)
def test_nothing_is_asked_for(kind: str, reader: str, tmp_path: Path, counter: Counter) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    path = HOSTILE[kind](folder, counter.url)
    if kind in SILENT and reader != "assess":
        READERS[reader](path)
    else:
        with pytest.raises(PipelineError, match=str(path)) as refusal:
            READERS[reader](path)
        assert "\n" not in str(refusal.value)
    assert counter.asked() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(HOSTILE) - UNKNOWN))
def test_gdal_alone_would_ask(kind: str, tmp_path: Path, counter: Counter) -> None:
    path = HOSTILE[kind](tmp_path, counter.url)
    subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, check=False)
    assert counter.asked()


def test_what_the_check_misses_finds_no_network(tmp_path: Path, counter: Counter) -> None:
    for path in (
        HOSTILE["CRS by a link"](tmp_path, counter.url),
        HOSTILE["algorithm"](tmp_path, counter.url),
    ):
        try:
            pyogrio.read_dataframe(path)
        except pyogrio.errors.DataSourceError:
            continue
    assert counter.asked() == []


OPTIONS = {"a.gpx": {"layer": "routes"}, "a.kml": {"driver": "KML"}}


@pytest.mark.parametrize(
    "path",
    [
        "a.gpkg", "a.geojson", "a.fgb", "a.shp", "a.kml", "a.gml", "a.gpx", "a.gdb",
    ],
)  # fmt: skip
def test_common_formats_are_read(path: str, tmp_path: Path) -> None:
    shape = SQUARE if path != "a.gpx" else shapely.LineString([(9, 48), (9.1, 48)])
    frame = gpd.GeoDataFrame({"name": ["x"]}, geometry=[shape], crs=4326)
    frame.to_file(tmp_path / path, **OPTIONS.get(path, {}))
    vector_files.require_plain(tmp_path / path)
    if path != "a.gpx":
        outline(tmp_path / path)


def test_an_archive_of_a_shapefile_is_read(tmp_path: Path) -> None:
    gpd.GeoDataFrame({"a": [1]}, geometry=[SQUARE], crs=4326).to_file(tmp_path / "a.shp")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in tmp_path.glob("a.[sdpc]*"):
            archive.write(part, part.name)
    outline(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "crs",
    [
        '"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}',
        '"crs": null',
        '"crs": "a text"',
        '"note": "crs", "links": [{"href": "https://example.org"}]',
        "",
    ],
)
def test_a_geojson_with_a_plain_crs_is_read(crs: str, tmp_path: Path) -> None:
    outline(geojson(tmp_path / "a.geojson", crs))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><kml>&b;</kml>', "has a document type"),
        (GML.format(schema="../elsewhere/x.xsd"), "lies in another folder"),
        (GML.format(schema="/vsicurl/http://h/x.xsd"), "lies in another folder"),
        ("SQLite format 3\0", "is not a vector file that GDAL can open"),
        ("PK but no archive", "is not a vector file that GDAL can open"),
        ("PG:host=h dbname=d", "is not a vector file that GDAL can open"),
        ("", "is not a vector file that GDAL can open"),
    ],
)
def test_other_files_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=sentence):
        outline(written(tmp_path / "a.gml", text))


@pytest.mark.parametrize(
    "table",
    [
        "CREATE VIRTUAL TABLE t USING VirtualOGR('/vsicurl/{url}/x.gpkg', 0, 'x')",
        "CREATE VIEW t AS SELECT 1 AS fid, ogr_geocode('x', 'geometry', 'QUERY_TEMPLATE={url}/%s') AS geom",
        "CREATE VIEW t AS SELECT 1 AS fid, gdal_get_pixel_value('/vsicurl/{url}/x.tif', 1, 'pixel', 0, 0)",
    ],
)
def test_a_geopackage_with_sql_that_opens_files_is_one_sentence(
    table: str, tmp_path: Path, counter: Counter
) -> None:
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"a": [1]}, geometry=[SQUARE], crs=4326).to_file(path, layer="base")
    with sqlite3.connect(path) as database:
        sql = table.format(url=counter.url)
        if "VIRTUAL" in sql:
            database.execute("PRAGMA writable_schema = 1")
            row = ("table", "t", "t", 0, sql)
            database.execute(
                "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?,?,?,?,?)", row
            )
        else:
            database.execute(sql)
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('t', 'attributes', 't')"
        )
    labelled = VectorLabels(source="vector", path=path, layer="t", classes="building")
    with pytest.raises(PipelineError, match=r"a\.gpkg"):
        read_vector(labelled, Grid(CRS.from_epsg(32632), *_place()))
    assert counter.asked() == []
