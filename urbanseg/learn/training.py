"""The training loop: epochs of shuffled tiles, validated, checkpointed, stopped early.

One function reads top to bottom: build, resume, and for each epoch train, validate,
remember the best, save. Device and precision are Lightning Fabric's business. On a CPU
the same seed, data and thread count give the same bytes.
"""

import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassConfusionMatrix
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.learn import model, resume
from urbanseg.learn.data import Draws, TileDataset, TrainingSet, augmentation, in_order
from urbanseg.learn.losses import SegmentationLoss
from urbanseg.learn.resume import Progress
from urbanseg.segmenter import Segmenter, device_of
from urbanseg.train_params import TrainParams

log = logging.getLogger(__name__)


def train(
    data: TrainingSet,
    params: TrainParams,
    seed: int,
    *,
    state_folder: Path,
    data_key: str,
    on_epoch: Callable[[list[dict[str, float]]], None],
) -> tuple[Segmenter, Progress]:
    """Train a segmenter on tiles and keep its best epoch by validation mIoU.

    Args:
        data: tiles of both splits, the files they lie in, and the spec.
        params: the recipe.
        seed: of initial weights, order of tiles and augmentation.
        state_folder: where the state of an unfinished run is kept between epochs.
        data_key: digest of the data, so that a state is resumed only on the same data.
        on_epoch: called after each epoch, and after a resume, with all rows so far.

    Returns:
        The segmenter with its best weights on the CPU, and the progress.

    Raises:
        PipelineError: if the loss becomes NaN or infinite; names the tiles of the batch.
    """
    fabric = _fabric(params, seed)
    classes = data.spec.classes
    network = model.create(
        params.arch,
        params.encoder,
        data.spec.bands,
        len(classes),
        decoder_channels=params.decoder_channels,
        weights=params.encoder_weights,
    )
    segmenter = Segmenter(network, data.spec.upsample).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        segmenter.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    segmenter, optimiser = fabric.setup(segmenter, optimiser)
    loss = SegmentationLoss(params.loss.ce_weight, params.loss.dice_weight)
    batches, val_batches = _loaders(fabric, data, params, seed)

    key = resume.fingerprint(
        params.model_dump(mode="json"),
        seed,
        data_key,
        asdict(data.spec),
        resume.code_digest(),
        fabric.device.type,
    )
    progress, best = resume.load(state_folder, key, segmenter, optimiser) or (Progress(), {})
    if progress.epoch:
        log.info("resuming after epoch %d", progress.epoch)
        on_epoch(progress.history)

    while progress.epoch < params.epochs and progress.epoch - progress.best_epoch < params.patience:
        torch.manual_seed(seed + progress.epoch)
        mean_loss = _train_epoch(fabric, segmenter, optimiser, loss, batches, params, progress.epoch)
        row = {"loss": mean_loss, **_validate(segmenter, loss, val_batches, classes)}
        progress.epoch += 1
        if row["val_miou"] > progress.best_miou:
            progress.best_miou, progress.best_epoch = row["val_miou"], progress.epoch
            best = {k: v.detach().cpu().clone() for k, v in segmenter.state_dict().items()}
        progress.history.append(row)
        resume.save(state_folder, key, progress, segmenter, best, optimiser)
        on_epoch(progress.history)
        log.info("epoch %d: %s", progress.epoch, ", ".join(f"{k} {v:.3f}" for k, v in row.items()))

    segmenter.load_state_dict(best)
    return segmenter.module.cpu(), progress


