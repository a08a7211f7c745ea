"""The review desk as its users run it: a process of its own, and a client that sends what it is told to."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


class Client:
    """Calls a server on loopback."""

    def __init__(self, port: int, token: str, process: subprocess.Popen) -> None:
        self.port, self.token, self.process = port, token, process

    def call(
        self, method: str, path: str, body: Any = None, headers: dict | None = None
    ) -> tuple[int, Any, dict]:
        """Status, body (values of JSON, or bytes) and headers of an answer."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {k: v for k, v in sent.items() if v is not None})
            answer = connection.getresponse()
            data, found = answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()
        is_json = found.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(data) if is_json else data, found

    def get(self, path: str) -> Any:
        """The body of an answer with the status 200."""
        status, body, _ = self.call("GET", path)
        assert status == 200, body
        return body

    def post(self, path: str, body: Any = None) -> Any:
        """The body of an answer with a status below 300."""
        status, found, _ = self.call("POST", path, {} if body is None else body)
        assert status < 300, found
        return found


@contextmanager
def running(root: Path, *words: str) -> Iterator[Client]:
    """A server in a project's folder."""
    command = [sys.executable, "-m", "urbanseg.cli", "review", *words, "--no-browser"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]+)\n", line)
        assert found, (line, process.poll() is None or process.stderr.read())
        yield Client(int(found[1]), found[2], process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
