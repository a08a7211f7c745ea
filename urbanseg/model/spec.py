"""What a saved model was trained for, readable without PyTorch: bands, normalisation, classes."""

import json
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.config.names import check_name
from urbanseg.errors import PipelineError, is_out_of_memory
from urbanseg.redact import excerpt

FILE = "segmenter.json"

SHA256 = "sha256"
"""What it has besides: the digests of `urbanseg.model.digests`."""

CLIP = 4.0
"""Normalised pixels are clipped to this many standard deviations: a cloud edge or a
glinting roof must not dominate a batch."""

UNITS = {"reflectance_10000": 10_000.0, "reflectance": 1.0, "uint8": 255.0}
"""What a model's pixels may be, surface reflectance × 10000 or 0–1 or colours of 8 bits; and their 100 %."""

S2_NAME = re.compile(r"b\d{1,2}a?", re.IGNORECASE)
"""How Sentinel-2's bands are called."""

CORE = "building core"
"""The channel after the classes of a network that tells buildings apart: the inside of a building."""

MOST_UPSAMPLE = 8
"""How many times an image is enlarged, at most."""

LATER = ("resolution_m", "resolution_factor", "units", "instances")
"""Fields that files of older models lack."""


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
    resolution_m: float | None = None
    """Side in metres of the pixels that it was trained on; None if it was not noted."""
    resolution_factor: float = 2.0
    """It works on pixels so many times smaller and larger than `resolution_m`."""
    units: str | None = None
    """A key of `UNITS`; None if it was not noted."""
    instances: bool = False
    """Whether the network has the channel `CORE`."""

    @property
    def channels(self) -> list[str]:
        """What the network answers for each pixel, in order."""
        return [*self.classes, CORE] if self.instances else list(self.classes)

    def __post_init__(self) -> None:
        for name in self.classes:
            check_name(name, "class")
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"a model has two classes at least, all different, not {self.classes}")

    def to_json(self) -> dict[str, Any]:
        """What is written of it: all fields, of those that older models lack only what says something."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in LATER or value != getattr(Spec, name)
        }

    def normalise(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Standard scores of ``(bands, height, width)`` pixels of any dtype, clipped to ±`CLIP`."""
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        std = np.asarray(self.std, np.float32)[:, None, None]
        scores: NDArray[np.float32] = np.clip((pixels.astype(np.float32) - mean) / std, -CLIP, CLIP)
        return scores


def pixel_sizes(smallest: float, largest: float) -> dict[str, Any]:
    """`Spec.resolution_m` and `Spec.resolution_factor` of a training on pixels of these sizes, in metres.

    The size is the geometric mean, and the factor reaches `Spec.resolution_factor` beyond both.
    """
    middle = math.sqrt(smallest * largest)
    factor = Spec.resolution_factor * largest / middle
    return {"resolution_m": round(middle, 6), "resolution_factor": round(factor, 6)}


def read_spec(folder: Path) -> Spec:
    """Read what a saved model was trained for, without the model.

    Raises:
        PipelineError: if the folder is missing or incomplete, or what it says makes no sense.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        spec = Spec(**{name: value for name, value in content.items() if name != SHA256})
        _check(spec)
    except (AttributeError, OSError, RecursionError, TypeError, ValueError) as error:
        raise unreadable(folder, error) from error
    return spec


def _check(spec: Spec) -> None:
    """Refuse, by a ValueError, what no training writes."""
    bands, numbers = spec.bands, [*spec.mean, *spec.std]
    if not bands or len(set(bands)) < len(bands) or not all(isinstance(band, str) for band in bands):
        raise ValueError("its bands are not names, all different")
    if not len(bands) == len(spec.mean) == len(spec.std):
        raise ValueError(f"it has {len(bands)} bands, {len(spec.mean)} means and {len(spec.std)} deviations")
    if not all(type(number) in {int, float} and math.isfinite(number) for number in numbers):
        raise ValueError("a mean or standard deviation is no finite number")
    if min(spec.std) <= 0:
        raise ValueError("a standard deviation is not above 0")
    if type(spec.upsample) is not int or not 1 <= spec.upsample <= MOST_UPSAMPLE:
        raise ValueError(f"upsample is no whole number from 1 to {MOST_UPSAMPLE}")
    sizes = [spec.resolution_factor, *([] if spec.resolution_m is None else [spec.resolution_m])]
    if not all(type(size) in {int, float} and 0 < size < math.inf for size in sizes) or sizes[0] < 1:
        raise ValueError("resolution_m is no length, or resolution_factor is below 1")
    if type(spec.instances) is not bool:
        raise ValueError("instances is neither true nor false")
    if spec.units is not None and spec.units not in UNITS:
        raise ValueError(f"units is none of {', '.join(UNITS)}")
    if not all(isinstance(text, str) for text in (spec.arch, spec.encoder)):
        raise ValueError("arch and encoder are no names")


def unreadable(folder: Path, error: Exception, stage: str = "train") -> PipelineError:
    """The error that says why the model in a folder can't be read, and what to do about that.

    Args:
        folder: of the model.
        error: what was raised.
        stage: that writes such a folder.

    Returns:
        One sentence, in one line.
    """
    if is_out_of_memory(error):
        return PipelineError(f"there is not enough memory to read the model in {folder}; free some")
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError | NotADirectoryError):
        return PipelineError(
            f"{error.filename or folder} cannot be read ({error.strerror or excerpt(str(error))}); put that "
            "right, and run the command again"
        )
    return PipelineError(
        f"{folder} holds no complete model ({excerpt(str(error))}); name the folder of another, or run the "
        f"{stage} stage again"
    )
