"""Images that are brought in: mapped in the background, by who they really are, and never by their name."""

import io
import json
import signal
import struct
import time
import zlib
from urllib.parse import quote

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from tests.protocol.desk import running
from tests.unit.review.town import write_town
from urbanseg import paths

pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("rio_tiler", reason="the extra review is not installed")


@pytest.fixture(scope="module")
def desk(town):
    with running(town) as client:
        yield client


def left(town):
    """What lies in the folders of jobs."""
    return sorted((town / paths.REVIEW / "jobs").glob("*/*"))


def photo(kind="JPEG", size=(160, 120)):
    rng = np.random.default_rng(3)
    small = rng.integers(0, 255, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    made = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(made, kind)
    return made.getvalue()


def put(desk, body, query="name=photo.jpg&pixel_m=0.5&force=true"):
    status, job, _ = desk.call(
        "POST", f"/api/uploads?{query}", body, {"Content-Type": "application/octet-stream"}
    )
    return status, job


def ended(desk, job, seconds=300):
    deadline = time.monotonic() + seconds
    while (found := desk.get(f"/api/jobs/{job['id']}"))["state"] in {"queued", "running"}:
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


def bomb(width, height):
    """A PNG of one colour that unpacks to far more than it is."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + width * 3)
    data = b"".join(packer.compress(row) for _ in range(min(height, 20)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = chunk(b"IDAT", data + packer.flush()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + end


def huge_tiff(tmp_path):
    """A sparse TIFF whose header promises 100 GB."""
    path = tmp_path / "huge.tif"
    profile = {"driver": "GTiff", "width": 180_000, "height": 180_000, "count": 3, "dtype": "uint8"}
    profile |= {"transform": Affine(1, 0, 9, 0, -1, 9)}
    with rasterio.open(
        path, "w", **profile, tiled=True, blockxsize=8192, blockysize=8192, sparse_ok=True, BIGTIFF="YES"
    ):
        pass
    return path.read_bytes()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<svg/>",
        b"%PDF-1.4",
        b"<VRTDataset/>",
        b"\x89HDF\r\n\x1a\n",
        b"GIF89a",
        b"BM" + bytes(60),
    ],
)
def test_what_is_no_image_is_refused_whatever_its_name(desk, town, body):
    before = left(town)
    status, said = put(desk, body, "name=scene.tif")
    assert status in {415, 422}
    assert said["error"]
    assert left(town) == before


@pytest.mark.parametrize(
    "body", [b"II*\0" + bytes(200), b"\xff\xd8\xff" + bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(200)]
)
def test_what_only_begins_like_an_image_is_refused(desk, town, body):
    before = left(town)
    assert put(desk, body)[0] == 415
    assert left(town) == before


def test_a_decompression_bomb_and_a_header_of_100_gb_are_refused(desk, town, tmp_path):
    before = left(town)
    for body in (bomb(40_000, 40_000), huge_tiff(tmp_path)):
        assert len(body) < 1 << 20
        status, said = put(desk, body)
        assert status == 413, said
        assert "MB" in said["error"] or "pixels" in said["error"]
    assert left(town) == before


def test_a_body_that_is_too_large_is_refused_by_its_header(desk, town):
    before = left(town)
    status, said, _ = desk.call("POST", "/api/uploads?name=a.tif", None, {"Content-Length": str(3 << 30)})
    assert status == 413
    assert "2048 MB" in said["error"]
    assert left(town) == before


@pytest.mark.parametrize("query", [
    "name=a.tif&pixel_m=-1", "name=a.tif&pixel_m=nan", "name=a.tif&bands=red%3D1%20--model",
    "name=a.tif&model=../x",
    "name=a.tif&model=/etc", "name=a.tif&model=models/segmenter", "pixel_m=1",
])  # fmt: skip
def test_options_that_are_none_are_refused_before_anything_is_stored(desk, town, query):
    before = left(town)
    assert put(desk, photo(), query)[0] == 422
    assert left(town) == before


HOSTILE = [
    "../../params.yaml", "/etc/passwd", "a\0b.tif", "..\\..\\x.tif", "-rf",
    "<img src=x onerror=alert(1)>.tif",
    "a\u202egpj.exe", "x" * 5000, "$(touch hacked)", "..", "", "\n\r",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_short_title_on_one_line(name):
    title = pytest.importorskip("urbanseg.review.routes.upload").title_of(name)
    assert 0 < len(title) <= 120
    assert not set(title) & set("/\\\0\n\r\u202e") or "<" in title


def test_no_name_becomes_a_path_and_only_results_are_downloaded(desk, town):
    before = sorted(p for p in town.rglob("*") if ".review" not in str(p))
    for name in ("../../params.yaml", "a\0b/<img src=x>$(touch hacked)"):
        status, job = put(desk, photo(), f"name={quote(name)}&pixel_m=0.5")
        assert status == 202, (name, job)
        desk.post(f"/api/jobs/{job['id']}/cancel")
        names = {
            p.name for p in (town / paths.REVIEW / "jobs" / job["id"]).iterdir() if ".part" not in p.name
        }
        assert names <= {"image.jpg", "job.json", "log.txt", "out"}
        for asked in ("..%2Fjob.json", "%2e%2e%2fjob.json", "job.json", "log.txt", "image.jpg", ".."):
            assert desk.call("GET", f"/api/jobs/{job['id']}/files/{asked}")[0] == 404
    assert sorted(p for p in town.rglob("*") if ".review" not in str(p)) == before
    for job in desk.get("/api/jobs")["jobs"]:
        ended(desk, job)
        assert desk.call("DELETE", f"/api/jobs/{job['id']}")[0] == 200
    assert left(town) == []


@pytest.mark.slow
def test_jobs_wait_in_line_and_survive_the_server(tmp_path):
    root = write_town(tmp_path / "town", rasters=False)
    with running(root) as client:
        jobs = [put(client, photo())[1] for _ in range(3)]
        assert client.get(f"/api/jobs/{jobs[2]['id']}")["place"] >= 1
        assert [job["id"] for job in client.get("/api/jobs")["jobs"]] == [job["id"] for job in jobs]
        client.post(f"/api/jobs/{jobs[1]['id']}/cancel")
        client.process.send_signal(signal.SIGKILL)
        client.process.wait()
    with running(root) as client:
        states = [ended(client, job)["state"] for job in jobs]
        assert states == ["done", "cancelled", "done"]


def test_what_cannot_be_mapped_says_why(desk, town):
    made = io.BytesIO()
    Image.new("1", (64, 64)).save(made, "PNG")
    status, job = put(desk, made.getvalue())
    assert status == 202
    job = ended(desk, job)
    assert job["state"] == "failed"
    assert len(job["error"]) > 20
    assert str(town) not in json.dumps(job["error"])
    said = desk.get(f"/api/jobs/{job['id']}/log")
    assert job["error"] in said["text"]
    assert desk.get(f"/api/jobs/{job['id']}/log?from={said['next']}") == {"text": "", "next": said["next"]}
    desk.call("DELETE", f"/api/jobs/{job['id']}")


@pytest.mark.slow
def test_a_photo_becomes_a_map_that_is_shown_and_downloaded(desk):
    status, job = put(desk, photo(), "name=Mein%20Foto.jpg&pixel_m=0.5&force=true")
    assert status == 202
    assert job["title"] == "Mein Foto.jpg"
    job = ended(desk, job)
    assert job["state"] == "done", (job, desk.get(f"/api/jobs/{job['id']}/log"))
    names = {f["name"] for f in job["files"]}
    assert {"classes.tif", "map.gpkg", "map.parquet", "report.html", "item.json"} <= names
    for name in ("map.gpkg", "report.html"):
        url = desk.post("/api/tickets", {"path": f"/api/jobs/{job['id']}/files/{name}"})["url"]
        status, body, headers = desk.call("GET", url, headers={"Authorization": None})
        assert status == 200
        assert len(body) == next(f["bytes"] for f in job["files"] if f["name"] == name)
        assert headers["content-disposition"].startswith("attachment")
        assert headers["content-type"] == "application/octet-stream"
    scene = desk.get(f"/api/scenes/{job['scene']}")
    assert (scene["placed"], scene["width"], scene["height"]) == (False, 160, 120)
    assert [c["name"] for c in scene["classes"]][:2] == ["other", "building"]
    zoom = scene["maxzoom"] - 2
    half = 2 ** (zoom - 1)
    for layer in ("scene", "prediction"):
        tiles = [
            desk.call("GET", f"/api/scenes/{job['scene']}/tiles/{layer}/{zoom}/{half - i}/{half - j}.png")
            for i in (0, 1)
            for j in (0, 1)
        ]
        assert all(status == 200 for status, _, _ in tiles), "around 0°, 0°"
    assert desk.call("POST", f"/api/scenes/{job['scene']}/corrections", {})[0] == 422
    assert desk.call("DELETE", f"/api/jobs/{job['id']}")[0] == 200
    assert desk.call("GET", f"/api/scenes/{job['scene']}")[0] == 404
