"""Locks: one writer per output at a time; a lock names its holder.

The lock is the kernel's (flock on a file beside the output), so it ends with the process
that holds it, however that ends; a file without a holder is no lock. Its name holds
``.part``, which git and DVC ignore.
"""

import errno
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from urbanseg.errors import PipelineError
from urbanseg.io.processes import deferred

WAIT_S = 5.0
"""Time-out for a lock: a run whose parent was killed ends within this time."""

POLL_S = 0.1

MAX_BYTES = 4096

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of file systems without locks; there, only unique names keep runs apart."""


@dataclass
class _Held:
    """A lock of this process: its open file, how many blocks use it, and the process (a fork is another)."""

    descriptor: int
    users: int
    process: int


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of an output; reentrant within a process.

    Raises:
        PipelineError: if another process holds it, naming that process.
    """
    file = _file(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = _take(path, file)
    try:
        yield
    finally:
        with _guard:
            mine.users -= 1
            if not mine.users:
                _release(file, mine)


def abandon() -> None:
    """Release all locks of this process, which is about to end."""
    for file, mine in list(_held.items()):
        if mine.process == os.getpid():
            _release(file, mine)


def _take(path: Path, file: Path) -> _Held:
    deadline = time.monotonic() + WAIT_S
    while True:
        with deferred(), _guard:
            mine: _Held | str | None = _held.get(file)
            if not isinstance(mine, _Held) or mine.process != os.getpid():
                mine = _acquired(file)
            if isinstance(mine, _Held):
                _held[file] = mine
                mine.users += 1
                return mine
        if time.monotonic() > deadline:
            raise PipelineError(f"{path} is being written by {mine}; wait until that ends, or stop it")
        time.sleep(POLL_S)


def _release(file: Path, mine: _Held) -> None:
    if _is_named(mine.descriptor, file):
        file.unlink()
    _held.pop(file, None)
    os.close(mine.descriptor)


def _file(path: Path) -> Path:
    absolute = path.parent.resolve() / path.name
    return absolute.with_name(f".{absolute.name}.part.lock")


def _acquired(file: Path) -> _Held | str:
    """The lock, or a description of its holder."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            return holder
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(descriptor)
                raise
        if _is_named(descriptor, file):  # else its holder removed it between the two calls
            _sign(descriptor)
            return _Held(descriptor, 0, os.getpid())
        os.close(descriptor)


def _is_named(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    # The name of the program, without its arguments, which may hold private names.
    program = sys.modules["__main__"].__spec__
    who = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "program": program.name if program else Path(sys.argv[0]).name,
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(who).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        who = json.loads(os.pread(descriptor, MAX_BYTES, 0))
        return f"process {who['process']} ({who['program']}) on {who['host']}"
    except (ValueError, LookupError, TypeError):
        return "another process"
