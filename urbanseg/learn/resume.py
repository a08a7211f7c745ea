"""The state of a training run between epochs, on disk, so that a killed run goes on.

Tensors lie in safetensors, the rest in JSON; nothing is pickled. A state belongs to one
fingerprint (parameters, data, code, libraries): a state of another is never taken up.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from urbanseg.files import atomic, remove


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
    folder = Path(__file__).parent
    whole = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(whole).hexdigest()


def save(
    folder: Path,
    key: str,
    progress: Progress,
    network: nn.Module,
    best: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Replace the state in `folder`, atomically."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in best.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": v for k, v in state.items()}
    with atomic(folder / "state.safetensors") as temporary:
        record = {"key": key, "progress": json.dumps(asdict(progress))}
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, temporary, record)


def load(
    folder: Path, key: str, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Take up the state in `folder`, if there is one of this `key`; else leave all as it is.

    Returns:
        Progress and the best weights so far.
    """
    path = folder / "state.safetensors"
    record = _record(path)
    if record.get("key") != key:
        return None
    tensors = load_file(path)
    network.load_state_dict(_group(tensors, "network."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _group(tensors, "optimiser.").items():
        index, slot = name.split(".")
        state.setdefault(int(index), {})[slot] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return Progress(**json.loads(record["progress"])), _group(tensors, "best.")


def clear(folder: Path) -> None:
    """Forget the state."""
    remove(folder)


def _record(path: Path) -> dict[str, str]:
    """Metadata in a safetensors file's header; empty if there is no such file."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, dict[str, str]] = json.loads(file.read(size))
    return header.get("__metadata__", {})


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