def lr_factor(step: int, warmup: int, total: int) -> float:
    """Share of the base learning rate at a step: linear warm-up, then half a cosine to 0.

    Loshchilov & Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts",
    without the restarts.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def iou_per_class(confusion: Tensor) -> Tensor:
    """IoU of each class from a confusion matrix, NaN where a class is in neither raster.

    Args:
        confusion: ``(classes, classes)``, rows the reference.
    """
    hits = confusion.diag().double()
    union = confusion.sum(0) + confusion.sum(1) - hits
    return torch.where(union > 0, hits / union, torch.nan)


def _fabric(params: TrainParams, seed: int) -> Fabric:
    device = device_of(params.device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(params.threads)
    torch.manual_seed(seed)
    on_gpu = device.type == "cuda"
    # a few CUDA kernels have no deterministic form; there it is a warning, not an error
    torch.use_deterministic_algorithms(True, warn_only=on_gpu)
    precision: Any = "bf16-mixed" if on_gpu else "32-true"
    fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    fabric.launch()
    return fabric


def _loaders(fabric: Fabric, data: TrainingSet, params: TrainParams, seed: int) -> tuple[Any, Any]:
    options: dict[str, Any] = {
        "num_workers": params.workers,
        "pin_memory": fabric.device.type == "cuda",
        "persistent_workers": params.workers > 0,
    }
    train_set = TileDataset(
        data.train, data.sources, data.spec, params.crop, augmentation(params.augment), seed
    )
    val_set = TileDataset(data.val, data.sources, data.spec, data.tile_size)
    order = Draws(len(data.train), params.batch_size, params.steps_per_epoch, seed)
    val_order = in_order(len(data.val), params.batch_size)
    train_loader = DataLoader(train_set, batch_sampler=order, **options)
    val_loader = DataLoader(val_set, batch_sampler=val_order, **options)
    train_batches, val_batches = fabric.setup_dataloaders(
        train_loader, val_loader, use_distributed_sampler=False
    )
    return train_batches, val_batches


def _train_epoch(
    fabric: Fabric,
    segmenter: Any,
    optimiser: Any,
    loss: SegmentationLoss,
    batches: Any,
    params: TrainParams,
    epoch: int,
) -> float:
    segmenter.train()
    batches.batch_sampler.epoch = epoch
    total, warmup = params.epochs * params.steps_per_epoch, params.warmup_epochs * params.steps_per_epoch
    losses: list[float] = []
    bar = tqdm(batches, desc=f"epoch {epoch + 1}/{params.epochs}", unit="step")
    for step, (images, targets) in enumerate(bar):
        rate = params.learning_rate * lr_factor(epoch * params.steps_per_epoch + step, warmup, total)
        for group in optimiser.param_groups:
            group["lr"] = rate
        value = loss(segmenter(images.contiguous(memory_format=torch.channels_last)), targets)
        if not torch.isfinite(value):
            raise PipelineError(_not_finite(value.item(), epoch, step, batches))
        optimiser.zero_grad()
        fabric.backward(value)
        optimiser.step()
        losses.append(value.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    return sum(losses) / len(losses)


def _not_finite(value: float, epoch: int, step: int, batches: Any) -> str:
    drawn = list(batches.batch_sampler)[step]
    tiles = [batches.dataset.tiles[draw.tile] for draw in drawn]
    names = "; ".join(f"{t.city} row {t.window.row} col {t.window.col}" for t in tiles)
    return (
        f"the loss became {value} in epoch {epoch + 1}, step {step + 1}, on the tiles {names}; "
        "lower train.learning_rate in params.yaml, or look at these tiles for damaged pixels"
    )


@torch.no_grad()
def _validate(
    segmenter: Any, loss: SegmentationLoss, batches: Any, classes: Sequence[str]
) -> dict[str, float]:
    segmenter.eval()
    count = MulticlassConfusionMatrix(len(classes), ignore_index=IGNORE).to(segmenter.device)
    losses = []
    for images, targets in batches:
        logits = segmenter(images.contiguous(memory_format=torch.channels_last))
        losses.append(loss(logits, targets).item())
        count.update(logits.argmax(1), targets)
    iou = iou_per_class(count.compute())
    row = {"val_loss": sum(losses) / len(losses), "val_miou": float(iou.nanmean().nan_to_num(0))}
    return row | {f"val_iou_{name}": float(v) for name, v in zip(classes, iou, strict=True) if not v.isnan()}
