"""What every program does around its work: set up the log, say errors in one sentence, end when told to."""

import io
import logging
import os
import select
import signal
import sys
from collections.abc import Callable

from urbanseg import redact
from urbanseg.errors import PipelineError, of_system
from urbanseg.io import files, locks, processes


def guarded(work: Callable[[], None]) -> None:
    """Do the work; our errors are one sentence and exit code 1, and so is what the system refuses.

    A signal is one line, and exit code 130 (Ctrl-C), 143 (SIGTERM) or 129 (the terminal is gone). Where
    nobody reads the output any more (``| head``), the exit code is 141, without a word.
    """
    redact.install()
    _print_any_character()
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
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _is_unread():
            sys.exit(128 + signal.SIGPIPE)
        if (sentence := of_system(error)) is None:
            raise
        sys.exit(f"error: {sentence}")


def _print_any_character() -> None:
    """Print what the terminal's encoding lacks as its code, instead of ending."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
