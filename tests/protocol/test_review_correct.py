"""Corrections through the server: what is stored, and that nothing is lost, whoever is killed."""

import shutil
import signal
import sqlite3
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
from pyproj import Transformer

from tests.protocol.desk import running
from tests.unit.review.town import GRID, write_town
from urbanseg import paths
from urbanseg.config.params import load
from urbanseg.grid import Window
from urbanseg.labels.corrections import corrected, read

pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("rio_tiler", reason="the extra review is not installed")

URL = "/api/scenes/demo/corrections"
TO_DEGREES = Transformer.from_crs(GRID.crs, 4326, always_xy=True)


def square(row, col, size=8):
    """The sides of a square of pixels, in degrees."""
    corners = [(col, row), (col + size, row), (col + size, row + size), (col, row + size), (col, row)]
    places = [TO_DEGREES.transform(*(GRID.transform @ corner)) for corner in corners]
    return {"type": "Polygon", "coordinates": [[list(place) for place in places]]}


def stroke(row=10, col=10, name="water", size=8, **more):
    return {
        "id": str(uuid.uuid4()),
        "geometry": square(row, col, size),
        "class": name,
        "tool": "polygon",
    } | more


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return write_town(tmp_path_factory.mktemp("town") / "project")


@pytest.fixture(scope="module")
def server(project):
    with running(project, "--user", "anna") as client:
        yield client


@pytest.fixture
def town(project):
    """The project without corrections."""
    (project / paths.corrections("demo")).unlink(missing_ok=True)
    return project


@pytest.fixture
def desk(server, town):  # noqa: ARG001, it is without corrections
    return server


def test_a_stroke_is_stored_with_all_that_is_known_of_it(desk, town):
    sent = stroke(0, 0, "road", 16)
    status, record, _ = desk.call("POST", URL, sent)
    assert status == 201
    with rasterio.open(town / paths.prediction("demo")) as raster:
        before = np.bincount(raster.read(1)[:16, :16].ravel()).argmax()
    names = load(town / "params.yaml").class_table.names
    assert record["class_before"] == names[before]
    assert (record["user"], record["split"], record["action"], record["class"]) == (
        "anna",
        "train",
        "add",
        "road",
    )
    assert record["area_ha"] == pytest.approx(2.56, rel=1e-3)
    stored = pyogrio.read_dataframe(town / paths.corrections("demo"), layer="corrections")
    assert stored.crs == GRID.crs
    assert stored.geometry.iloc[0].area == pytest.approx(160**2, rel=1e-4)
    assert stored["time"].iloc[0].endswith("Z")
    labels = corrected(town / paths.corrections("demo"), GRID, load(town / "params.yaml").class_table)
    burned = labels(Window(0, 0, 20, 20))
    assert (burned[:16, :16] == names.index("road")).all()
    assert (burned[16:] == 255).all()


def test_a_stroke_that_is_sent_twice_is_one(desk):
    sent = stroke()
    first, again = (desk.call("POST", URL, sent) for _ in range(2))
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert len(desk.get(URL)["records"]) == 1


def test_undo_and_redo_are_records_of_their_own(desk, town):
    made = desk.post(URL, stroke())
    for number, action in enumerate(("undo", "redo", "undo")):
        assert desk.call("POST", f"{URL}/{made['id']}/{action}", {"id": str(uuid.uuid4())})[0] == 201
        assert len(read(town / paths.corrections("demo"))[0]) == (number == 1)
    assert desk.call("POST", f"{URL}/{made['id']}/undo", {"id": str(uuid.uuid4())})[0] == 409
    assert desk.call("POST", f"{URL}/{uuid.uuid4()}/undo", {"id": str(uuid.uuid4())})[0] == 404
    records = desk.get(URL)["records"]
    assert [r["action"] for r in records] == ["add", "undo", "redo", "undo"]
    assert [r["of"] for r in records] == [None] + [made["id"]] * 3
    assert [r["seq"] for r in desk.get(f"{URL}?since={records[1]['seq']}")["records"]] == [3, 4]


