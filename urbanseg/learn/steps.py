"""An epoch of training, step by step: parts of a batch forward and backward, then one update.

What a step needs travels as a `Run`; which epochs there are, and what is kept of them, is
in `urbanseg.learn.training`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.config.train import TrainParams
from urbanseg.errors import PipelineError
from urbanseg.learn import optim
from urbanseg.learn.batch_sampler import BatchSampler
from urbanseg.learn.data import TrainingSet
from urbanseg.learn.distillation import Teacher, distillation_loss
from urbanseg.learn.fabric import total
from urbanseg.learn.losses import SegmentationLoss, class_of
from urbanseg.learn.targets import unpacked
from urbanseg.model.segmenter import Segmenter

Batches = Iterator[tuple[Tensor, Tensor]]
"""Pairs of images ``(n, bands, size, size)`` float32 and targets ``(n, size, size)`` int64."""


@dataclass(frozen=True)
class Run:
    """What an epoch needs: the network in its forms, its optimiser, loss and data."""

    fabric: Fabric
    params: TrainParams
    network: Segmenter
    """The plain network, which holds the weights."""
    computing: Any
    """The same, wrapped: mixed precision, distributed, compiled."""
    ema: Segmenter | None
    """The exponential moving average of its weights."""
    optimiser: Any
    loss: SegmentationLoss
    sampler: BatchSampler
    data: TrainingSet
    teacher: Teacher | None = None

    @property
    def eval_model(self) -> Segmenter:
        """The network that is validated and kept."""
        return self.ema or self.network

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """All weights that move, by whose they are."""
        named: dict[str, nn.Module | None] = {"network": self.network, "average": self.ema}
        return {whose: module.state_dict() for whose, module in named.items() if module is not None}


def train_epoch(run: Run, batches: Batches, epoch: int) -> float:
    """Train for one epoch; returns the mean loss of its steps.

    Args:
        run: network, optimiser, loss and data.
        batches: parts of batches, in order.
        epoch: number of the epoch, from 0.

    Returns:
        The mean loss.

    Raises:
        PipelineError: if the loss becomes NaN or infinite; names the tiles of the batch.
    """
    params, losses = run.params, []
    run.network.train()
    optim.freeze_encoder(run.network, frozen=epoch < params.freeze_encoder_epochs)
    bar = tqdm(
        range(epoch * params.steps_per_epoch, (epoch + 1) * params.steps_per_epoch),
        desc=f"epoch {epoch + 1}/{params.epochs}",
        unit="step",
        disable=not run.fabric.is_global_zero,
    )
    for number in bar:
        optim.set_learning_rates(run.optimiser, params, number)
        value = step(run, list(islice(batches, params.accumulate)))
        if not math.isfinite(value):
            raise PipelineError(_not_finite(value, run, number))
        if run.ema is not None:
            optim.update_ema(run.ema, run.network, params.ema_decay, number)
        losses.append(value)
        bar.set_postfix(loss=f"{value:.3f}")
    return sum(losses) / len(losses)


def step(run: Run, parts: list[tuple[Tensor, Tensor]]) -> float:
    """One optimiser step on this process's parts of a batch; the loss of the whole batch.

    Each part counts by its share of the batch's labelled pixels, so cross-entropy and focal
    have the gradient of the whole batch, whatever it is cut into. Overlap losses (Dice,
    Lovász, Tversky) are no sums over pixels: of them it is the mean over the parts.
    """
    fabric = run.fabric
    targets = [fabric.to_device(target) for _, target in parts]
    classes = [unpacked(target)[0] for target in targets] if run.data.spec.instances else targets
    masses = torch.stack([_mass(class_of(target), run.loss.weights) for target in classes])
    shares = (masses / total(masses.sum(), fabric).clamp(min=1e-12)).float()
    whole = torch.zeros((), device=fabric.device)
    run.optimiser.zero_grad()
    for number, ((images, _), target, share) in enumerate(zip(parts, targets, shares, strict=True), start=1):
        with fabric.no_backward_sync(run.computing, enabled=number < len(parts)):
            seen = fabric.to_device(images).contiguous(memory_format=torch.channels_last)
            logits = run.computing(seen)
            loss = run.loss(logits.float(), target) * share
            if run.teacher is not None:
                loss = loss + _taught(run, run.teacher, seen, logits) / (len(parts) * fabric.world_size)
            # gradients are averaged over processes, but the shares already add up to 1
            fabric.backward(loss * fabric.world_size)
        whole += loss.detach()
    if run.params.clip_norm:
        fabric.clip_gradients(
            run.computing, run.optimiser, max_norm=run.params.clip_norm, error_if_nonfinite=False
        )
    run.optimiser.step()
    return float(total(whole, fabric))


def _taught(run: Run, teacher: Teacher, images: Tensor, logits: Tensor) -> Tensor:
    """The weighted loss beside a teacher; each pixel counts, labelled or not."""
    with run.fabric.autocast():
        taught = teacher(images)
    classes = len(run.data.spec.classes)
    return run.params.teacher_weight * distillation_loss(logits[:, :classes].float(), taught[:, :classes])


def _mass(target: Tensor, weights: Tensor | None) -> Tensor:
    """How much the labelled pixels of a part weigh together, in float64 as they may be many.

    Without a shape that depends on the labels, for which a GPU would have to be waited for.
    """
    if weights is None:
        return (target != IGNORE).sum(dtype=torch.float64)
    by_value = F.pad(weights.double(), (0, IGNORE + 1 - len(weights)))
    return by_value[target].sum()


def _not_finite(value: float, run: Run, step: int) -> str:
    epoch, step_of_epoch = divmod(step, run.params.steps_per_epoch)
    tiles = [run.data.train[draw.tile] for draw in run.sampler.batch(step)]
    names = "; ".join(f"{t.city} row {t.window.row} col {t.window.col}" for t in tiles)
    return (
        f"the loss became {value} in epoch {epoch + 1}, step {step_of_epoch + 1}, on the tiles {names}; "
        "lower train.learning_rate in params.yaml, or look at these tiles for damaged pixels"
    )
