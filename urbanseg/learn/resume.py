"""The state of a training run between epochs, on disk, so that a killed run can be resumed.

Tensors are stored as safetensors, the rest as JSON; nothing is pickled. A state belongs to one
fingerprint (parameters, data, code, libraries): a state of another is never resumed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from urbanseg.io.files import atomic, remove

OPTIMISER = "optimiser"

CODE = (
    "classes.py",
    "config/addresses.py",
    "config/base.py",
    "config/names.py",
    "config/train.py",
    "dataset",
    "grid.py",
    "io",
    "learn",
    "model",
)
"""Modules and rooms that make the weights what they are: the deps of train in dvc.yaml, as a test says."""


@dataclass
class Progress:
    """How far a run has come."""

    epoch: int = 0
    """Epochs completed."""
    best_epoch: int = 0
    """The epoch, from 1, with the best validation mIoU; 0 before the first."""
    best_miou: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    """One row of scores per completed epoch."""


def fingerprint(*parts: Any) -> str:
    """Digest of JSON-like values, to tell whether two runs are the same."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_digest() -> str:
    """Digest of the modules that make the weights what they are."""
    package = Path(__file__).parents[1]
    found = [path for name in CODE for path in (package / name, *sorted((package / name).rglob("*.py")))]
    whole = b"".join(path.read_bytes() for path in found if path.is_file())
    return hashlib.sha256(whole).hexdigest()


def save(
    folder: Path,
    key: str,
    progress: Progress,
    weights: Mapping[str, Mapping[str, Tensor]],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Replace the state in `folder`, atomically; `weights` are by whose they are, then by name.

    Args:
        folder: where the state is kept.
        key: fingerprint of the run.
        progress: how far it has come.
        weights: tensors by owner, then by name.
        optimiser: its moments are saved, too.
    """
    tensors = {f"{whose}.{k}": v for whose, named in weights.items() for k, v in named.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{OPTIMISER}.{index}.{k}": v for k, v in state.items() if v is not None}
    with atomic(folder / "state.safetensors") as temporary:
        record = {"key": key, "progress": json.dumps(asdict(progress))}
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, temporary, record)


def load(
    folder: Path, key: str, optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, dict[str, Tensor]]] | None:
    """Restore the state in `folder`, if there is one of this `key`; else leave all as it is.

    Args:
        folder: where the state is kept.
        key: fingerprint of the run.
        optimiser: gets the moments back.

    Returns:
        Progress, and the weights as they were given to `save`.
    """
    path = folder / "state.safetensors"
    record = _record(path)
    if record.get("key") != key:
        return None
    weights: dict[str, dict[str, Tensor]] = {}
    for name, value in load_file(path).items():
        whose, rest = name.split(".", 1)
        weights.setdefault(whose, {})[rest] = value
    moved = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in weights.pop(OPTIMISER, {}).items():
        index, slot = name.split(".")
        state.setdefault(int(index), {})[slot] = _laid_out_as(moved[int(index)], value)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return Progress(**json.loads(record["progress"])), weights


def clear(folder: Path) -> None:
    """Forget the state."""
    remove(folder)


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` with the parameter's strides, which fused optimisers take for granted."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _record(path: Path) -> dict[str, str]:
    """Metadata in a safetensors file's header; empty if there is no such file."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, dict[str, str]] = json.loads(file.read(size))
    return header.get("__metadata__", {})
