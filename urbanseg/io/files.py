"""Files: atomic writes, and reads whose errors are messages for the user.

Everything is written under a temporary name in the same folder (so that the rename
stays on one file system) and renamed when it is complete. Temporary names are unique and
hold ``.part``, which git and DVC ignore; what a killed run left is removed by the next
run, under the output's lock. A folder is replaced by exchanging it with the new one, and
only if all that it holds is the writer's own.
"""

import ctypes
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from urbanseg.errors import PipelineError, quoted_number
from urbanseg.io.locks import locked

TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.part(\.|$)|^\..*\.part\.lock$")
"""Pattern of the names of our temporary files and locks."""

SIDECARS = ("", ".aux.xml", ".ovr", "-wal", "-shm", "-journal")
"""Endings of files that GIS programs derive from one of ours and may write beside it."""

PROBE_BYTES = 1 << 20
"""More than what a library writes at a time: where it failed on a full disk, so does this."""

_active: set[Path] = set()
"""Temporary paths of this process."""


def partial(path: Path) -> Path:
    """A new temporary name for `path`: same folder, same suffix (drivers look at it)."""
    return path.with_name(f"{path.stem}.{secrets.token_hex(6)}.part{path.suffix}")


@contextmanager
def atomic(path: Path, own: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on failure it is removed.

    The temporary path may become a file or a folder. `path` is locked meanwhile.

    Args:
        path: what is written; a link to a folder is followed.
        own: patterns of the files that the writer puts into a folder, relative to it. An
            existing folder is replaced only if nothing else is in it.

    Raises:
        PipelineError: if `path` is a folder with other files, or another
            process is writing it.
    """
    path = path.resolve() if path.is_dir() else path
    with temporary(path) as made:
        require_own(path, own)
        yield made
        require_own(path, own)
        _put(made, path)


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Yield a temporary name for `path`, which is locked meanwhile; what is left of it is removed.

    Raises:
        PipelineError: if another process is writing `path`.
        OSError: naming `path`, if the disk is full or no file can be opened, whichever library says so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        _tidy(path)
        made = partial(path)
        _active.add(made)
        with _named(made, path):
            try:
                yield made
            finally:
                _discard(made)


@contextmanager
def _named(made: Path, path: Path) -> Iterator[None]:
    """Let errors of the system name the file that is written, and by its own name, not a temporary one."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) or error.filename is None:
            if number := quoted_number(error):
                raise OSError(number, os.strerror(number), str(path)) from error
        elif str(error.filename).startswith(str(made)):
            error.filename = str(path) + str(error.filename).removeprefix(str(made))
        raise


@contextmanager
def atomic_files(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; on success its files are renamed into `folder`, which may hold others.

    Raises:
        PipelineError: if another process is writing `folder`, or has a folder in the place of a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder), temporary(folder / "files") as made:
        made.mkdir()
        yield made
        names = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
        for name in names:
            if not (folder / name).exists():
                _permit(made / name)
        for name in names:
            if (folder / name).is_dir():
                raise PipelineError(
                    f"{folder / name} is a folder, where a file is to be written; move it elsewhere"
                )
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).replace(folder / name)


def abandon() -> None:
    """Remove all temporary files of this process, which is about to end without cleaning up."""
    for made in list(_active):
        _discard(made)


def require_own(folder: Path, own: Sequence[str]) -> None:
    """Check that a folder holds nothing but the writer's own files.

    Raises:
        PipelineError: naming a file that is not.
    """
    if found := foreign(folder, own):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise PipelineError(
            f"{folder} would be replaced, but it holds {found[0]}{more}, which is not of this command; "
            "move that elsewhere, or name another folder"
        )


def foreign(folder: Path, own: Sequence[str]) -> list[str]:
    """Files in a folder, relative to it and in order, that fit none of the patterns `own`.

    What GIS programs derive from own files and temporary files do not count.
    """
    patterns = [pattern + ending for pattern in own for ending in SIDECARS]
    return [
        name
        for name in (p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if not _is_folder(p))
        if not any(map(TEMPORARY.search, name.split("/")))
        and not any(fnmatch(name, pattern) for pattern in patterns)
    ]


def require_space(path: Path) -> None:
    """Raise what the system says of writing beside a file that a library could not write, if anything.

    Raises:
        OSError: naming `path`, if the disk is full, or takes no file.
    """
    try:
        with temporary(path) as probe:
            probe.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists; of a link, the link alone."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in the order given, atomically.

    Raises:
        ValueError: if a number is NaN or infinite, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, atomically."""
    with atomic(path) as made:
        made.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that a stage wrote.

    Raises:
        PipelineError: if the file is missing or no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PipelineError(f"{path} does not exist; run the stage that makes it") from error
    except (RecursionError, ValueError) as error:
        raise PipelineError(
            f"{path} is not valid JSON ({error}); run the stage that makes it again"
        ) from error
    if not isinstance(value, dict):
        raise PipelineError(f"{path} holds no JSON object; run the stage that makes it again")
    return value


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _put(made: Path, path: Path) -> None:
    """Rename `made` to `path`; at any time, either the old or the new one exists."""
    if not path.is_file():  # whoever replaces a file has given the new one its permissions, or may
        _permit(made)
    if made.is_dir() and path.is_dir():
        replace_folder(made, path)
    elif made.is_dir() and path.exists():
        raise PipelineError(f"{path} is a file, where a folder is to be written; move it elsewhere")
    elif path.is_dir():
        raise PipelineError(f"{path} is a folder, where a file is to be written; move it elsewhere")
    else:
        made.replace(path)


def _permit(made: Path) -> None:
    """Give files the permissions that the user's umask gives new ones.

    Libraries that write under a temporary name of their own leave files that only their owner may read.
    """
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask)
    for path in [made, *made.rglob("*")] if _is_folder(made) else [made]:
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o111 | 0o666 & ~umask)


def replace_folder(new: Path, old: Path) -> None:
    """Replace a folder by another.

    Linux exchanges the two names in one step. Elsewhere the old one is first renamed aside;
    a run that is killed in between leaves it there, and the next writer puts it back.
    """
    if _exchanged(new, old):
        shutil.rmtree(new)
        return
    aside = old.with_name(f"{partial(old).name}.old")
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    shutil.rmtree(aside)


def _exchanged(first: Path, second: Path) -> bool:
    """Whether the system could exchange two names: https://man7.org/linux/man-pages/man2/rename.2.html."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return renameat2 is not None and not renameat2(
        here, os.fsencode(first.absolute()), here, os.fsencode(second.absolute()), exchange
    )


def _tidy(path: Path) -> None:
    """Remove what a killed run left of `path`, whose lock is held; a folder renamed aside is put back."""
    ours = re.compile(rf"{re.escape(path.stem)}\.[0-9a-f]{{12}}\.part({re.escape(path.suffix)}.*|\.old)")
    for left in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*.part*")):
        if not ours.fullmatch(left.name) or left in _active:
            continue
        if left.suffix == ".old" and not path.exists():
            left.rename(path)
        else:
            remove(left)


def _discard(made: Path) -> None:
    """Remove a temporary path and what drivers wrote beside it."""
    for left in [made, *made.parent.glob(f"{glob.escape(made.name)}?*")]:
        remove(left)
    _active.discard(made)
