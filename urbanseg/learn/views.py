"""Views of windows of an image: changed in colour and scale, for a network that must not mind.

Windows are normalised. Random views are for training, `FIXED` ones to compare answers by.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from urbanseg.classes import IGNORE
from urbanseg.model.spec import CLIP

GAINS, SHIFT, LARGEST = 0.25, 0.3, 1.4
"""Of random views: contrast, level of each band in standard deviations, and the largest change of scale."""

STRIDE = 32
"""Sides of a window are multiples of this."""


def recoloured(windows: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """Windows with another contrast and level of each band.

    Args:
        windows: ``(n, bands, height, width)``.
        gain: of each band, ``(n, bands)``.
        shift: of each band in standard deviations, ``(n, bands)``.

    Returns:
        Within ±`CLIP`.
    """
    return (windows * gain[:, :, None, None] + shift[:, :, None, None]).clamp(-CLIP, CLIP)


def rescaled(windows: Tensor, factor: float) -> Tensor:
    """Windows at another resolution, with sides that a network takes."""
    sides = [max(STRIDE, round(side * factor / STRIDE) * STRIDE) for side in windows.shape[-2:]]
    return F.interpolate(windows, size=sides, mode="bilinear", align_corners=False, antialias=factor < 1)


def random_view(windows: Tensor, targets: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random change of windows and, where things move, of their targets.

    Args:
        windows: ``(n, bands, side, side)``.
        targets: classes ``(n, side, side)``, `IGNORE` where there are none.
        draw: draws the change, one of colours for each window, one of place and scale for all.

    Returns:
        Windows and targets of one shape, which may differ from what it was.
    """
    n, bands = windows.shape[:2]
    gain = 1 + GAINS * (2 * torch.rand(n, bands, generator=draw) - 1)
    shift = SHIFT * torch.randn(n, 1, generator=draw) + SHIFT / 3 * torch.randn(n, bands, generator=draw)
    turns, flip, scale = (float(value) for value in torch.rand(3, generator=draw))
    view = recoloured(windows, gain, shift)
    view, targets = (torch.rot90(each, int(4 * turns), (-2, -1)) for each in (view, targets))
    if flip < 0.5:
        view, targets = view.flip(-1), targets.flip(-1)
    view = rescaled(view, LARGEST ** (2 * scale - 1))
    if view.shape[-2:] != targets.shape[-2:]:
        moved = F.interpolate(targets[:, None].float(), size=view.shape[-2:], mode="nearest-exact")
        targets = moved[:, 0].long()
    return view.contiguous(), targets.contiguous()


def _gain(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda windows: ((windows + CLIP) * factor - CLIP).clamp(-CLIP, CLIP)


def _tint(amount: float) -> Callable[[Tensor], Tensor]:
    def tinted(windows: Tensor) -> Tensor:
        bands = windows.shape[1]
        shift = torch.linspace(amount, -amount, bands).expand(len(windows), bands)
        return recoloured(windows, torch.ones(len(windows), bands), shift)

    return tinted


FIXED: dict[str, Callable[[Tensor], Tensor]] = {
    "brighter": _gain(1.08),
    "darker": _gain(0.92),
    "warmer": _tint(0.3),
    "colder": _tint(-0.3),
    "coarser": lambda windows: rescaled(windows, 0.75),
}
"""Changes that a map should not depend on."""


def placed(classes: Tensor, like: Tensor) -> Tensor:
    """Classes ``(n, height, width)`` of a rescaled view in the shape of those of the windows."""
    if classes.shape == like.shape:
        return classes
    return F.interpolate(classes[:, None].float(), size=like.shape[-2:], mode="nearest-exact")[:, 0].long()


def known(targets: Tensor) -> Tensor:
    """Where there is a target."""
    return targets != IGNORE
