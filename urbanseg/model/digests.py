"""Digests of the files of a model's folder, by which damage and changes by hand are noticed.

The JSON file that describes the folder holds, as ``sha256``, the digest of each file that is read
with it, and of its own other content; not of the model card, which people may edit. Folders
of before have none: they open with a warning. It is no signature: who changes a file on purpose can
change the digest too.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from urbanseg.io import files
from urbanseg.model.spec import SHA256, unreadable

log = logging.getLogger(__name__)

COVERED = re.compile(
    r"(config|domain|segmenter)\.json|model\.safetensors|(segmenter|deepness)\.(pt2|onnx|xml|bin)"
)
"""Names of the files that have a digest."""

INSIDE = re.compile(r"([a-z][a-z0-9_-]*/)?[a-z]+\.[a-z0-9]+")
"""Their paths in the folder; a merged model has its members in folders."""


def with_digests(folder: Path, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the file that describes a folder, with digests of all that lies there by now.

    Args:
        folder: of a model, a merged model, or an exported format.
        name: of the file, to which this is to be written as JSON.
        content: what else it says.
    """
    found = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern))
    digests = {
        path.relative_to(folder).as_posix(): files.sha256(path)
        for path in found
        if COVERED.fullmatch(path.name) and path != folder / name
    }
    return dict(content) | {SHA256: digests | {name: _of(content)}}


def check(folder: Path, name: str, stage: str) -> None:
    """Check that the files of a folder are those that were saved; warn where it has no digests.

    Args:
        folder: of a model or of an exported format.
        name: of the file that describes it.
        stage: that writes such a folder, for the error.

    Raises:
        PipelineError: naming the first file that is missing or has changed.
    """
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        digests = content.pop(SHA256, None)
        if digests is not None:
            _compare(folder, name, content, digests)
    except (AttributeError, OSError, RecursionError, TypeError, ValueError) as error:
        raise unreadable(folder, error, stage) from error
    if digests is None:
        log.warning("%s is from before models had digests: damage to it would go unnoticed", folder)


def _compare(folder: Path, name: str, content: Mapping[str, Any], digests: Mapping[str, Any]) -> None:
    present = {path.name for path in folder.iterdir() if COVERED.fullmatch(path.name)}
    if not all(map(INSIDE.fullmatch, digests)) or not present | {name} <= set(digests):
        raise ValueError(f"the digests in {name} are of other files")
    for path, digest in digests.items():
        if path != name and not (folder / path).is_file():
            raise ValueError(f"{path} is missing, or no file")
        if digest != (_of(content) if path == name else files.sha256(folder / path)):
            raise ValueError(f"{path} is damaged, or was changed since it was saved")


def _of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
