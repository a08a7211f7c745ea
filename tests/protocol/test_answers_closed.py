"""An answer that is an error is closed, rather than left to the garbage collector, which warns of it."""

import gc
import threading
import warnings
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import shapely

from urbanseg.cli.verbs import doctor
from urbanseg.config.labels import OverpassOsm
from urbanseg.config.scene import AreaParams, Retry, StacScene
from urbanseg.errors import PipelineError
from urbanseg.imagery.sentinel2 import area
from urbanseg.imagery.sentinel2.retry import ResponseError
from urbanseg.imagery.sentinel2.stac import Stac
from urbanseg.osm import overpass_client
from urbanseg.packed import download

ONCE = Retry(attempts=1, wait_s=0, timeout_s=5)
BOX = (9.0, 48.0, 9.01, 48.01)


class Refusing(BaseHTTPRequestHandler):
    """Answers everything with the number that the address begins with, and keeps the connection open."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"no" * 40_000
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_POST = do_HEAD = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def stac(url: str) -> Stac:
    scene = {"provider": "stac", "url": url, "collection": "a", "assets": {"B02": "blue", "SCL": "scl"}}
    scene |= {"area": {"bbox": BOX}, "dates": "2023-05-01/2023-05-02", "sas_url": url, "scaling": "baseline"}
    return Stac(StacScene.model_validate(scene | {"bands": ["B02"], "patience": ONCE}))


def geocoder(url: str, _: Path) -> None:
    area.find(AreaParams(place="x", geocoder=url), ONCE)


def catalogue(url: str, _: Path) -> None:
    stac(url).search(area.Area("x", shapely.box(*BOX)))


def token(url: str, _: Path) -> None:
    signer = stac(url).signer
    assert signer
    signer.sign(url)


def overpass(url: str, folder: Path) -> None:
    server = OverpassOsm(provider="overpass", address=url, attempts=1, rate_limit=False)
    with overpass_client.connected(server, str(date(2023, 1, 1)), folder) as client:
        client.query(BOX, {"building": True})


def model(url: str, _: Path) -> None:
    download.add(f"{url}/model.json", print)


def weights(url: str, folder: Path) -> None:
    entry = download.FileEntry(bytes=9, sha256="0" * 64)
    download.fetch(f"{url}/weights", folder / "part", entry)


@pytest.fixture
def collected() -> Iterator[None]:
    """Fails if the collector, run after the test, finds a socket that nobody has closed."""
    gc.collect()
    gc.freeze()  # what is there already need not be looked through again
    gc.disable()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
        gc.collect()
    gc.enable()
    gc.unfreeze()
    assert [str(one.message) for one in said if one.category is ResourceWarning] == []


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("status", [404, 429, 503])
@pytest.mark.parametrize("client", [geocoder, catalogue, token, overpass, model, weights])
def test_the_connection_of_an_error_is_closed(client, status, port, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    caught = []  # which the error's traceback holds, so that only the collector ends both
    try:
        client(f"http://127.0.0.1:{port}/{status}", tmp_path)
    except (PipelineError, ResponseError) as error:
        caught.append(error)
    assert len(caught) == 1


@pytest.mark.usefixtures("collected")
def test_the_doctor_closes_what_answers_with_an_error(port, monkeypatch):
    held = []

    def asked(*args, **how):
        try:
            return urlopen(*args, **how)  # noqa: S310, of this test
        except HTTPError as error:
            held.append(error)
            raise

    monkeypatch.setenv("no_proxy", "*")
    here = f"http://127.0.0.1:{port}/503"
    monkeypatch.setattr(doctor, "Request", lambda _, **how: Request(here, **how))  # noqa: S310
    monkeypatch.setattr(doctor, "urlopen", asked)
    assert [row.state for row in doctor._network({"x": "x"})] == ["ok"]
    assert len(held) == 1
