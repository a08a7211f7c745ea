"""Output folders that users name for a command: no file of theirs is lost.

A command writes into a folder that is new or empty, or replaces files that it wrote there
itself and that are unchanged, by a manifest in the folder. Into any other folder it writes
only with ``overwrite``, file by file, and keeps the other files.
"""

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from urbanseg.errors import PipelineError
from urbanseg.io import files

MANIFEST = ".urbanseg.json"
"""Digest of each file that a command wrote into the folder, by its path in it."""


@contextmanager
def output_folder(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder; on success, its files are moved to `folder`.

    Args:
        folder: as the user names it.
        overwrite: move the files one by one into a folder that holds others; files of the
            same name are replaced.

    Yields:
        The temporary folder.

    Raises:
        PipelineError: if `folder` is a file, or holds files that this program did not
            write or that were changed since, and `overwrite` is false.
    """
    folder = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise PipelineError(f"{folder} is a file, where a folder is to be written; name another folder")
    written = _unchanged(folder)
    strange = files.foreign(folder, [MANIFEST, *written])
    if strange and not overwrite:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise PipelineError(
            f"{folder} holds {strange[0]}{more}, which this command did not write, or not as it is now; "
            "name another folder, or add --overwrite to write into it file by file"
        )
    if strange:
        with files.atomic_files(folder) as made:
            yield made
            _sign(made)
    else:
        with files.atomic(folder, own=[MANIFEST, *written]) as made:
            made.mkdir()
            yield made
            _sign(made)


def require_free(path: Path, *, overwrite: bool) -> None:
    """Check that a file that the user names may be written.

    Raises:
        PipelineError: if it exists, and `overwrite` is false.
    """
    if path.exists() and not overwrite:
        raise PipelineError(f"{path} exists; name another file, or add --overwrite to replace it")


def _sign(folder: Path) -> None:
    """Write the manifest of all files in a folder."""
    digests = {name: files.sha256(folder / name) for name in files.foreign(folder, [MANIFEST])}
    files.write_json(folder / MANIFEST, {"sha256": digests})


def _unchanged(folder: Path) -> list[str]:
    """Patterns of the files in a folder that are as the manifest says."""
    try:
        digests = files.read_json(folder / MANIFEST)["sha256"]
        return [
            glob.escape(name)
            for name, digest in digests.items()
            if (folder / name).is_file() and files.sha256(folder / name) == digest
        ]
    except (PipelineError, OSError, LookupError, AttributeError, TypeError):
        return []
