"""Why a model gives a place of an image its class: pictures and figures in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from urbanseg.config.base import ENCODER_STRIDE
from urbanseg.dataset.samples import pad
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.infer import explanation
from urbanseg.infer.images import common_name
from urbanseg.io import files
from urbanseg.report.heat import heat
from urbanseg.report.pictures import png, true_color
from urbanseg.workflows.map_model import RunningModel
from urbanseg.workflows.map_result import Wishes
from urbanseg.workflows.model_input.image import ModelInput
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.model_input.sources import Source

SIDE = 256
"""Of the part of the image around the place that is looked at, in pixels of the model."""

SQUARE = 16
"""Of the squares that are hidden."""


@dataclass(frozen=True)
class Part:
    """What is seen around a place."""

    pixels: NDArray[Any]
    place: tuple[int, int]
    shape: tuple[int, int]
    """Of what is not padding."""


def explain(
    source: Source,
    at: tuple[float, float],
    folder: Path,
    model: RunningModel,
    wishes: Wishes,
    *,
    home: Path,
    class_name: str | None = None,
) -> dict[str, Any]:
    """Write why a place gets its class.

    Args:
        source: the files of an image.
        at: longitude and latitude in degrees; row and column of an image that does not say where it lies.
        folder: exists; gets ``image.png``, ``occlusion.png``, ``grad_cam.png`` if the model has weights for
            PyTorch and an encoder, and ``explanation.json``.
        model: that maps it.
        wishes: how the image is opened.
        home: the folder of the model.
        class_name: for or against which is spoken; None for the class that the place gets.

    Returns:
        What ``explanation.json`` holds.

    Raises:
        PipelineError: if the place is not in the image, or the model does not know the class.
    """
    spec = model.spec
    with open_for_model(
        source, spec, bands=wishes.bands, scale=wishes.scale, mask=wishes.mask, pixel_m=wishes.pixel_m,
        force=wishes.force, drafts=folder,
    ) as opened:  # fmt: skip
        part = _part(opened, _pixel(opened, at))
    found = explanation.probabilities_at(model.predict(part.pixels[None]), *part.place)[0]
    if class_name is not None and class_name not in spec.classes:
        raise PipelineError(f"the model does not know {class_name}; it knows {', '.join(spec.classes)}")
    value = int(found.argmax()) if class_name is None else list(spec.classes).index(class_name)
    fallen = explanation.occlusion(model.predict, part.pixels, part.place, value, fill=spec.mean, side=SQUARE)
    bands = explanation.band_importance(model.predict, part.pixels, part.place, value, fill=spec.mean)
    seen = _grad_cam(home, part, spec.classes[value])
    _draw(folder, part, spec.bands, fallen, seen)
    told = {
        "image": source.name,
        "at": [float(each) for each in at],
        "model": model.name,
        "class": spec.classes[value],
        "probabilities": {name: round(float(p), 4) for name, p in zip(spec.classes, found, strict=True)},
        "bands": {name: round(fall, 4) for name, fall in zip(spec.bands, bands, strict=True)},
        "window_px": list(part.shape),
        "square_px": SQUARE,
        "largest_fall": round(float(fallen.max()), 4),
        "largest_rise": round(float(-fallen.min()), 4),
        "grad_cam": seen is not None,
    }
    files.write_json(folder / "explanation.json", told)
    return told


def _pixel(opened: ModelInput, at: tuple[float, float]) -> tuple[int, int]:
    """Row and column of a place on the grid of the model."""
    grid = opened.grid
    if opened.report.is_placed:
        to_grid = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
        x, y = to_grid.transform(*at)
        col, row = ~grid.transform * (x, y)
    else:
        own: Grid = opened.own
        row, col = at[0] * grid.height / own.height, at[1] * grid.width / own.width
    if not (0 <= row < grid.height and 0 <= col < grid.width):
        said = "longitude and latitude" if opened.report.is_placed else "row and column"
        raise PipelineError(
            f"{at[0]:g},{at[1]:g} is not in {opened.name}; --at takes {said} of a place inside the image"
        )
    return int(row), int(col)


def _part(opened: ModelInput, pixel: tuple[int, int]) -> Part:
    """The pixels around a place, filled up to sides that a network takes."""
    (top, height), (left, width) = (
        _span(at, length) for at, length in zip(pixel, opened.grid.shape, strict=True)
    )
    window = Window(top, left, height, width)
    if not opened.valid(window)[pixel[0] - top, pixel[1] - left]:
        raise PipelineError(f"{opened.name} holds no data at this place; name another")
    pixels = np.nan_to_num(opened.read(window))
    side = -(-max(height, width) // ENCODER_STRIDE) * ENCODER_STRIDE
    return Part(pad(pixels, side, mode="reflect"), (pixel[0] - top, pixel[1] - left), (height, width))


def _span(at: int, length: int) -> tuple[int, int]:
    """Start and length of what is seen around a place, inside the image."""
    size = min(SIDE, length)
    return min(max(0, at - size // 2), length - size), size


def _grad_cam(home: Path, part: Part, class_name: str) -> NDArray[np.float32] | None:
    """By the network itself, where PyTorch and its weights are there."""
    try:
        from urbanseg.infer.grad_cam import grad_cam  # noqa: PLC0415, PyTorch takes seconds
        from urbanseg.model import segmenter  # noqa: PLC0415, as above
    except ModuleNotFoundError:
        return None
    if not (home / segmenter.WEIGHTS).is_file():
        return None
    network, own = segmenter.load(home)
    return grad_cam(network, own.normalise(part.pixels), part.place, own.classes.index(class_name))


def _draw(
    folder: Path,
    part: Part,
    bands: Sequence[str],
    fallen: NDArray[np.float32],
    seen: NDArray[np.float32] | None,
) -> None:
    height, width = part.shape
    names = [common_name(band) for band in bands]
    colours = [names.index(name) for name in ("red", "green", "blue") if name in names]
    shown = part.pixels[colours if len(colours) == 3 else [0], :height, :width]
    base = true_color(shown, np.ones((height, width), bool))
    (folder / "image.png").write_bytes(png(heat(base, None, part.place)))
    largest = max(float(np.abs(fallen).max()), 1e-6)
    (folder / "occlusion.png").write_bytes(png(heat(base, fallen[:height, :width] / largest, part.place)))
    if seen is not None:
        (folder / "grad_cam.png").write_bytes(png(heat(base, seen[:height, :width], part.place)))
