"""Adapting a trained network to images without labels; the training's own images are not needed.

Two steps, each kept only if it makes the maps of the images agree better with themselves: batch statistics
are moved towards those of the images (Schneider et al. 2020, "Improving robustness against common
corruptions by covariate shift adaptation"), and the network learns from its own confident answers, as many
of each class in proportion (Zou et al. 2018, "Unsupervised domain adaptation for semantic segmentation via
class-balanced self-training"), which a moving average of it gives for the plain window while it sees a
changed one (Tarvainen & Valpola 2017, "Mean teachers are better role models").

Agreement needs no labels: the mean IoU between the maps of held-out windows and of changed views of them. A
step that it does not gain from by `GAIN`, or by which a class comes to more than `MOST_CHANGE` times its
share or less than the inverse, is undone.
"""

import copy
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urbanseg.classes import IGNORE
from urbanseg.learn import views
from urbanseg.model.segmenter import Segmenter, native_bf16

log = logging.getLogger(__name__)

GAIN = 0.005
"""Agreement that a step must bring."""

MOST_CHANGE = 1.6
"""Times its share that a class may come to."""

LEAST_SHARE = 0.02
"""Of the pixels, from which a class's share is watched."""

FLOOR = 0.4
"""Least confidence of a pseudo-label."""

JUDGED = 8
"""Windows that are judged at once."""

HELD_OUT = 4
"""Every so many windows, one is for the agreement alone."""


@dataclass(frozen=True)
class Options:
    """How far a network is adapted.

    Attributes:
        statistics: share of the images in the batch statistics, 0–1; 0 leaves them.
        steps: of self-training, at most; 0 for none.
        check_every: steps after which the agreement is measured.
        patience: checks without a better agreement before it ends.
        batch: windows of a step.
        rate: of AdamW.
        portion: share of each class's pixels, the most confident, that are learnt from.
        decay: of the teacher's moving average.
        seed: of the order of windows and their views.
    """

    statistics: float = 0.2
    steps: int = 120
    check_every: int = 20
    patience: int = 2
    batch: int = 4
    rate: float = 1e-4
    portion: float = 0.5
    decay: float = 0.97
    seed: int = 7


@dataclass(frozen=True)
class Windows:
    """Normalised windows of the images, ``(n, bands, side, side)``, and which pixels are measured."""

    pixels: Tensor
    valid: Tensor

    def of(self, chosen: Tensor) -> "Windows":
        """Some of them."""
        return Windows(self.pixels[chosen], self.valid[chosen])


@dataclass(frozen=True)
class Trial:
    """A state of the network, and how its maps look.

    Attributes:
        name: what was done.
        agreement: of the maps of changed views with those of the windows, 0–1.
        shares: of the classes, 0–1.
        kept: whether it was an improvement.
    """

    name: str
    agreement: float
    shares: tuple[float, ...]
    kept: bool


def adapt(source: Segmenter, windows: Windows, options: Options) -> tuple[Segmenter, list[Trial]]:
    """A network adapted to windows of images, or a copy of the source if nothing makes it agree better.

    Args:
        source: the network, on the CPU or a GPU; it is left as it is.
        windows: at least `HELD_OUT`, on the same device.
        options: how far.

    Returns:
        The network in evaluation mode, and what was tried, the source first.
    """
    held = torch.arange(len(windows.pixels)) % HELD_OUT == HELD_OUT - 1
    judged, learnt = windows.of(held), windows.of(~held)
    best = copy.deepcopy(source).eval()
    trials = [_trial("source", best, judged, None)]
    if options.statistics:
        mixed = mix_statistics(best, learnt, options.statistics, options.batch)
        trials.append(_trial("batch statistics", mixed, judged, trials))
        best = mixed if trials[-1].kept else best
    since = 0
    for step, teacher in self_train(best, learnt, options):
        trials.append(_trial(f"self-training, {step} steps", teacher, judged, trials))
        since = 0 if trials[-1].kept else since + 1
        if trials[-1].kept:
            best = copy.deepcopy(teacher)
        if since >= options.patience:
            break
    return best, trials


