"""Optimisation: parameter groups, optimisers, learning-rate schedules, and the moving average of weights.

Schedules are pure functions of the step, so a resumed run needs no state of them. They
return the share of the base rate; each agrees with the scheduler of `torch.optim` that
its docstring names.
"""

import math
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from urbanseg.config.train import TrainParams

WARM_SHARE, DIVISOR, LAST_DIVISOR = 0.3, 25.0, 1e4
"""Of one-cycle: share of the steps in which the rate rises, peak over first rate, first over last rate."""


def lr_schedule(params: TrainParams, step: int) -> float:
    """Share of the base learning rate at optimiser step `step`, from 0, of the whole training."""
    total = params.epochs * params.steps_per_epoch
    warmup = params.warmup_epochs * params.steps_per_epoch
    match params.schedule:
        case "cosine":
            return linear_warmup(step, warmup) if step < warmup else cosine(step - warmup, total - warmup)
        case "poly":
            done, left = step - warmup, total - warmup
            return linear_warmup(step, warmup) if step < warmup else poly(done, left, params.poly_power)
        case "step":
            return math.pow(params.step_factor, step // (params.step_epochs * params.steps_per_epoch))
        case "one_cycle":
            return one_cycle(step, total)


def linear_warmup(step: int, warmup: int) -> float:
    """A straight line that reaches 1 with the last of `warmup` steps (`LinearLR`).

    Goyal et al. 2017, "Accurate, large minibatch SGD".
    """
    return (step + 1) / warmup


def cosine(step: int, total: int) -> float:
    """Half a cosine from 1 to 0 in `total` steps (`CosineAnnealingLR`).

    Loshchilov & Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts",
    without the restarts.
    """
    return 0.5 * (1 + math.cos(math.pi * step / max(1, total)))


def poly(step: int, total: int, power: float) -> float:
    """``(1 - step / total) ** power`` (`PolynomialLR`).

    Chen et al. 2017, "DeepLab", section 4.3.

    Args:
        step: number of the step, from 0.
        total: steps until the rate is 0.
        power: the exponent.

    Returns:
        Share of the base rate.
    """
    return math.pow(1 - min(step, total) / max(1, total), power)


def one_cycle(step: int, total: int) -> float:
    """Up to 1 by a half cosine in 30 % of the steps, then down to nearly nothing (`OneCycleLR`).

    Smith & Topin 2018, "Super-convergence"; the rate alone moves, the momentum stays.
    """
    first, last = 1 / DIVISOR, 1 / (DIVISOR * LAST_DIVISOR)
    peak_at = WARM_SHARE * total - 1
    if step <= peak_at:
        return 1 + (first - 1) * cosine_share(step / peak_at)
    return last + (1 - last) * cosine_share((step - peak_at) / (total - 1 - peak_at))


def cosine_share(done: float) -> float:
    """Half a cosine from 1 at 0 to 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * done))


def optimiser(network: nn.Module, params: TrainParams) -> torch.optim.Optimizer:
    """The optimiser by name over `parameter_groups`, each step in one fused kernel."""
    groups = parameter_groups(network, params)
    match params.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=params.learning_rate, fused=True)
        case "sgd":
            return torch.optim.SGD(groups, lr=params.learning_rate, momentum=params.momentum, fused=True)


def parameter_groups(network: nn.Module, params: TrainParams) -> list[dict[str, Any]]:
    """Parameters by their settings: the encoder's or not, decayed or not.

    Biases and the scales of normalisation (all that has one axis) are not decayed:
    they don't multiply each other, so decay does not regularise them (He et al. 2019,
    "Bag of tricks for image classification", section 3.1).

    Returns:
        Groups for an optimiser, with their `lr_share` of the learning rate.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((in_encoder(name), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": params.weight_decay if decayed else 0.0,
            "lr_share": params.encoder_rate_factor if encodes else 1.0,
        }
        for (encodes, decayed), parameters in sorted(groups.items())
    ]


def in_encoder(name: str) -> bool:
    """Whether a parameter or module of this dotted name belongs to an encoder."""
    return "encoder" in name.split(".")


def set_learning_rates(moving: Any, params: TrainParams, step: int) -> None:
    """Set the rate of each group for an optimiser step.

    Args:
        moving: the optimiser.
        params: the recipe.
        step: number of the step, from 0.
    """
    for group in moving.param_groups:
        group["lr"] = params.learning_rate * lr_schedule(params, step) * group["lr_share"]


def freeze_encoder(network: nn.Module, frozen: bool) -> None:
    """Keep the encoder as it is, its running statistics too, or let it learn (again)."""
    for name, parameter in network.named_parameters():
        if in_encoder(name):
            parameter.requires_grad_(not frozen)
    for name, module in network.named_modules():
        if in_encoder(name):
            module.train(not frozen)


@torch.no_grad()
def update_ema(ema: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the exponential moving average of weights towards the network after optimiser step `step`, from 0.

    Parameters and running statistics are averaged alike; counters are copied. At first
    the average forgets faster, ``min(decay, (1 + step) / (10 + step))``, as TensorFlow's
    `ExponentialMovingAverage` has it: otherwise a short training would keep its start. So the
    function of `torch.optim.swa_utils` is used and not its `AveragedModel`, which takes the first
    step's weights as they are, and averages counters.

    Args:
        ema: the average, changed in place.
        network: the network.
        decay: share of the average that is kept, 0–1.
        step: number of the step, from 0.
    """
    decay = min(decay, (1 + step) / (10 + step))
    tensors = (chain[Tensor](module.parameters(), module.buffers()) for module in (ema, network))
    pairs = list(zip(*tensors, strict=True))
    moving, now = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
    get_ema_multi_avg_fn(decay)(moving, now, None)  # type: ignore[no-untyped-call]
    for counter, current in pairs:
        if not counter.is_floating_point():
            counter.copy_(current)
