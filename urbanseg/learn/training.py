"""The training loop: epochs of batches in parts, validated, checkpointed, stopped early.

`train` reads top to bottom: build, resume, and for each epoch train, validate, remember
the best, save. Its parts are modules beside it: `fabric` for devices, `batch_sampler` for
the order, `steps` for what happens in an epoch, `validation` for scores. On a CPU the same
seed, data, precision and thread count give the same bytes.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from urbanseg.config.train import TrainParams
from urbanseg.io.prefetch import Prefetcher
from urbanseg.learn import batch_sampler, model, optim, resume
from urbanseg.learn import fabric as devices
from urbanseg.learn.batch_sampler import BatchSampler, in_order
from urbanseg.learn.class_weights import class_weights
from urbanseg.learn.data import TileDataset, TrainingSet
from urbanseg.learn.distillation import load_teacher
from urbanseg.learn.instances import InstanceLoss
from urbanseg.learn.losses import SegmentationLoss
from urbanseg.learn.resume import Progress
from urbanseg.learn.steps import Run, train_epoch
from urbanseg.learn.validation import validate
from urbanseg.model.limits import enough_memory
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

log = logging.getLogger(__name__)

READY = 2
"""Steps whose batches are made before they are wanted."""


@enough_memory("for the network", "take a smaller train.encoder, or lower train.decoder_channels")
def create(params: TrainParams, spec: Spec) -> Segmenter:
    """The network that training starts from: new, or with the weights of `init_from`.

    Raises:
        PipelineError: for an unknown name, or weights that can't be had or don't fit.
    """
    network = model.create(
        params.arch,
        params.encoder,
        spec.bands,
        len(spec.channels),
        decoder_channels=params.decoder_channels,
        weights=None if params.start else params.encoder_weights,
        width=params.width,
    )
    if params.start:
        model.start_from(network, params.start, spec)
    return Segmenter(network, spec.upsample)


@enough_memory(
    "to train",
    "lower train.batch_size, train.crop or train.upsample in params.yaml, or raise train.accumulate",
)
def train(
    fabric: Fabric,
    start: Segmenter,
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
        fabric: launched; with several processes, each calls this alike.
        start: the network to start from; it is left as it is.
        data: tiles of both splits, the files they lie in, and the spec.
        params: the recipe.
        seed: of the order of tiles, augmentation and dropout.
        state_folder: where the state of an unfinished run is kept between epochs.
        data_key: digest of the data, so that a state is resumed only on the same data.
        on_epoch: called by process 0 after each epoch, and after a resume, with all rows so far.

    Returns:
        The segmenter with its best weights on the CPU, and the progress.

    Raises:
        PipelineError: if the loss becomes NaN or infinite, naming the tiles of the batch, or if
            memory is full.
        OSError: naming the file, if the state can't be written.
    """
    run = set_up(fabric, start, data, params, seed)
    key = _state_key(run, seed, data_key)
    progress, best = _restore(run, state_folder, key)
    if progress.epoch and fabric.is_global_zero:
        log.info("resuming after epoch %d", progress.epoch)
        on_epoch(progress.history)

    batches = train_batches(run, seed, progress.epoch)
    val_loader = _val_loader(run)
    with closing(batches):
        while progress.epoch < params.epochs and progress.epoch - progress.best_epoch < params.patience:
            began = perf_counter()
            row, waited = _epoch(run, batches, val_loader, progress.epoch, seed)
            progress.epoch += 1
            if row["val_miou"] > progress.best_miou:
                progress.best_miou, progress.best_epoch = row["val_miou"], progress.epoch
                best = {k: v.detach().cpu().clone() for k, v in run.eval_model.state_dict().items()}
            progress.history.append(row)
            if fabric.is_global_zero:
                resume.save(state_folder, key, progress, run.weights() | {"best": best}, run.optimiser)
                on_epoch(progress.history)
                _report(progress, row, params, perf_counter() - began, waited)

    trained = copy.deepcopy(start)
    trained.load_state_dict(best)
    return trained, progress


def _state_key(run: Run, seed: int, data_key: str) -> str:
    """What a state must have been made with to be resumed."""
    return resume.fingerprint(
        run.params.model_dump(mode="json"),
        seed,
        data_key,
        asdict(run.data.spec),
        resume.code_digest(),
        (run.fabric.device.type, devices.precision_of(run.params.precision, run.fabric.device)),
    )


def _epoch(
    run: Run,
    batches: Prefetcher[tuple[Tensor, Tensor]],
    val_loader: DataLoader[tuple[Tensor, Tensor]],
    epoch: int,
    seed: int,
) -> tuple[dict[str, float], float]:
    """Train for one epoch and validate; its loss and scores, and the seconds spent waiting for data."""
    waited = batches.waited_s
    torch.manual_seed(seed + epoch + 100_003 * run.fabric.global_rank)
    # made now, so that the first of them are ready when the last step ends
    with closing(_prefetched(val_loader, READY)) as val:
        mean_loss = train_epoch(run, batches, epoch)
        for moving in filter(None, (run.network, run.ema)):
            devices.average_buffers(moving, run.fabric)
        scores = validate(run.fabric, run.eval_model, run.loss, val, run.data.spec.classes)
        return {"loss": mean_loss, **scores}, batches.waited_s - waited + val.waited_s


