"""The training loss: a weighted sum of terms over the labelled pixels of a batch.

The terms are cross-entropy, focal, soft Dice, Lovász-softmax and Tversky. They are
written here on one common form of the batch, because those of
segmentation_models_pytorch do not mean the same by an ignored pixel and an absent
class: its focal loss sums a sigmoid per class and is NaN where nothing is labelled, its
smoothed cross-entropy divides by ignored pixels too, its Dice and Tversky count classes
the batch lacks as solved, and its Lovász takes no class weights. Where the definitions
meet, the tests hold these against those. `urbanseg.learn.class_weights` makes the weights.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urbanseg.classes import IGNORE
from urbanseg.config.train import LossParams
from urbanseg.learn.data import CORRECTED

REACH = 3.0
"""The border's weight is 0 beyond so many sigmas, where it is 1 % of its height."""

_TINY = 1e-12


class SegmentationLoss(nn.Module):
    """The terms of `params` whose weight is above 0, each times its weight, summed.

    Args:
        params: weights and settings of the terms.
        weights: ``(classes,)``, how much each class counts, or None for all alike: each
            pixel by its class in cross-entropy and focal, both of which are weighted means,
            and the classes in the mean over classes of the other terms.
        correction_weight: how many times a corrected pixel counts in cross-entropy and focal.
    """

    weights: Tensor | None

    def __init__(
        self, params: LossParams, weights: Tensor | None = None, correction_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.params, self.correction_weight = params, correction_weight
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch as a scalar, 0 if no pixel of it is labelled.

        It is computed in float32 at least, under autocast too.

        Args:
            logits: ``(batch, classes, height, width)``.
            target: ``(batch, height, width)`` int64 class ids, or `IGNORE`; `CORRECTED` higher where
                somebody corrected.
        """
        with torch.autocast(logits.device.type, enabled=False):
            scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
            batch = _Batch.of(scores, class_of(target), self.weights, self.emphasis(target))
            terms = self.params.terms.items()
            return torch.stack([weight * TERMS[name](batch, self.params) for name, weight in terms]).sum()

    def emphasis(self, target: Tensor) -> Tensor:
        """How many times each pixel counts as it is corrected or not; float32 of the target's shape."""
        return torch.where(target >= CORRECTED, self.correction_weight, 1.0)


def class_of(target: Tensor) -> Tensor:
    """The classes of a target, or `IGNORE`, without the mark of what was corrected."""
    return target % CORRECTED


@dataclass(frozen=True)
class _Batch:
    """A batch as a table of classes by pixels; an ignored pixel is of no class.

    `log_p` and `p` are the predicted probabilities, ``(classes, pixels)``; `truth` is bool of
    that shape, and `known`, ``(pixels,)``, says where there is a truth. `target` is as
    given; `class_weights` is ``(classes,)``, and `pixel_weights` ``(pixels,)``, 0 where ignored.
    """

    log_p: Tensor
    p: Tensor
    truth: Tensor
    known: Tensor
    target: Tensor
    class_weights: Tensor
    pixel_weights: Tensor

    @classmethod
    def of(
        cls, logits: Tensor, target: Tensor, weights: Tensor | None, emphasis: Tensor | None = None
    ) -> "_Batch":
        # one copy to a row per class, whatever the memory format, makes all that follows contiguous
        log_p = logits.movedim(1, 0).flatten(1).log_softmax(0)
        ids = torch.arange(len(log_p), device=target.device)
        truth, known = target.flatten() == ids[:, None], target.flatten() != IGNORE
        weights = log_p.new_ones(len(log_p)) if weights is None else weights.to(log_p)
        pixel_weights = torch.where(truth, weights[:, None], 0).sum(0)
        if emphasis is not None:
            pixel_weights = pixel_weights * emphasis.flatten()
        return cls(log_p, log_p.exp(), truth, known, target, weights, pixel_weights)

    @property
    def nll(self) -> Tensor:
        """Negative log-likelihood of each pixel's class, 0 where ignored: ``(pixels,)``."""
        # not nll_loss, which has no deterministic form on CUDA
        return -torch.where(self.truth, self.log_p, 0).sum(0)

    def mean_over_classes(self, losses: Tensor) -> Tensor:
        """Weighted mean of ``(classes,)`` losses over the classes that occur in the batch."""
        weights = self.class_weights * self.truth.any(1)
        return (weights * losses).sum() / weights.sum().clamp(min=_TINY)


def cross_entropy(batch: _Batch, smoothing: float, boundary_weight: float, sigma_px: float) -> Tensor:
    """Weighted mean of the cross-entropy with a smoothed target.

    With a smoothing ε, the target is 1 − ε for the pixel's class plus ε / classes for each
    (Szegedy et al. 2016, "Rethinking the Inception architecture"). A pixel counts as its
    class does, plus `boundary_weight` times its `border_weights`: equation 2 of
    Ronneberger et al. 2015, "U-Net".

    Args:
        batch: the batch.
        smoothing: ε, 0–1.
        boundary_weight: 0 for no border weights.
        sigma_px: of the border weights, in pixels.

    Returns:
        A scalar.
    """
    weights, loss = batch.pixel_weights, batch.nll
    if boundary_weight:
        border = border_weights(batch.target, len(batch.log_p), sigma_px)
        weights = weights + boundary_weight * border.flatten()
    if smoothing:
        loss = (1 - smoothing) * loss - smoothing * batch.log_p.mean(0)
    return (weights * loss).sum() / weights.sum().clamp(min=_TINY)


def focal(batch: _Batch, gamma: float) -> Tensor:
    """Weighted mean of ``−(1 − p)^γ · log p``, where p is that of the pixel's class.

    Lin et al. 2017, "Focal loss for dense object detection", with a softmax in place of
    their sigmoid, so that γ = 0 is cross-entropy.
    """
    nll, weights = batch.nll, batch.pixel_weights
    # 1 − p without cancellation, and never 0, where a power below 1 has no gradient
    missing = (-torch.expm1(-nll)).clamp(min=_TINY)
    return (weights * missing**gamma * nll).sum() / weights.sum().clamp(min=_TINY)


def tversky(batch: _Batch, alpha: float, beta: float) -> Tensor:
    """One minus the soft Tversky index of all pixels of the batch, averaged over classes.

    ``TP / (TP + α·FP + β·FN)`` with probabilities as counts: Salehi et al. 2017, "Tversky
    loss function for image segmentation using 3D fully convolutional deep networks". At
    α = β = ½ it is soft Dice: Milletari et al. 2016, "V-Net", without their squares.

    Args:
        batch: the batch.
        alpha: weight of false positives.
        beta: weight of false negatives.

    Returns:
        A scalar.
    """
    hits = torch.where(batch.truth, batch.p, 0).sum(1)
    false_positives = torch.where(batch.known & ~batch.truth, batch.p, 0).sum(1)
    misses = batch.truth.sum(1) - hits
    union = hits + alpha * false_positives + beta * misses
    return batch.mean_over_classes(1 - hits / union.clamp(min=_TINY))


def lovasz(batch: _Batch) -> Tensor:
    """The Lovász extension of one minus the IoU of each class, averaged over classes.

    Berman et al. 2018, "The Lovász-softmax loss", over the batch as a whole: that is nearer
    to the IoU of the whole data set than a mean over images, few of which hold all classes.
    """
    # an ignored pixel has no error, so it comes last and moves no other's weight
    errors = torch.where(batch.known, (batch.truth.to(batch.p) - batch.p).abs(), 0)
    return batch.mean_over_classes((errors * _lovasz_weights(errors.detach(), batch.truth)).sum(1))


def _lovasz_weights(errors: Tensor, truth: Tensor) -> Tensor:
    """By how much the Jaccard loss grows as each pixel is got wrong too, after all worse ones.

    With I and U the intersection and the union then, the growth of ``1 − I / U`` is
    ``1 / U`` for a pixel of the class, and ``I / (U · (U − 1))`` for another. Berman's
    difference of neighbours is the same but loses all but a few digits in float32; whole
    numbers add up exactly, and deterministically on CUDA too.

    Args:
        errors: ``(classes, pixels)`` from 0 to 1.
        truth: ``(classes, pixels)`` bool.
    """
    order = _descending(errors)
    hits = truth.gather(1, order)
    missed = hits.cumsum(1)
    total = missed[:, -1:]
    place = torch.arange(1, errors.shape[1] + 1, device=errors.device)
    union = (total + place - missed).to(errors)
    growth = torch.where(hits, 1 / union, (total - missed) / (union * (union - 1).clamp(min=1)))
    return torch.empty_like(errors).scatter_(1, order, growth)


def _descending(values: Tensor) -> Tensor:
    """Indices that sort each row, largest first."""
    if values.device.type == "cpu":
        # numpy sorts with vector instructions, five times as fast as torch does
        return torch.from_numpy(np.argsort(-values.numpy(), axis=1))
    return values.argsort(1, descending=True)


def border_weights(target: Tensor, classes: int, sigma_px: float) -> Tensor:
    """``exp(−d² / 2σ²)``, d the distance in pixels to the nearest pixel of another class.

    The distance is Euclidean and exact, and the weight 0 beyond `REACH` σ. An ignored pixel
    is of no class and has the weight 0. It takes two passes of ``2 · REACH · σ + 1`` shifts
    each, along rows and columns: the squares of the offsets add up, so the minimum over a
    square is the minimum over rows of that over columns (Felzenszwalb & Huttenlocher 2012,
    "Distance transforms of sampled functions").

    Args:
        target: ``(batch, height, width)`` int64 class ids, or `IGNORE`.
        classes: how many classes there are.
        sigma_px: σ in pixels.

    Returns:
        ``(batch, height, width)`` float32, without a gradient.
    """
    reach = math.floor(REACH * sigma_px)
    far = math.floor((REACH * sigma_px) ** 2) + 1
    nearest = torch.full(target.shape, far, dtype=torch.int32, device=target.device)
    labelled = target != IGNORE
    for own in range(classes):
        here = target == own
        square = torch.where(labelled & ~here, 0, far).to(torch.int32)
        for axis in (1, 2):
            square = _lower_envelope(square, axis, reach, far)
        nearest = torch.where(here, square, nearest)
    return torch.where(nearest < far, torch.exp(nearest / (-2 * sigma_px**2)), 0)


def _lower_envelope(values: Tensor, axis: int, reach: int, far: int) -> Tensor:
    """``min over |k| ≤ reach of values[i + k] + k²`` along an axis of ``(batch, height, width)``."""
    length = values.shape[axis]
    edges = (0, 0, reach, reach) if axis == 1 else (reach, reach)
    padded = F.pad(values, edges, value=far)
    lowest = values
    for k in range(1, reach + 1):
        for start in (reach - k, reach + k):
            lowest = torch.minimum(lowest, padded.narrow(axis, start, length) + k * k)
    return lowest


TERMS: dict[str, Callable[[_Batch, LossParams], Tensor]] = {
    "ce": lambda batch, of: cross_entropy(
        batch, of.label_smoothing, of.boundary_weight, of.boundary_sigma_px
    ),
    "focal": lambda batch, of: focal(batch, of.focal_gamma),
    "dice": lambda batch, _: tversky(batch, 0.5, 0.5),
    "lovasz": lambda batch, _: lovasz(batch),
    "tversky": lambda batch, of: tversky(batch, of.tversky_alpha, of.tversky_beta),
}
"""The terms by the names they have in `LossParams`."""
