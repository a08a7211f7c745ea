"""Models from a server of this machine that breaks off, lies, or is not there."""

import functools
import http.server
import re
import socket
import threading
from pathlib import Path

import pytest

from tests.unit.packed import tiny
from urbanseg.errors import PipelineError
from urbanseg.packed import description, download, registry


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves a folder with ranges; ends the first answers of weights after half of what is asked for."""

    def __init__(self, folder, log, faults, *args):
        self.folder, self.log, self.faults = folder, log, faults
        super().__init__(*args)

    def do_GET(self):
        name, ranges = Path(self.path).name, self.headers.get("Range")
        self.log.append((name, ranges))
        path = self.folder / name
        if not path.is_file():
            self.send_error(404)
            return
        content, start = path.read_bytes(), 0
        fault = self.faults.pop(0) if name == "model.safetensors" and self.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if ranges and fault != "whole":
            start = int(re.fullmatch(r"bytes=(\d+)-", ranges)[1])
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        part = content[start:]
        self.wfile.write(part[: len(part) // 2] if fault == "broken" else part)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("URBANSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    started = []

    def start(folder, *faults):
        log = []
        handler = functools.partial(Handler, folder, log, list(faults))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}/some/folder", log

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def source(tmp_path):
    tiny.write(tmp_path / "source")
    return tmp_path / "source"


@pytest.mark.parametrize("ending", ["", "/", "/model.json"])
def test_a_model_is_downloaded_after_its_licence_is_shown(serve, source, ending):
    address, log = serve(source)
    told = []
    entry = download.add(address + ending, lambda about: told.append((about.license, len(log))))
    assert told == [("CC0-1.0", 1)]
    assert registry.find("tiny") == entry.folder
    assert (entry.folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert entry.origin == address
    assert not list((registry.home() / "downloads").iterdir())
    download.add(address, told.append)
    assert [name for name, _ in log].count("model.safetensors") == 1


@pytest.mark.parametrize("fault", ["broken", 503])
def test_a_download_that_breaks_off_goes_on(serve, source, fault):
    address, log = serve(source, fault)
    download.add(address, lambda _: None)
    ranges = [ranges for name, ranges in log if name == "model.safetensors"]
    half = (source / "model.safetensors").stat().st_size // 2
    assert ranges == [None, f"bytes={half}-" if fault == "broken" else None]


@pytest.mark.parametrize("second", [(), ("whole",), (416,)], ids=str)
def test_the_next_command_goes_on_with_what_has_arrived(serve, source, second):
    address, _ = serve(source, *["broken"] * download.ATTEMPTS)
    with pytest.raises(PipelineError, match=r"broke off 4 times .* kept, so run the command again"):
        download.add(address, lambda _: None)
    assert registry.entries() == []
    (part,) = (registry.home() / "downloads").glob(
        f"{description.describe(source).files['model.safetensors'].sha256}*"
    )
    address, log = serve(source, *second)
    entry = download.add(address, lambda _: None)
    assert ("model.safetensors", f"bytes={part.stat().st_size if part.exists() else 131250}-") in log
    assert (entry.folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


@pytest.mark.parametrize("content", [b"other!" * 20_000, b"weights" * 20_001])
def test_another_file_than_described_is_removed(serve, source, content):
    address, _ = serve(source)
    (source / "model.safetensors").write_bytes(content.ljust(140_000, b"x"))
    with pytest.raises(PipelineError, match=r"is not the file that model\.json lists \(another SHA-256\)"):
        download.add(address, lambda _: None)
    assert registry.entries() == []
    digest = description.describe(source).files["model.safetensors"].sha256
    assert not list((registry.home() / "downloads").glob(f"{digest}*"))


def test_a_version_that_is_here_with_other_content_is_not_downloaded(serve, source, tmp_path):
    tiny.write(tmp_path / "other", weights=b"others")
    registry.add_folder(tmp_path / "other")
    address, log = serve(source)
    with pytest.raises(PipelineError, match="here already with other content"):
        download.add(address, lambda _: None)
    assert [name for name, _ in log] == ["model.json"]


@pytest.mark.usefixtures("serve")
def test_offline_is_one_sentence_that_says_what_still_works():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/m"
    with pytest.raises(
        PipelineError, match=r"cannot be reached: this machine is offline.*urbanseg models list"
    ):
        download.add(address, lambda _: None)


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing", "the server answers 404"), ("list", "describes no model"), ("binary", "no text")],
)
def test_what_is_no_model_is_one_sentence(serve, tmp_path, name, said):
    content = {"list": b"[]", "binary": b"\xff\xfe"}.get(name)
    folder = tmp_path / "served"
    folder.mkdir()
    if content:
        (folder / "model.json").write_bytes(content)
    with pytest.raises(PipelineError, match=said):
        download.add(serve(folder)[0], lambda _: None)


@pytest.mark.parametrize(
    "address", ["https://user:word@host/m", "ftp://host/m", "https:///m", "http://a b/m"]
)
@pytest.mark.usefixtures("serve")
def test_an_address_that_is_none_is_not_asked_for(address):
    with pytest.raises(PipelineError, match="the address of the model") as caught:
        download.add(address, lambda _: None)
    assert "word" not in str(caught.value)
