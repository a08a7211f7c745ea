"""An image as a model wants it, and what was found of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Grid, Window
from urbanseg.infer.back import onto_grid
from urbanseg.infer.stitching import Strip
from urbanseg.workflows.model_input.layers import Mask, PixelSource


@dataclass
class InputReport:
    """What was found of an image, in sentences for people."""

    name: str
    files: list[str]
    product: str | None = None
    bands: dict[str, str] = field(default_factory=dict)
    """Where each band of the model was found."""
    units: str = ""
    is_placed: bool = True
    """Whether the image says where on Earth it lies; else areas are in pixels."""
    pixel_m: float | None = None
    """Side of a pixel of the image in metres; None if it is not known."""
    model_pixel_m: float | None = None
    """The same as the model sees it."""
    resampling: str = ""
    mask: str = ""
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class ModelInput:
    """An image as a model wants it: `read` and `valid` like those of a `Reader`, in its bands and units."""

    name: str
    files: tuple[Path, ...]
    grid: Grid
    """On which the model predicts."""
    own: Grid
    """The image's own, on which results are wanted."""
    bands: list[int]
    """Numbers of the bands, 1 to their count, for those who ask a `Reader` for bands."""
    report: InputReport
    source: PixelSource
    own_valid: Callable[[Window], Mask] | None = None

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[Any]:
        """Pixels of a window (all, if None) of `grid`, ``(bands, height, width)``, in the model's units."""
        pixels = self.source.read(window or Window(0, 0, *self.grid.shape))
        return pixels if bands is None or list(bands) == self.bands else pixels[[n - 1 for n in bands]]

    def valid(self, window: Window | None = None, bands: Sequence[int] | None = None) -> Mask:  # noqa: ARG002
        """Which pixels of a window hold data that no mask hides, ``(height, width)``."""
        return self.source.valid(window or Window(0, 0, *self.grid.shape))

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """A small copy on ``own.shrunk(max_side)``, ``(bands, height, width)``, in the model's units.

        Missing pixels are masked; what a cloud mask hides is not.
        """
        return self.source.decimated(max_side)

    def back(self, strips: Iterator[Strip]) -> Iterator[Strip]:
        """Strips of a prediction on `grid` as strips on `own`; see `onto_grid`.

        What is missing in the image is unknown there, to the pixel.
        """
        if self.grid.same_as(self.own):
            return strips
        return onto_grid(strips, self.grid, self.own, self.own_valid)
