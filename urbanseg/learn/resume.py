"""The state of a training run between epochs, on disk, so that a killed run can be resumed.

Tensors are stored as safetensors, the rest as JSON; nothing is pickled. A state belongs to one
fingerprint (parameters, data, code, libraries): a state of another is never resumed, and none
that is not, by its digest, what was saved.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from urbanseg.errors import is_out_of_memory
from urbanseg.io.files import atomic, remove
from urbanseg.model.limits import naming
from urbanseg.redact import excerpt

log = logging.getLogger(__name__)

FILE = "state.safetensors"

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

    Raises:
        OSError: naming the file, if it can't be written.
    """
    tensors = {f"{whose}.{k}": v for whose, named in weights.items() for k, v in named.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{OPTIMISER}.{index}.{k}": v for k, v in state.items() if v is not None}
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    record = {"key": key, "progress": json.dumps(asdict(progress))}
    path = folder / FILE
    for wrong in _in_the_way(folder, path):
        remove(wrong)
    with naming(path), atomic(path) as temporary:
        save_file(tensors, temporary, record | {"sha256": _digest(record, tensors)})


def load(
    folder: Path, key: str, optimiser: torch.optim.Optimizer, run: Mapping[str, Mapping[str, Tensor]]
) -> tuple[Progress, dict[str, dict[str, Tensor]]] | None:
    """Restore the state in `folder`, if there is one of this `key`; else leave all as it is.

    A state of another run, or one that is damaged in any way, is worth a warning, and no more.

    Args:
        folder: where the state is kept.
        key: fingerprint of the run.
        optimiser: gets the moments back.
        run: the weights that move in this run, by whose they are.

    Returns:
        Progress, and the weights as they were given to `save`; None to start anew.
    """
    path = folder / FILE
    if not _in_the_way(folder, path) and not path.exists():
        return None
    try:
        record, weights = _read(path, key)
        state = _moments(weights.pop(OPTIMISER, {}), optimiser)
        _require_fitting(weights, run)
        progress = Progress(**json.loads(record["progress"]))
    except Exception as error:
        if is_out_of_memory(error):
            raise
        log.warning("%s is not resumed, training starts anew: %s", path, excerpt(str(error)))
        return None
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return progress, weights


def _in_the_way(folder: Path, path: Path) -> list[Path]:
    """What lies at the place of the state, and is no folder or no file."""
    found = [] if folder.is_dir() else [folder]
    found += [] if path.is_file() else [path]
    return [each for each in found if os.path.lexists(each)]


def _read(path: Path, key: str) -> tuple[dict[str, str], dict[str, dict[str, Tensor]]]:
    """Record and tensors of a state, by whose they are; a ValueError says why it is none of this run."""
    if not path.is_file():
        raise ValueError("it is no file")
    with safe_open(path, "pt") as file:
        record = file.metadata() or {}
        if record.get("key") != key:
            raise ValueError("it is of another run, by its parameters, data, code or libraries")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    if record.pop("sha256", "") != _digest(record, tensors):
        raise ValueError("it is damaged")
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise ValueError("it holds numbers that are not finite")
    weights: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        whose, rest = name.split(".", 1)
        weights.setdefault(whose, {})[rest] = value
    return record, weights


def _require_fitting(
    weights: Mapping[str, Mapping[str, Tensor]], run: Mapping[str, Mapping[str, Tensor]]
) -> None:
    for whose, named in run.items():
        if {k: v.shape for k, v in weights[whose].items()} != {k: v.shape for k, v in named.items()}:
            raise ValueError("it is of another network")


def _moments(saved: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The optimiser's state by the number of the parameter."""
    moved = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in saved.items():
        index, slot = name.split(".")
        if value.ndim and value.shape != moved[int(index)].shape:
            raise ValueError("it is of another network")
        state.setdefault(int(index), {})[slot] = _laid_out_as(moved[int(index)], value)
    return state


def _digest(record: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of all that a state says."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def clear(folder: Path) -> None:
    """Forget the state."""
    remove(folder)


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` with the parameter's strides, which fused optimisers take for granted."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
