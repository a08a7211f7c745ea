"""Files: written whole or not at all, read with a sentence for the user where they fail.

Everything is written under a temporary name in the same folder (so that the rename
stays on one file system) and renamed when it is complete. Temporary names hold
``.part``, which git and DVC ignore, so a killed run leaves nothing that is tracked.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from urbanseg.errors import PipelineError


def partial(path: Path) -> Path:
    """The temporary name of `path`: same folder, same suffix (drivers look at it)."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on failure it is removed.

    The temporary path may become a file or a folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial(path)
    remove(temporary)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, keys in the order given, atomically.

    Raises:
        ValueError: if a number is NaN or infinite, which JSON cannot say.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that a stage wrote.

    Raises:
        PipelineError: if the file is missing or no JSON object.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise PipelineError(f"{path} does not exist; run the stage that makes it") from error
    except ValueError as error:
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