def mix_statistics(source: Segmenter, windows: Windows, share: float, batch: int) -> Segmenter:
    """A copy of a network whose batch statistics are mixed with those of windows.

    Args:
        source: the network.
        windows: whose statistics are measured.
        share: of the windows in the mixture, 0–1.
        batch: windows that are computed at once.

    Returns:
        The copy, in evaluation mode.
    """
    mixed = copy.deepcopy(source).eval()
    layers = [layer for layer in mixed.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [(_buffer(layer.running_mean).clone(), _buffer(layer.running_var).clone()) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over the batches
        layer.train()
    with torch.inference_mode():
        for part in _parts(windows.pixels, batch):
            mixed(part)
    for layer, own, (mean, var) in zip(layers, _momenta(source), before, strict=True):
        layer.running_mean = ((1 - share) * mean + share * _buffer(layer.running_mean)).clone()
        layer.running_var = ((1 - share) * var + share * _buffer(layer.running_var)).clone()
        layer.momentum = own
    return mixed.eval()


def agreement(network: Segmenter, windows: Windows) -> tuple[float, tuple[float, ...]]:
    """How well maps of changed views agree with those of the windows; and the shares of the classes.

    Args:
        network: in evaluation mode.
        windows: that it did not learn from.

    Returns:
        Mean IoU over the classes of the maps, averaged over `views.FIXED`; shares, 0–1.
    """
    plain = torch.cat([_probabilities(network, part).argmax(1) for part in _parts(windows.pixels, JUDGED)])
    plain = plain.where(windows.valid, IGNORE)
    n = _classes(network, windows)
    ious = []
    for change in views.FIXED.values():
        changed = [_probabilities(network, change(part)).argmax(1) for part in _parts(windows.pixels, JUDGED)]
        ious.append(_mean_iou(plain, views.placed(torch.cat(changed), plain), n))
    counts = torch.bincount(plain[windows.valid], minlength=n).double()
    return sum(ious) / len(ious), tuple((counts / counts.sum().clamp(min=1)).tolist())


def thresholds(probabilities: Tensor, valid: Tensor, portion: float) -> Tensor:
    """Confidence from which a pixel that is taken for a class is learnt from, ``(classes,)``.

    Args:
        probabilities: ``(n, classes, height, width)``.
        valid: which pixels are measured, ``(n, height, width)``.
        portion: share of each class's pixels that reach it.
    """
    confidence, classes = probabilities.max(1)
    found = torch.full((probabilities.shape[1],), FLOOR, device=probabilities.device)
    for value in range(len(found)):
        own = confidence[(classes == value) & valid]
        if len(own):
            at = max(0, math.ceil((1 - portion) * len(own)) - 1)
            found[value] = max(FLOOR, float(own.sort().values[at]))
    return found


def self_train(start: Segmenter, windows: Windows, options: Options) -> Iterator[tuple[int, Segmenter]]:
    """Learn from the confident answers of the moving average; batch statistics stay.

    Args:
        start: the network; it is left as it is.
        windows: to learn from.
        options: steps, rate and so on.

    Yields:
        Number of steps and the teacher, in evaluation mode, after each `check_every` of them.
    """
    student, teacher = copy.deepcopy(start).eval(), copy.deepcopy(start).eval()
    optimiser = torch.optim.AdamW(student.parameters(), lr=options.rate, weight_decay=0.0, fused=True)
    draw = torch.Generator().manual_seed(options.seed)
    limits = _limits(teacher, windows, options)
    order: list[int] = []
    for step in range(1, options.steps + 1):
        if len(order) < options.batch:
            order += torch.randperm(len(windows.pixels), generator=draw).tolist()
        chosen, order = torch.tensor(order[: options.batch]), order[options.batch :]
        part = windows.of(chosen)
        confidence, classes = _probabilities(teacher, part.pixels).max(1)
        targets = classes.where((confidence >= limits[classes]) & part.valid, IGNORE)
        view, targets = views.random_view(part.pixels, targets, draw)
        if views.known(targets).any():
            optimiser.zero_grad()
            loss = F.cross_entropy(_logits(student, view), targets, ignore_index=IGNORE)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            _follow(teacher, student, options.decay)
        if step % options.check_every == 0:
            yield step, teacher
            limits = _limits(teacher, windows, options)


def _trial(name: str, network: Segmenter, judged: Windows, before: list[Trial] | None) -> Trial:
    """What a state of the network comes to, beside the best before it and the source."""
    value, shares = agreement(network, judged)
    if before is None:
        kept = True
    else:
        best = [trial.agreement for trial in before if trial.kept][-1]
        kept = value >= best + GAIN and _is_near(shares, before[0].shares)
    log.info("%s: agreement %.3f%s", name, value, "" if kept else ", which is not kept")
    return Trial(name, round(value, 4), shares, kept)


def _is_near(shares: tuple[float, ...], source: tuple[float, ...]) -> bool:
    """Whether no class of some weight has become much more or less."""
    pairs = ((max(one, 1e-6), max(other, 1e-6)) for one, other in zip(shares, source, strict=True))
    watched = [one / other for one, other in pairs if max(one, other) >= LEAST_SHARE]
    return all(1 / MOST_CHANGE <= ratio <= MOST_CHANGE for ratio in watched)


def _limits(teacher: Segmenter, windows: Windows, options: Options) -> Tensor:
    few = windows.of(torch.arange(0, len(windows.pixels), max(1, len(windows.pixels) // 16)))
    found = torch.cat([_probabilities(teacher, part) for part in _parts(few.pixels, options.batch)])
    return thresholds(found, few.valid, options.portion)


@torch.no_grad()
def _follow(teacher: Segmenter, student: Segmenter, decay: float) -> None:
    for mine, other in zip(teacher.parameters(), student.parameters(), strict=True):
        mine.lerp_(other, 1 - decay)


def _logits(network: Segmenter, windows: Tensor) -> Tensor:
    device = windows.device
    with torch.autocast(device.type, torch.bfloat16, enabled=native_bf16(device)):
        logits: Tensor = network(windows.contiguous(memory_format=torch.channels_last))
    return logits.float()


@torch.no_grad()
def _probabilities(network: Segmenter, windows: Tensor) -> Tensor:
    return _logits(network, windows).softmax(1)


def _classes(network: Segmenter, windows: Windows) -> int:
    return _probabilities(network, windows.pixels[:1]).shape[1]


def _parts(windows: Tensor, size: int) -> list[Tensor]:
    return [windows[first : first + size] for first in range(0, len(windows), size)]


def _mean_iou(one: Tensor, other: Tensor, classes: int) -> float:
    held = one != IGNORE
    pairs = torch.bincount(one[held] * classes + other[held], minlength=classes**2).view(classes, classes)
    common, union = pairs.diag().double(), (pairs.sum(0) + pairs.sum(1) - pairs.diag()).double()
    present = union > 0
    return float((common[present] / union[present]).mean()) if present.any() else 0.0


def _buffer(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError("a batch normalisation keeps no statistics")
    return tensor


def _momenta(network: Segmenter) -> list[float | None]:
    return [layer.momentum for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
