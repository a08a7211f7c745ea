"""A limit of requests to a service, shared by all processes and machines that see one folder.

A file holds the time at which the next request may be made. Whoever wants to make some takes the file's
lock, moves that time on by what they cost, and waits for the time that it found. So the limit holds for all
together, nobody waits for a turn that nobody takes, and there is no process that could die with it.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

FARTHEST_S = 3600.0
"""A time further ahead was written by a clock that went wrong, and does not count."""


@dataclass(frozen=True)
class Pace:
    """So many requests a second, of all that share the file."""

    file: Path
    per_s: float

    def wait(self, requests: float = 1.0) -> float:
        """Wait until so many requests may be made; returns how long that was, in seconds."""
        seconds = self._ahead(requests / self.per_s)
        time.sleep(seconds)
        return seconds

    def hold(self, seconds: float) -> None:
        """Let nobody make a request for so long: the service has refused one."""
        self._ahead(seconds)

    def _ahead(self, seconds: float) -> float:
        """Move the time of the next request on; returns how far ahead it was, in seconds."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            now = time.time()
            next_at = min(max(now, _read(descriptor)), now + FARTHEST_S)
            os.pwrite(descriptor, f"{next_at + seconds:<32.6f}".encode(), 0)
        finally:
            os.close(descriptor)
        return next_at - now


def _read(descriptor: int) -> float:
    """The time that a file holds; 0 if it holds none."""
    try:
        return float(os.pread(descriptor, 32, 0))
    except ValueError:
        return 0.0