@pytest.mark.parametrize("wrong", [
    {"class": "lava"}, {"class": None}, {"tool": "axe"}, {"id": "1"}, {"id": "../x"}, {"geometry": None},
    {"geometry": {"type": "Point", "coordinates": [9, 48]}},
    {"geometry": {"type": "Polygon", "coordinates": []}},
    {"geometry": {"type": "Polygon", "coordinates": [[[9, 48], [9, 48], [9, 48], [9, 48]]]}},
    {"geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}},
    {"geometry": {"type": "Polygon", "coordinates": [[["a", 1], [2, 1], [2, 2], ["a", 1]]]}},
    {"geometry": {"type": "Polygon", "coordinates": [[[9e99, 1], [2, 1], [2, 2], [9e99, 1]]]}},
    {"geometry": {"type": "Polygon", "coordinates": [[[9 + i / 1e5, 48.7] for i in range(30_000)]]}},
])  # fmt: skip
def test_a_stroke_that_is_none_is_refused_and_leaves_nothing(desk, town, wrong):
    status, body, _ = desk.call("POST", URL, stroke() | wrong)
    assert status == 422, body
    assert body["error"]
    assert not (town / paths.corrections("demo")).exists()


def test_a_bow_tie_becomes_its_two_triangles(desk, town):
    ring = square(10, 10)["coordinates"][0]
    crossed = [ring[0], ring[2], ring[1], ring[3], ring[0]]
    desk.post(URL, stroke(geometry={"type": "Polygon", "coordinates": [crossed]}))
    shape = read(town / paths.corrections("demo"))[1][0]
    assert shape.is_valid
    assert len(shape.geoms) == 2


def test_a_stroke_over_the_edge_of_the_scene_is_cut_there(desk, town):
    desk.post(URL, stroke(-8, -8, size=16))
    shape = read(town / paths.corrections("demo"))[1][0]
    assert shape.area == pytest.approx(80**2, rel=1e-3)


def test_later_strokes_lie_on_top_and_unknown_hides_the_labels(desk, town):
    for name in ("water", "road", "ignore"):
        desk.post(URL, stroke(10, 10, name, 8 if name != "ignore" else 4))
    table = load(town / "params.yaml").class_table
    burned = corrected(town / paths.corrections("demo"), GRID, table)(Window(10, 10, 8, 8))
    assert burned[6, 6] == table.id_of("road")
    assert (burned[:4, :4] == 254).all()


def test_two_servers_and_eight_hands_at_once_lose_nothing(desk, town):
    with running(town, "--user", "ben") as other, ThreadPoolExecutor(8) as pool:
        sent = [((desk, other)[i % 2], stroke(i % 100, i)) for i in range(60)]
        answers = list(pool.map(lambda pair: pair[0].call("POST", URL, pair[1])[0], sent))
        assert answers == [201] * 60
        seen = [[r["id"] for r in client.get(URL)["records"]] for client in (desk, other)]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == sorted(s["id"] for _, s in sent)


def test_a_server_killed_while_strokes_come_keeps_each_that_it_confirmed(desk, town):
    confirmed, sent = [], []

    def draw(client):
        for number in range(400):
            sent.append(stroke(number % 150, number % 200))
            try:
                status, record, _ = client.call("POST", URL, sent[-1])
            except OSError:
                return
            if status == 201:
                confirmed.append(record["id"])

    with running(town) as client:
        threads = [threading.Thread(target=draw, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while len(confirmed) < 20 and time.monotonic() < deadline:
            time.sleep(0.001)
        client.process.send_signal(signal.SIGKILL)  # four strokes are under way
        for thread in threads:
            thread.join(30)
    kept = [r["id"] for r in desk.get(URL)["records"]]
    assert len(confirmed) >= 20
    assert set(confirmed) <= set(kept) <= {s["id"] for s in sent}
    for under_way in sent[-4:]:  # the page sends again what was not confirmed
        desk.post(URL, under_way)
    assert {s["id"] for s in sent[-4:]} <= {r["id"] for r in desk.get(URL)["records"]}
    with sqlite3.connect(town / paths.corrections("demo")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_strokes_that_come_while_dvc_tracks_the_file_are_kept(desk, town, tmp_path):
    """DVC moves the file into its cache and a copy of it back."""
    file = town / paths.corrections("demo")
    unmoved = pytest.importorskip("urbanseg.review.geopackage").unmoved
    sent = [stroke(i % 100, i) for i in range(40)]
    desk.post(URL, sent[0])
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda each: desk.call("POST", URL, each)[0], sent[1:])
        for number in range(5):
            with unmoved(file, alone=True):
                moved = shutil.move(file, tmp_path / f"{number}.gpkg")
                time.sleep(0.05)
                shutil.copy(moved, file)
        assert list(answers) == [201] * 39
    assert len(desk.get(URL)["records"]) == 40
    assert len(read(file)[0]) == 40


def test_the_region_under_the_pointer_is_the_pixels_of_its_class(desk, town):
    with rasterio.open(town / paths.prediction("demo")) as raster:
        classes = raster.read(1)
    lon, lat = TO_DEGREES.transform(*(GRID.transform @ (40.5, 40.5)))
    found = desk.post("/api/scenes/demo/region", {"lon": lon, "lat": lat, "of": "prediction"})
    assert found["class"] == load(town / "params.yaml").class_table.names[classes[40, 40]]
    made = desk.post(URL, stroke(geometry=found["geometry"], tool="region"))
    assert made["class_before"] == found["class"]
    burned = corrected(town / paths.corrections("demo"), GRID, load(town / "params.yaml").class_table)
    drawn = burned(Window(0, 0, *GRID.shape)) != 255
    assert drawn[40, 40]
    assert (classes[drawn] == classes[40, 40]).all()
    assert drawn.sum() >= 200, "a patch has 256 pixels, of which a few are noise"


def test_a_superpixel_is_the_same_wherever_it_is_clicked(desk):
    lon, lat = TO_DEGREES.transform(*(GRID.transform @ (60.5, 60.5)))
    found = desk.post("/api/scenes/demo/region", {"lon": lon, "lat": lat, "of": "superpixel"})
    shape = shapely.geometry.shape(found["geometry"])
    assert shape.contains(shapely.Point(lon, lat))
    inside = shape.representative_point()
    again = desk.post("/api/scenes/demo/region", {"lon": inside.x, "lat": inside.y, "of": "superpixel"})
    assert again["geometry"] == found["geometry"]
    assert desk.call("POST", "/api/scenes/demo/region", {"lon": 0, "lat": 0, "of": "prediction"})[0] == 422
    assert desk.call("POST", "/api/scenes/demo/region", {"lon": "x", "lat": 0, "of": "axe"})[0] == 422


def test_a_polygon_of_the_map_is_found_whole_by_a_place_in_it(desk, town):
    polygons = gpd.read_file(town / paths.geopackage("demo"), layer="land_cover").to_crs(GRID.crs)
    row = polygons.iloc[20]
    lon, lat = TO_DEGREES.transform(*row.geometry.representative_point().coords[0])
    found = desk.post("/api/scenes/demo/region", {"lon": lon, "lat": lat, "of": "polygon"})
    shape = gpd.GeoSeries([shapely.geometry.shape(found["geometry"])], crs=4326).to_crs(GRID.crs).iloc[0]
    assert shape.symmetric_difference(row.geometry).area < 1e-3 * row.geometry.area
    assert found["class"] == row["class_name"]
    assert found["area_ha"] == pytest.approx(row.geometry.area / 1e4, rel=1e-3)


def test_an_edited_file_of_qgis_comes_back_as_records(desk, town, tmp_path):
    kept, changed, dropped = (
        desk.post(URL, stroke(10 + 20 * i, 10, name)) for i, name in enumerate(("road", "water", "other"))
    )
    url = desk.post("/api/tickets", {"path": f"{URL}.gpkg"})["url"]
    status, body, headers = desk.call("GET", url, headers={"Authorization": None})
    assert status == 200
    assert "attachment" in headers["content-disposition"]
    file = tmp_path / "corrections.gpkg"
    file.write_bytes(body)
    layer = pyogrio.read_dataframe(file, layer="corrections")
    style = pyogrio.read_dataframe(file, layer="layer_styles", read_geometry=False)["styleQML"].iloc[0]
    assert "ValueMap" in style
    assert "bare_soil" in style
    edited = layer[layer["id"] != dropped["id"]].copy()
    edited.loc[edited["id"] == changed["id"], "class"] = "vegetation"
    drawn = gpd.GeoDataFrame(
        {"class": ["ignore"], "id": [None]},
        geometry=[shapely.box(500_500, 5_399_000, 500_600, 5_399_100)],
        crs=layer.crs,
    )
    pd.concat([edited, drawn]).to_file(file := tmp_path / "edited.gpkg", layer="corrections")
    assert desk.call("PUT", f"{URL}.gpkg", file.read_bytes())[1] == {"added": 2, "undone": 2}
    classes, _ = read(town / paths.corrections("demo"))
    assert sorted(classes) == ["ignore", "road", "vegetation"]
    assert kept["id"] in {r["id"] for r in desk.get(URL)["records"] if r["action"] == "add"}


def test_a_file_that_is_brought_back_unchanged_changes_nothing(desk):
    for number in range(3):
        desk.post(URL, stroke(10 + 20 * number, 30))
    status, body, _ = desk.call("GET", f"{URL}.gpkg")
    assert status == 200
    assert desk.call("PUT", f"{URL}.gpkg", body)[1] == {"added": 0, "undone": 0}


@pytest.mark.parametrize(
    "body",
    [b"hello", b"PK\x03\x04", b'{"type": "FeatureCollection", "features": []}', b"<OGRVRTDataSource/>", b""],
)
def test_a_file_that_is_none_is_a_sentence(desk, town, body):
    desk.post(URL, stroke())
    before = (town / paths.corrections("demo")).read_bytes()
    status, said, _ = desk.call("PUT", f"{URL}.gpkg", body)
    assert status == 422, said
    assert "Traceback" not in said["error"]
    assert (town / paths.corrections("demo")).read_bytes() == before
