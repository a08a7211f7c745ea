"""The server of the review desk, seen by a client: who is let in, and what is shown."""

import http.client
import io
import math
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image
from pyproj import Transformer

from tests.protocol.desk import Client, running
from tests.unit.review.town import GRID, write_town
from urbanseg import paths
from urbanseg.config.params import load
from urbanseg.dataset.splits import lay_blocks
from urbanseg.infer.decode import Decoder

pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("rio_tiler", reason="the extra review is not installed")


@pytest.fixture(scope="module")
def desk(town):
    with running(town, "demo", "--user", "anna") as client:
        yield client


def tile_of(lon, lat, zoom):
    """Column and row of the tile that a place lies in."""
    x = (lon + 180) / 360
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int(x * 2**zoom), int(y * 2**zoom)


@pytest.fixture(scope="module")
def place(desk):
    """Zoom, column and row of a tile in the middle of the scene."""
    lon, lat = desk.get("/api/scenes/demo")["center"]
    return 15, *tile_of(lon, lat, 15)


def test_the_project_names_its_scenes_and_classes(desk):
    found = desk.get("/api/project")
    assert found["user"] == "anna"
    assert found["open"] == "demo"
    assert [scene["id"] for scene in found["scenes"]] == ["demo"], "the oasis has no scene yet"
    assert [c["name"] for c in found["classes"]][:2] == ["other", "building"]


@pytest.mark.parametrize(
    "path", ["/api/project", "/api/scenes/demo", "/api/nothing", "/api/scenes/demo/tiles/scene/1/0/0.png"]
)
@pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer wrong", "Basic x"])
def test_a_call_without_the_token_learns_nothing(desk, path, header):
    status, body, _ = desk.call("GET", path, headers={"Authorization": header})
    assert status == 401
    assert "token" in body["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""]
)
@pytest.mark.parametrize("path", ["/api/project", "/"])
def test_a_name_that_was_bound_to_loopback_is_refused(desk, host, path):
    assert desk.call("GET", path, headers={"Host": host.format(port=desk.port)})[0] == 403


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
])  # fmt: skip
def test_another_page_is_refused_even_with_the_token(desk, headers):
    assert desk.call("GET", "/api/project", headers=headers)[0] == 403
    assert desk.call("POST", "/api/tickets", {"path": "/api/project"}, headers)[0] == 403


def test_the_page_itself_is_let_in(desk):
    for name in ("127.0.0.1", "localhost"):
        own = {
            "Host": f"{name}:{desk.port}",
            "Origin": f"http://{name}:{desk.port}",
            "Sec-Fetch-Site": "same-origin",
        }
        assert desk.call("GET", "/api/project", headers=own)[0] == 200


def test_two_hosts_in_one_request_are_refused(desk):
    with socket.create_connection(("127.0.0.1", desk.port)) as opened:
        opened.sendall(
            f"GET /api/project HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\nHost: evil.example\r\n"
            f"Authorization: Bearer {desk.token}\r\nConnection: close\r\n\r\n".encode()
        )
        assert opened.recv(100).split()[1] in {b"400", b"403"}


def test_the_server_listens_on_loopback_alone(desk):
    with Path("/proc/net/tcp").open() as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [a for a in listening if a.endswith(f":{desk.port:04X}")] == [f"0100007F:{desk.port:04X}"]


@pytest.mark.parametrize("path", ["/", "/api/project", "/nothing"])
def test_every_answer_forbids_foreign_and_inline_scripts(desk, path):
    headers = desk.call("GET", path)[2]
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    "path",
    ["/../params.yaml", "/%2e%2e/params.yaml", "/..%2fparams.yaml", "//etc/passwd", "/docs", "/openapi.json"],
)
def test_no_path_leads_out_of_the_page(desk, path):
    assert desk.call("GET", path)[0] == 404


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "..", "%00", "demo%2f..", "oasis"])
def test_a_scene_that_is_none_is_not_found(desk, name):
    assert desk.call("GET", f"/api/scenes/{name}")[0] == 404
    assert desk.call("GET", f"/api/scenes/{name}/tiles/scene/1/0/0.png")[0] == 404


def test_a_ticket_opens_one_path_once(desk):
    url = desk.post("/api/tickets", {"path": "/api/scenes/demo"})["url"]
    nobody = {"Authorization": None}
    other = url.replace("/demo?", "/demo/blocks?")
    assert desk.call("GET", other, headers=nobody)[0] == 401
    assert desk.call("GET", url, headers=nobody)[0] == 401, "it was tried elsewhere"
    url = desk.post("/api/tickets", {"path": "/api/scenes/demo"})["url"]
    assert desk.call("GET", url, headers=nobody)[0] == 200
    assert desk.call("GET", url, headers=nobody)[0] == 401


def test_a_call_that_is_too_long_is_refused_before_it_is_read(desk):
    assert desk.call("POST", "/api/tickets", b"x" * (5 << 20), {"Content-Type": "application/json"})[0] == 413


