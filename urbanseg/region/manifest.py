"""Which cells are done: each has a file that says by which inputs, code and parameters it was made.

The file is written last into a folder that appears at once, so a cell is done or it is not, whenever the
run is stopped. A cell whose key is another than the one that is wanted is stale.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from urbanseg.io import files

FILE = "cell.json"
"""In the folder of each cell that is done."""


def key(facts: Mapping[str, Any]) -> str:
    """Digest of all that decides on the bytes of a cell: any facts that JSON holds."""
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def of_code(package: Path, parts: Iterable[str]) -> str:
    """Digest of the source of some files and folders of a package, by their names and contents.

    Args:
        package: its folder.
        parts: paths relative to it.
    """
    digest = hashlib.sha256()
    for part in sorted(parts):
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def of_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in a folder, by its path relative to it; of a file, that of it alone."""
    if folder.is_file():
        return {folder.name: files.sha256(folder)}
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in found}


def write(folder: Path, cell_key: str, facts: Mapping[str, Any]) -> None:
    """Write the file of a cell that is complete but for it.

    Args:
        folder: with all other files of the cell.
        cell_key: of `key`.
        facts: whatever else is to be kept, such as the acquisition that it was made of.
    """
    sizes = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": files.sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    files.write_json(folder / FILE, {"key": cell_key, **facts, "files": sizes})


def is_done(folder: Path, cell_key: str) -> bool:
    """Whether a cell was made by what is wanted now, and its files are as long as they were."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return told["key"] == cell_key and all(
            (folder / name).stat().st_size == file["size"] for name, file in told["files"].items()
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False
