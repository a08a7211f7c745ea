"""A server in a process of its own that answers no request as one would like, and counts them.

It cannot live in the tests' process: GDAL holds the interpreter's lock during some requests.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = """
import http.server, pathlib, sys, time
log, mode = pathlib.Path(sys.argv[1]), sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with log.open("a") as file:
            file.write(f"{self.command} {self.path}\\n")
        if mode == "stall":
            time.sleep(600)
        name = pathlib.Path(mode) / self.path.lstrip("/")
        body = name.read_bytes() if mode != "refuse" and name.is_file() else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
    do_HEAD = do_GET
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""


class Counter:
    """Where the server is, and what it was asked for."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self.log = url, log

    def asked(self) -> list[str]:
        """Method and path of each request."""
        return self.log.read_text().splitlines()


@contextmanager
def counting(folder: Path, mode: str = "refuse") -> Iterator[Counter]:
    """Serve; `mode` is ``refuse`` (404), ``stall`` (no answer), or a folder with files."""
    log = folder / "requests.log"
    log.write_text("")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(log), mode], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield Counter(f"http://127.0.0.1:{int(server.stdout.readline())}", log)
        finally:
            server.terminate()