def test_a_long_call_that_hides_its_length_is_refused(desk):
    """In chunks, without Content-Length."""
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=30)
    chunks = (b" " * (1 << 20) for _ in range(8))
    headers = {"Authorization": f"Bearer {desk.token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/api/tickets", chunks, headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it stopped reading
    finally:
        connection.close()
    assert desk.call("GET", "/api/project")[0] == 200


def test_a_scene_says_where_it_lies_and_what_it_has(desk):
    found = desk.get("/api/scenes/demo")
    assert found["crs"] == "EPSG:32632"
    assert (found["width"], found["height"], found["pixel_m"]) == (256, 192, pytest.approx(10, abs=0.01))
    west, south, east, north = found["bounds"]
    assert west < 9.001 < east
    assert south < 48.75 < north
    assert found["license"] == "Made for a test"
    assert found["composites"][0]["bands"] == [3, 2, 1]
    assert found["composites"][1]["bands"] == [4, 3, 2]
    names = [layer["name"] for layer in found["layers"]]
    assert names == [
        "scene",
        "labels",
        "prediction",
        "confidence",
        "entropy",
        "errors",
        "split",
        "land_cover",
        "road_edges",
    ]


def pixels(body):
    return np.array(Image.open(io.BytesIO(body)).convert("RGBA"))


def test_a_tile_of_classes_shows_the_colour_of_each_pixel(desk, town, place):
    zoom, column, row = place
    shown = pixels(desk.get(f"/api/scenes/demo/tiles/prediction/{zoom}/{column}/{row}.png"))
    table = load(town / "params.yaml").class_table
    scene = desk.get("/api/scenes/demo")
    with rasterio.open(town / paths.prediction("demo")) as raster:
        classes = raster.read(1)
    equal = 0
    for i in range(8, 256, 16):
        for j in range(8, 256, 16):
            lon = (column + (j + 0.5) / 256) / 2**zoom * 360 - 180
            lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (row + (i + 0.5) / 256) / 2**zoom))))
            said = desk.get(f"/api/scenes/demo/values?lon={lon}&lat={lat}") if (i + j) % 96 == 0 else None
            col, line = ~GRID.transform * to_utm(lon, lat)
            expected = list(table)[classes[int(line), int(col)]]
            if said:
                assert said["prediction"] == expected.name
            equal += tuple(shown[i, j]) == (*expected.rgb, 255)
    assert equal >= 250, "but for rounding at the edges of pixels"
    assert scene["bounds"][0] < lon < scene["bounds"][2]


def to_utm(lon, lat):
    return Transformer.from_crs(4326, 32632, always_xy=True).transform(lon, lat)


def test_tiles_of_every_layer_and_stretch_are_pictures(desk, place):
    at = "/".join(map(str, place))
    layers = ("scene", "labels", "confidence", "entropy", "errors", "split")
    stretched = ["scene/{}.png?bands=4,3,2&stretch=min-max", "scene/{}.png?bands=1&stretch=5-95"]
    for query in [*(f"{layer}/{{}}.png" for layer in layers), *stretched]:
        assert pixels(desk.get("/api/scenes/demo/tiles/" + query.format(at))).shape == (256, 256, 4)


def test_a_tile_beside_the_scene_is_empty(desk):
    assert desk.call("GET", "/api/scenes/demo/tiles/scene/15/0/0.png")[0] == 204


@pytest.mark.parametrize("query", [
    "scene/{}.png?bands=9", "scene/{}.png?bands=1,2", "scene/{}.png?stretch=98-2", "scene/{}.png?stretch=x",
    "prediction/{}.png?min=lava:0.5", "prediction/{}.png?min=water:2", "prediction/{}.png?min=water:nan",
    "prediction/{}.png?clean=soap", "prediction/{}.png?colors=water:red",
    "prediction/{}.png?clean=median&clean_px=900",
])  # fmt: skip
def test_a_tile_of_nonsense_is_a_sentence(desk, place, query):
    status, body, _ = desk.call("GET", "/api/scenes/demo/tiles/" + query.format("/".join(map(str, place))))
    assert status == 422
    assert body["error"]


def test_colours_and_hidden_classes_change_the_tile_alone(desk, place):
    at = "/".join(map(str, place))
    names = [c["name"] for c in desk.get("/api/project")["classes"]]
    shown = pixels(desk.get(f"/api/scenes/demo/tiles/prediction/{at}.png?colors=water:010203"))
    assert ((shown[..., :3] == (1, 2, 3)).all(axis=-1)).any()
    status = desk.call("GET", f"/api/scenes/demo/tiles/prediction/{at}.png?hide={','.join(names)}")[0]
    assert status == 204


