"""Errors of a machine at its limits: memory or disk that is full, whichever library says so.

What `urbanseg.errors` recognises becomes one sentence here that says what to lower, or names the file.
No library is imported for that.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from urbanseg.errors import PipelineError, is_out_of_memory

OS_ERROR = re.compile(r"os error (\d+)")
"""How safetensors, written in Rust, quotes an error of the system."""


@contextmanager
def enough_memory(purpose: str, remedy: str) -> Iterator[None]:
    """Make one sentence of memory that is full, in a block or, as a decorator, in a function.

    Args:
        purpose: what the memory is for, as in ``to train``.
        remedy: what to do, as in ``lower train.batch_size``.

    Raises:
        PipelineError: if memory is full; all other errors are raised as they are.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise PipelineError(f"there is not enough memory {purpose}; {remedy}") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make what fails in writing a file an OSError with its name, whichever library writes it.

    Raises:
        OSError: naming `path`.
    """
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise
    except Exception as error:
        found = OS_ERROR.search(str(error))
        if isinstance(error, PipelineError) or found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error
