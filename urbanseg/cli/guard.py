"""What every program does around its work: set up the log, say errors in one sentence, end when told to."""

import errno
import logging
import sys
from collections.abc import Callable

from urbanseg import redact
from urbanseg.errors import PipelineError
from urbanseg.io import files, locks, processes

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def guarded(work: Callable[[], None]) -> None:
    """Do the work; our errors are one sentence and exit code 1, and so is a full disk.

    A signal is one line, and exit code 130 (Ctrl-C) or 143 (SIGTERM).
    """
    redact.install()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    logging.getLogger("onnx_ir").setLevel(logging.WARNING)  # it logs each constant that it folds
    try:
        with processes.stoppable(_abandon):
            work()
    except processes.Stopped as stopped:
        _abandon()  # a signal may have come between a block's begin and its own clean-up
        processes.leave(stopped)
    except PipelineError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in FULL:
            raise
        name = error.filename or "an output"
        sys.exit(f"error: {name} cannot be written: the disk is full; free some space, or raise the quota")


def _abandon() -> None:
    """Remove what is half-written, and the locks."""
    files.abandon()
    locks.abandon()
