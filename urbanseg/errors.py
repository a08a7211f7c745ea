"""The exception meant for a person to read, and sentences for what the system or an installation refuses."""

import errno
import os
import re
import sys
from pathlib import Path

from urbanseg.redact import excerpt, redact

REFUSED = {
    errno.EACCES: "it may not be read or written by this user; change its permissions, or name another",
    errno.EPERM: "the system does not allow it; change its permissions, or name another",
    errno.EROFS: "its file system can only be read; name another place",
    errno.ENOENT: "it does not exist; correct the path, or run the stage that makes it",
    errno.EISDIR: "it is a folder, where a file is expected; name a file",
    errno.ENOTDIR: "a part of the path is a file, where a folder is expected; correct the path",
    errno.EEXIST: "it exists already; remove it, or name another",
    errno.ENOTEMPTY: "it is a folder that is not empty; empty it, or name another",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "its links lead back to themselves; correct them",
    errno.EMFILE: "too many files are open at once; raise the limit, for example with ulimit -n 4096",
    errno.ENFILE: "the system has too many files open at once; close other programs",
    errno.EIO: "the disk or the network drive fails; check it, and copy the file elsewhere",
    errno.ESTALE: "the network drive has lost it; mount the drive again",
    errno.EXDEV: "its folder is a mount, which cannot be replaced; name another place",
}
"""What the system says of a file, and what to do."""

FULL = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk is full; raise the quota",
    errno.EFBIG: "the disk is full, or files may not be so large; free space, or raise ulimit -f",
}

QUOTED = {*FULL, errno.EMFILE, errno.ENFILE}
"""What libraries pass on in words alone; it concerns the file that is being written."""

OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|insufficient (shared )?memory|can(?:'t|not) allocate|"
    r"failed to allocate|unable to allocate|bad[_ ]alloc|alloc_failed|"
    r"storage size calculation overflowed|array is too big|is killed by signal: killed",
    re.IGNORECASE,
)
"""How libraries say that memory is full; the last is a reading process that the system ended."""


CONTROL = re.compile(r"\s*[\x00-\x1f\x7f]+\s*")
"""Line ends and other control characters, of file names and of what libraries say."""


class PipelineError(Exception):
    """A sentence for the user: names the file or parameter, what is wrong and what to do.

    Stages print it without a traceback and exit with code 1. Programming errors are left
    to be tracebacks. What it quotes of parameters, servers and libraries is redacted here, and
    is on one line, without control characters.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(CONTROL.sub(" ", redact(sentence)))


def missing_package(error: ModuleNotFoundError, extra: str, otherwise: str = "") -> PipelineError:
    """The error for a package that belongs to an extra.

    Args:
        error: what the import raised.
        extra: name of the extra of this project that brings the package.
        otherwise: how to do without it, if that is possible.
    """
    how = f"install it with: pip install 'urbanseg[{extra}]'"
    return PipelineError(f"this needs the package {error.name}; {how}{', ' + otherwise if otherwise else ''}")


def of_system(error: BaseException) -> str | None:
    """The sentence for what the system refuses: a file, the disk, the memory. None for any other error.

    Args:
        error: of Python, or of a library that passes on what the system said.

    Returns:
        One line, redacted.
    """
    if is_out_of_memory(error):
        return (
            f"there is not enough memory ({excerpt(str(error)) or 'the system gave none'}); close other "
            "programs, or lower batch_size or size in params.yaml, or take a smaller scene"
        )
    if isinstance(error, OSError):
        return _of_file(error)
    if number := quoted_number(error):
        return f"{REFUSED.get(number) or FULL[number]} ({excerpt(str(error))})"
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(error, arrow.ArrowException):
        return f"a table cannot be read ({excerpt(str(error))}); run the stage that makes it again"
    return None


def _of_file(error: OSError) -> str:
    if error.errno is None:  # of a library
        return f"a file cannot be read or written: {excerpt(str(error)) or type(error).__name__}"
    name = excerpt(_shown(error.filename if error.filename2 is None else error.filename2))
    if error.errno in FULL:
        return f"{name or 'an output'} cannot be written: {FULL[error.errno]}"
    reason = REFUSED.get(error.errno, f"the system says: {error.strerror}")
    return f"{name or 'a file'}: {reason}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, of whatever library, says that the memory of this machine or of its GPU is full."""
    if isinstance(error, PipelineError):
        return False
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)) is not None


def require_readable(path: Path) -> None:
    """Raise what the system says of a file that a library could not open, if it says anything.

    Raises:
        OSError: if the file cannot be opened, or is a folder.
    """
    with path.open("rb"):
        pass


def quoted_number(error: BaseException) -> int | None:
    """The error number of the system that a library quotes in words: no space, no more open files."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in QUOTED else None
    said = str(error)
    return next((number for number in QUOTED if os.strerror(number) in said), None)


LOCK = re.compile(r"\.([^/]+)\.part\.lock$")
"""What a file is called that `io.locks` locks instead of an output."""


def _shown(name: object) -> str:
    """A name of a file in a message: the output, where its lock is meant."""
    text = "" if name is None else os.fsdecode(name) if isinstance(name, str | bytes | Path) else str(name)
    return LOCK.sub(r"\1", text)
