"""Folders that are packed models by their files, with weights of a few bytes that no network reads."""

import json
from pathlib import Path
from typing import Any

from urbanseg.io import files
from urbanseg.model import digests
from urbanseg.packed import description

SPEC = {
    "bands": ["B04", "B03"], "mean": [1.0, 2.0], "std": [1.0, 1.0], "classes": ["other", "water"],
    "arch": "Unet", "encoder": "resnet18", "upsample": 1, "made_with": {},
}  # fmt: skip


def write(
    folder: Path, weights: bytes = b"weights" * 20_000, units: str | None = None, **changes: Any
) -> description.Description:
    """Write a packed model of some units; `changes` are those of its description."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "README.md").write_text("# A card\n")
    (folder / "segmenter.json").write_text(
        json.dumps(digests.with_digests(folder, "segmenter.json", SPEC | {"units": units}))
    )
    entries = {
        path.name: {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
        for path in sorted(folder.iterdir())
    }
    about = {
        "name": "tiny", "version": "1.0", "title": "Tiny", "license": "CC0-1.0", "credit": "nobody",
        "bands": ["red", "green"], "pixel_m": [8.0, 12.0], "files": entries,
    } | changes  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about))
    return description.describe(folder)