def set_up(fabric: Fabric, start: Segmenter, data: TrainingSet, params: TrainParams, seed: int) -> Run:
    """A copy of the network on its device, with all that moves it.

    Args:
        fabric: launched.
        start: the network to start from; it is left as it is.
        data: the training set.
        params: the recipe.
        seed: of the order of tiles.

    Returns:
        What an epoch needs.

    Raises:
        PipelineError: if the teacher is no model, or of other bands or classes.
    """
    teacher = load_teacher(params.taught_by, data.spec).to(fabric.device) if params.taught_by else None
    network = copy.deepcopy(start).to(memory_format=torch.channels_last)
    ema = copy.deepcopy(network).to(fabric.device) if params.ema_decay else None
    network = devices.share_batch_statistics(network, fabric)
    callable_network: Any = torch.compile(network) if params.compile else network
    computing, optimiser = fabric.setup(callable_network, optim.optimiser(network, params))
    probabilities = (
        batch_sampler.tile_probabilities(data.train_counts, params.balance) if params.balance else None
    )
    return Run(
        fabric,
        params,
        network,
        computing,
        ema,
        optimiser,
        _loss(data, params).to(fabric.device),
        BatchSampler(
            partial(batch_sampler.order, len(data.train), probabilities, seed),
            range(params.epochs * params.steps_per_epoch),
            params.batch_size,
            accumulate=params.accumulate,
            devices=fabric.world_size,
            rank=fabric.global_rank,
        ),
        data,
        teacher,
    )


def _loss(data: TrainingSet, params: TrainParams) -> SegmentationLoss:
    kind, form = params.loss.class_weights, InstanceLoss if data.spec.instances else SegmentationLoss
    if kind == "none":
        return form(params.loss, correction_weight=params.correction_weight)
    weights = class_weights(data.train_counts, kind)
    names = zip(data.spec.classes, weights, strict=True)
    log.info("class weights in the loss: %s", ", ".join(f"{name} {weight:.2f}" for name, weight in names))
    return form(params.loss, torch.from_numpy(weights).float(), params.correction_weight)


def _restore(run: Run, state_folder: Path, key: str) -> tuple[Progress, dict[str, Tensor]]:
    """Progress and best weights of an unfinished run, its weights put back; or a fresh start."""
    state = resume.load(state_folder, key, run.optimiser, run.weights())
    if state is None:
        return Progress(), {}
    progress, weights = state
    run.network.load_state_dict(weights["network"])
    if run.ema is not None:
        run.ema.load_state_dict(weights["average"])
    return progress, weights["best"]


def train_batches(run: Run, seed: int, epoch: int) -> Prefetcher[tuple[Tensor, Tensor]]:
    """Batches of all epochs from `epoch` on, in one stream that never pauses between two.

    Args:
        run: the sampler, the recipe and the data.
        seed: of the augmentation.
        epoch: the first epoch, from 0.

    Returns:
        Images and targets.
    """
    params, data = run.params, run.data
    tiles = TileDataset(data.train, data, params.crop, params.augment, seed)
    sampler = run.sampler.starting_at(epoch * params.steps_per_epoch)
    return _prefetched(_loader(run, tiles, sampler), READY * params.accumulate)


def _val_loader(run: Run) -> DataLoader[tuple[Tensor, Tensor]]:
    """Every `devices`-th validation batch, whole tiles, each of as many as a training part."""
    size = run.params.batch_size // (run.params.accumulate * run.fabric.world_size)
    mine = in_order(len(run.data.val), size)[run.fabric.global_rank :: run.fabric.world_size]
    return _loader(run, TileDataset(run.data.val, run.data, run.data.tile_size), mine)


def _loader(run: Run, tiles: TileDataset, batches: Any) -> DataLoader[tuple[Tensor, Tensor]]:
    return DataLoader(
        tiles,
        batch_sampler=batches,
        num_workers=run.params.workers,
        persistent_workers=run.params.workers > 0,
        pin_memory=run.fabric.device.type == "cuda",
        generator=torch.Generator(),  # it draws a number, which is not to move the network's dropout
    )


def _prefetched(loader: DataLoader[tuple[Tensor, Tensor]], depth: int) -> Prefetcher[tuple[Tensor, Tensor]]:
    return Prefetcher(loader, depth, release=cast("TileDataset", loader.dataset).close)


def _report(
    progress: Progress, row: Mapping[str, float], params: TrainParams, seconds: float, waited: float
) -> None:
    # times go to the log alone: the outputs of two runs must be the same bytes
    log.info(
        "epoch %d: %s; %.1f tiles/s, %.1f %% of %.0f s spent waiting for data",
        progress.epoch,
        ", ".join(f"{k} {v:.3f}" for k, v in row.items()),
        params.steps_per_epoch * params.batch_size / seconds,
        100 * waited / seconds,
        seconds,
    )
