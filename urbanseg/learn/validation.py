"""How good a network is: loss and IoU over tiles, counted across processes.

For early stopping on the validation tiles, and once after training for the transfer to
another city, on test tiles of which no pixel is counted twice.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from urbanseg.classes import IGNORE, iou_per_class
from urbanseg.learn.batch_sampler import in_order
from urbanseg.learn.data import Tile, TileDataset, TrainingSet
from urbanseg.learn.fabric import total
from urbanseg.learn.targets import unpacked
from urbanseg.model.limits import enough_memory


@torch.no_grad()
def validate(
    fabric: Fabric,
    network: nn.Module,
    loss: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    classes: Sequence[str],
) -> dict[str, float]:
    """Scores of a network over the batches of all processes.

    Args:
        fabric: launched.
        network: the network.
        loss: the training loss.
        batches: this process's batches.
        classes: names of the classes.

    Returns:
        ``val_loss``, the mean of the batches' losses weighted by their labelled pixels;
        ``val_miou``, over the classes that occur in reference or prediction; and
        ``val_iou_<class>`` of each of them.
    """
    network.eval()
    count = _counter(classes, fabric)
    sums = torch.zeros(2, dtype=torch.float64, device=fabric.device)
    for images, on_host in batches:
        logits, targets = _logits(fabric, network, images), fabric.to_device(on_host)
        labelled = (targets != IGNORE).sum()
        sums += torch.stack([loss(logits, targets).double() * labelled, labelled.double()])
        count.update(*_predicted(logits, targets, len(classes)))
    loss_sum, labelled = total(sums, fabric)
    iou = _iou(total(count.compute(), fabric))
    row = {"val_loss": float(loss_sum / labelled.clamp(min=1)), "val_miou": mean_iou(iou)}
    return row | {f"val_iou_{name}": float(v) for name, v in zip(classes, iou, strict=True) if not v.isnan()}


@torch.no_grad()
def scores_by_city(
    fabric: Fabric, network: nn.Module, data: TrainingSet, batch_size: int
) -> dict[str, float]:
    """Mean IoU over the test tiles of each city, each pixel counted once; by this process alone.

    Args:
        fabric: launched.
        network: the network.
        data: the training set, with its test tiles.
        batch_size: tiles computed at once.

    Returns:
        Mean IoU by city.
    """
    network.to(fabric.device).eval()
    scores = {}
    for city in sorted({tile.city for tile in data.test}):
        chosen = disjoint([tile for tile in data.test if tile.city == city])
        count = _counter(data.spec.classes, fabric)
        with closing(TileDataset(chosen, data, data.tile_size)) as tiles:
            for draws in in_order(len(chosen), batch_size):
                images, targets = (torch.stack(p) for p in zip(*(tiles[d] for d in draws), strict=True))
                logits = _logits(fabric, network, images)
                count.update(*_predicted(logits, fabric.to_device(targets), len(data.spec.classes)))
        scores[city] = mean_iou(_iou(count.compute()))
    return scores


@enough_memory("to score the tiles", "lower train.batch_size or train.upsample in params.yaml")
def gain_by_city(
    fabric: Fabric, start: nn.Module, trained: nn.Module, data: TrainingSet, batch_size: int
) -> dict[str, dict[str, float]]:
    """What training brought each city on its test tiles: mIoU ``before`` and ``after``.

    Args:
        fabric: launched.
        start: the network that training started from.
        trained: the network after training.
        data: the training set, with its test tiles.
        batch_size: tiles computed at once.

    Returns:
        Both scores by city.
    """
    before, after = (scores_by_city(fabric, network, data, batch_size) for network in (start, trained))
    return {city: {"before": round(before[city], 6), "after": round(after[city], 6)} for city in before}


def disjoint(tiles: Sequence[Tile]) -> list[Tile]:
    """Tiles of one city that share no pixel: each in turn that touches none taken before."""
    taken: list[Tile] = []
    for tile in tiles:
        if not any(_overlap(tile, other) for other in taken):
            taken.append(tile)
    return taken


def mean_iou(iou: Tensor) -> float:
    """Mean over the classes that occur, 0 if none does."""
    return float(iou.nanmean().nan_to_num(0))


def _logits(fabric: Fabric, network: nn.Module, images: Tensor) -> Tensor:
    with fabric.autocast():
        logits: Tensor = network(fabric.to_device(images).contiguous(memory_format=torch.channels_last))
    return logits.float()


def _predicted(logits: Tensor, targets: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Classes predicted and true, without what a network says of buildings besides."""
    if logits.shape[1] == classes:
        return logits.argmax(1), targets
    return logits[:, :classes].argmax(1), unpacked(targets)[0]


def _iou(confusion: Tensor) -> Tensor:
    return torch.from_numpy(iou_per_class(confusion.cpu().numpy()))


def _counter(classes: Sequence[str], fabric: Fabric) -> Any:
    # processes are summed by the caller: of several, some may have no batch
    counter = MulticlassConfusionMatrix(len(classes), ignore_index=IGNORE, sync_on_compute=False)
    return counter.set_dtype(torch.int64).to(fabric.device)


def _overlap(one: Tile, other: Tile) -> bool:
    a, b = one.window, other.window
    rows = a.row < b.row + b.height and b.row < a.row + a.height
    return rows and a.col < b.col + b.width and b.col < a.col + a.width