def test_thresholds_send_unsure_pixels_to_the_runner_up_or_other(desk, town, place):
    at, least = "/".join(map(str, place)), (0.0, 0.9, 0.3, 0.0, 0.0, 0.0)
    table = load(town / "params.yaml").class_table
    plain = desk.get(f"/api/scenes/demo/tiles/prediction/{at}.png")
    moved = desk.get(f"/api/scenes/demo/tiles/prediction/{at}.png?min=building:0.9,road:0.3")
    assert plain != moved
    building = list(table)[1].rgb
    assert not (pixels(moved)[..., :3] == building).all(axis=-1).any(), "none is that sure"
    with rasterio.open(town / paths.prediction_dir("demo") / "probabilities.tif") as raster:
        stored = raster.read()
    decode = pytest.importorskip("urbanseg.review.thresholds").decode
    expected = Decoder(least)(stored.astype(np.float32) / 254)["classes"]
    assert (decode(stored, least, 0) == expected).mean() > 0.999


def test_values_outside_of_the_scene_say_so(desk):
    assert desk.get("/api/scenes/demo/values?lon=0&lat=0") == {"inside": False}
    assert desk.call("GET", "/api/scenes/demo/values?lon=nan&lat=0")[0] == 422


def test_blocks_count_what_is_wrong(desk, town):
    found = desk.get("/api/scenes/demo/blocks")["features"]
    assert len(found) == 6, "85 pixels a side, as three blocks need them"
    assert [f["properties"]["split"] for f in found] == ["train", "train", "test"] * 2
    height, width = lay_blocks(GRID.shape, 128)[0][2:]
    with rasterio.open(town / paths.labels("demo")) as a, rasterio.open(town / paths.prediction("demo")) as b:
        labels, predicted = a.read(1)[:height, :width], b.read(1)[:height, :width]
    known = labels != 255
    properties = found[0]["properties"]
    assert properties["pixels"] == known.sum()
    assert properties["wrong"] == pytest.approx((labels != predicted)[known].mean(), abs=1e-4)
    assert sum(properties["classes"].values()) == pytest.approx(1, abs=1e-3)


def test_a_vector_tile_holds_the_polygons_that_lie_there(desk, place, tmp_path):
    zoom, column, row = place
    file = tmp_path / f"{row}.pbf"
    for layer, kinds, field in (
        ("land_cover", {"Polygon", "MultiPolygon"}, "class"),
        ("road_edges", {"LineString"}, "width_m"),
    ):
        status, body, headers = desk.call(
            "GET", f"/api/scenes/demo/vectors/{layer}/{zoom}/{column}/{row}.pbf"
        )
        assert status == 200
        assert headers["content-type"] == "application/vnd.mapbox-vector-tile"
        file.write_bytes(body)
        read = pyogrio.read_dataframe(f"MVT:{file}", X=str(column), Y=str(row), Z=str(zoom))
        assert set(read.geom_type) <= kinds
        assert len(read) > 1 - (layer == "road_edges")
        assert field in read
        assert read.geometry.is_valid.all()


def test_a_vector_tile_of_too_far_a_zoom_or_of_no_layer_is_refused(desk):
    minzoom = {x["name"]: x.get("minzoom") for x in desk.get("/api/scenes/demo")["layers"]}["land_cover"]
    assert desk.call("GET", f"/api/scenes/demo/vectors/land_cover/{minzoom - 1}/0/0.pbf")[0] == 422
    assert desk.call("GET", "/api/scenes/demo/vectors/layer_styles/18/0/0.pbf")[0] == 404


def test_many_viewers_at_once_get_what_one_gets(desk, place):
    zoom, column, row = place
    paths_ = [
        f"/api/scenes/demo/tiles/{layer}/{zoom}/{column + i}/{row + j}.png?v={n}"
        for n in range(2) for layer in ("scene", "prediction", "errors")
        for i in (-1, 0, 1) for j in (-1, 0, 1)
    ]  # fmt: skip
    alone = {path: desk.call("GET", path)[:2] for path in paths_}
    with ThreadPoolExecutor(8) as pool:
        together = dict(
            zip(paths_, pool.map(lambda p: desk.call("GET", p.replace("v=", "w="))[:2], paths_), strict=True)
        )
    assert together == alone


def test_a_prediction_that_is_made_anew_is_shown_anew(tmp_path):
    root = write_town(tmp_path / "town")
    with running(root) as client:
        lon, lat = client.get("/api/scenes/demo")["center"]
        before = client.get(f"/api/scenes/demo/values?lon={lon}&lat={lat}")["confidence"]
        file = root / paths.confidence("demo")
        shutil.copy(root / paths.prediction_dir("demo") / "entropy.tif", file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
        after = client.get(f"/api/scenes/demo/values?lon={lon}&lat={lat}")
        assert after["confidence"] == after["entropy"] != before


def test_it_ends_on_sigterm_in_one_line(tmp_path):
    with running(write_town(tmp_path / "town", rasters=False)) as client:
        client.process.send_signal(signal.SIGTERM)
        _, said = client.process.communicate(timeout=20)
        assert client.process.returncode == 143
        assert said.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in said
    assert isinstance(client, Client)
