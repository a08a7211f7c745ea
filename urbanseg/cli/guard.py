"""What every program does around its work: set up the log, say errors in one sentence, end when told to."""

import errno
import logging
import os
import select
import signal
import sys
from collections.abc import Callable

from urbanseg import redact
from urbanseg.errors import PipelineError
from urbanseg.io import files, locks, processes

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
REFUSED = {
    errno.EACCES: "it may not be read or written by this user; change its permissions, or name another",
    errno.EPERM: "the system does not allow it; change its permissions, or name another",
    errno.EROFS: "its file system can only be read; name another place",
    errno.EISDIR: "it is a folder, where a file is expected; name a file",
    errno.ENOTDIR: "a part of the path is a file, where a folder is expected; correct the path",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "its links lead back to themselves; correct them",
}
"""What the system says of paths that a user names."""


def guarded(work: Callable[[], None]) -> None:
    """Do the work; our errors are one sentence and exit code 1, and so is a full disk.

    A signal is one line, and exit code 130 (Ctrl-C), 143 (SIGTERM) or 129 (the terminal is gone). Where
    nobody reads the output any more (``| head``), the exit code is 141, without a word.
    """
    redact.install()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    logging.getLogger("onnx_ir").setLevel(logging.WARNING)  # it logs each constant that it folds
    try:
        with processes.stoppable(_abandon):
            work()
            sys.stdout.flush()
    except processes.Stopped as stopped:
        _abandon()  # a signal may have come between a block's begin and its own clean-up
        processes.leave(stopped)
    except PipelineError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _is_unread():
            sys.exit(128 + signal.SIGPIPE)
        if error.errno in REFUSED and error.filename:
            sys.exit(redact.redact(f"error: {error.filename}: {REFUSED[error.errno]}"))
        if error.errno not in FULL:
            raise
        name = error.filename or "an output"
        sys.exit(f"error: {name} cannot be written: the disk is full; free some space, or raise the quota")


def _abandon() -> None:
    """Remove what is half-written, and the locks."""
    files.abandon()
    locks.abandon()


def _is_unread() -> bool:
    """Whether nobody reads what is printed; if so, nothing more is."""
    watch, output = select.poll(), sys.stdout.fileno()
    watch.register(output, select.POLLOUT)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True
