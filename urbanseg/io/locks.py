"""One writer at a time: a lock for each output, which says who holds it.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from urbanseg.errors import PipelineError

WAIT_S = 5.0
"""How long a lock is waited for: a run whose parent was killed ends within this time."""

POLL_S = 0.1

MAX_BYTES = 4096

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""A file system that knows no locks; there, only unique names keep runs apart."""


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
    """Hold the lock of an output; a process that holds it already goes on.

    Raises:
        PipelineError: if another process holds it, with who that is.
    """
    file = _file(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with _guard:
        mine = _held.get(file)
        if mine is None or mine.process != os.getpid():
            mine = _held[file] = _Held(_acquire(path, file), 0, os.getpid())
        mine.users += 1
    try:
        yield
    finally:
        with _guard:
            mine.users -= 1
            if not mine.users:
                del _held[file]
                with suppress(FileNotFoundError):
                    file.unlink()
                os.close(mine.descriptor)


def _file(path: Path) -> Path:
    absolute = path.parent.resolve() / path.name
    return absolute.with_name(f".{absolute.name}.part.lock")


def _acquire(path: Path, file: Path) -> int:
    deadline = time.monotonic() + WAIT_S
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"{path} is being written by {holder}; wait until that ends, or stop it"
                ) from None
            time.sleep(POLL_S)
            continue
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(descriptor)
                raise
        if _is_named(descriptor, file):  # else its holder removed it between the two calls
            _sign(descriptor)
            return descriptor
        os.close(descriptor)


def _is_named(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    # The command is what was started, without its arguments: they may name what is nobody's business.
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
