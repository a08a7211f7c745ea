"""A trained model adapted to images without labels; see `urbanseg.learn.adaptation`."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from urbanseg import paths
from urbanseg.config.predict import PredictParams
from urbanseg.dataset.samples import pad
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.infer import backends
from urbanseg.infer.scene import Scene
from urbanseg.io import files
from urbanseg.learn import adaptation
from urbanseg.learn.adaptation import HELD_OUT, Options, Trial, Windows
from urbanseg.model import digests, domain, segmenter
from urbanseg.model.card import Card
from urbanseg.model.cpu import use_cpu
from urbanseg.model.limits import enough_memory
from urbanseg.model.spec import FILE, Spec
from urbanseg.packed import registry
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.model_input.sources import Source

log = logging.getLogger(__name__)

SIDE, MOST = 256, 96
"""Of the windows that are learnt from: pixels of the network, and how many at most."""

LEAST_VALID = 0.5
"""Share of measured pixels that a window needs."""


@dataclass(frozen=True)
class Wishes:
    """How images are opened: the options of ``urbanseg map`` of these names."""

    bands: str | None = None
    scale: str | None = None
    mask: str | None = None
    pixel_m: float | None = None
    force: bool = False


def adapt_model(
    model: Path, images: Sequence[Source], folder: Path, options: Options, wishes: Wishes
) -> list[Trial]:
    """Write a model that is adapted to images, or the source again if nothing improves it.

    Args:
        model: name or folder of a segmenter with its weights.
        images: what it is to map.
        folder: of the adapted model, which exists and is empty.
        options: how far.
        wishes: how the images are opened.

    Returns:
        What was tried, the source first.

    Raises:
        PipelineError: if the model has no weights for PyTorch or is merged, or if the images hold too
            little to learn from.
    """
    home = registry.find(model)
    source, spec = segmenter.load(home)
    if spec.arch in segmenter.OF_MEMBERS:
        raise PipelineError(f"{model} is merged of other models; adapt its members, each for itself")
    known = backends.statistics(home, paths.EXPORT, spec)
    device = segmenter.device_of("auto")
    use_cpu(PredictParams().threads)
    windows = _windows(images, spec, wishes)
    moved = Windows(windows.pixels.to(device), windows.valid.to(device))
    adapted, trials = enough_memory("to adapt the network", "name fewer images")(adaptation.adapt)(
        source.to(device), moved, options
    )
    _write(folder, adapted.cpu(), spec, known, _card(model, images, options, trials))
    return trials


def sampled(
    scene: Scene, bands: Sequence[int], spec: Spec, most: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Windows spread evenly over a scene, those that are measured at least by half.

    Args:
        scene: in the units and pixels of the model.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
        most: how many, at most.

    Yields:
        Normalised pixels ``(bands, side, side)``, and which of them are measured, ``(side, side)``.
    """
    side = max(64, SIDE // spec.upsample)
    height, width = scene.grid.shape
    places = [(row, col) for row in _offsets(height, side) for col in _offsets(width, side)]
    for at in np.unique(np.linspace(0, len(places) - 1, min(most, len(places)), dtype=int)):
        row, col = places[at]
        window = Window(row, col, min(side, height), min(side, width))
        valid = scene.valid(window, bands)
        if valid.mean() >= LEAST_VALID:
            pixels = spec.normalise(np.nan_to_num(scene.read(window, bands)))
            yield pad(pixels, side, mode="reflect"), pad(valid, side, mode="constant")


def _offsets(length: int, side: int) -> list[int]:
    """Places of windows that cover a length and overlap as little as they can."""
    count = max(1, -(-length // side))
    return sorted({round(at) for at in np.linspace(0, max(0, length - side), count)})


def _windows(images: Sequence[Source], spec: Spec, wishes: Wishes) -> Windows:
    found = [each for image in images for each in _of_image(image, spec, wishes, max(1, MOST // len(images)))]
    if len(found) < 2 * HELD_OUT:
        raise PipelineError(
            f"the images hold {len(found)} windows of {max(64, SIDE // spec.upsample)} pixels to learn from, "
            f"and {2 * HELD_OUT} are needed; name a larger image, or more of the same place"
        )
    pixels, valid = zip(*found, strict=True)
    return Windows(torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(valid)))


def _of_image(image: Source, spec: Spec, wishes: Wishes, most: int) -> list[Any]:
    with _opened(image, spec, wishes) as opened:
        return list(sampled(opened, opened.bands, spec, most))


@contextmanager
def _opened(image: Source, spec: Spec, wishes: Wishes) -> Iterator[Any]:
    with open_for_model(image, spec, **asdict(wishes)) as opened:
        yield opened


def _card(model: Path, images: Sequence[Source], options: Options, trials: Sequence[Trial]) -> Card:
    names = ", ".join(image.name for image in images)
    told = {
        f"agreement, {trial.name}": f"{trial.agreement:.4f}{'' if trial.kept else ' (not kept)'}"
        for trial in trials
    }
    return Card(
        cities=[f"what the card of {Path(model).name} says; adapted without labels to {names}"],
        recipe=asdict(options) | told,
        start=Path(model).name,
    )


def _write(folder: Path, adapted: segmenter.Segmenter, spec: Spec, known: Any, card: Card) -> None:
    """Write the model with the statistics of the first training: where it is far from that, that is said."""
    segmenter.save(folder, adapted, spec, card)
    if known is not None:
        domain.write(folder, known)
        files.write_json(folder / FILE, digests.with_digests(folder, FILE, spec.to_json()))
