"""What a saved model was trained for, readable without PyTorch: bands, normalisation, classes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.config.names import check_name
from urbanseg.errors import PipelineError

FILE = "segmenter.json"

CLIP = 4.0
"""Normalised pixels are clipped to this many standard deviations: a cloud edge or a
glinting roof must not dominate a batch."""


@dataclass(frozen=True)
class Spec:
    """What a network was trained for: bands, normalisation, classes, and its make."""

    bands: list[str]
    mean: list[float]
    std: list[float]
    classes: list[str]
    arch: str
    encoder: str
    upsample: int = 1
    """How many times finer than the scene's pixels the network works."""
    made_with: dict[str, str] = field(default_factory=dict)
    """Versions of the libraries that made the weights."""

    def __post_init__(self) -> None:
        for name in self.classes:
            check_name(name, "class")
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"a model has two classes at least, all different, not {self.classes}")

    def normalise(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Standard scores of ``(bands, height, width)`` pixels of any dtype, clipped to ±`CLIP`."""
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        std = np.asarray(self.std, np.float32)[:, None, None]
        scores: NDArray[np.float32] = np.clip((pixels.astype(np.float32) - mean) / std, -CLIP, CLIP)
        return scores


def read_spec(folder: Path) -> Spec:
    """Read what a saved model was trained for, without the model.

    Raises:
        PipelineError: if the folder is missing or incomplete.
    """
    try:
        return Spec(**json.loads((folder / FILE).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise incomplete(folder, error) from error


def incomplete(folder: Path, error: Exception) -> PipelineError:
    """The error that says that a folder holds no complete model, and why."""
    return PipelineError(f"{folder} holds no complete model ({error}); run the train stage again")
