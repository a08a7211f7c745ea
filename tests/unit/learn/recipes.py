"""A recipe that is learnt in a second, and tiles to learn from."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from pyproj import CRS

from tests.conftest import whole_params
from urbanseg.config.train import TrainParams
from urbanseg.grid import Grid, Window
from urbanseg.io import cog
from urbanseg.learn import fabric, training
from urbanseg.learn.data import Source, Tile, TrainingSet
from urbanseg.model.spec import Spec


def recipe(**changes: Any) -> TrainParams:
    """The project's own recipe, made small and plain, with `changes`; a section's are merged into it."""
    raw = whole_params()["train"]
    small = {
        "encoder": "timm-mobilenetv3_small_minimal_100",
        "encoder_weights": None,
        "decoder_channels": [16, 16, 8, 8, 8],
        "upsample": 1,
        "crop": 64,
        "epochs": 3,
        "steps_per_epoch": 2,
        "batch_size": 2,
        "device": "cpu",
        "precision": "32-true",
        "threads": 1,
        "learning_rate": 1e-3,
        "clip_norm": 0.0,
        "ema_decay": 0.0,
        "loss": {"ce_weight": 1.0, "dice_weight": 1.0, "lovasz_weight": 0.0},
    }
    for name, value in [*small.items(), *changes.items()]:
        raw[name] = raw[name] | value if isinstance(value, dict) else value
    return TrainParams.model_validate(raw)


def stripes(folder: Path, bands: int = 4, arch: str = "Unet", upsample: int = 1) -> TrainingSet:
    """Three tiles of stripes that a network can tell apart, with some labels unknown."""
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 64, 192)
    rng = np.random.default_rng(0)
    labels = np.indices(grid.shape).sum(0) // 16 % 2
    pixels = (1000 + 800 * labels[None] + rng.normal(0, 100, (bands, *grid.shape))).astype(np.uint16)
    labels[40:50, 20:90] = 255
    source = Source(folder / "scene.tif", folder / "labels.tif")
    with cog.writing(source.scene, grid, dtype="uint16", count=bands) as writer:
        writer.write(pixels)
    with cog.writing(source.labels, grid, dtype="uint8", nodata=255) as writer:
        writer.write(labels.astype(np.uint8))
    tiles = [Tile("x", Window(0, col, 64, 64)) for col in (0, 64, 128)]
    names = ["B02", "B03", "B04", "B08"][:bands]
    spec = Spec(names, [1400.0] * bands, [400.0] * bands, ["a", "b"], arch, recipe().encoder, upsample)
    counts = np.array([[np.sum(labels[:, c : c + 64] == i) for i in (0, 1)] for c in (0, 64)])
    return TrainingSet(tiles[:2], tiles[2:], {"x": source}, spec, 64, counts, test=tiles[2:])


def run(data: TrainingSet, folder: Path, params: TrainParams, on_epoch: Any = lambda _: None) -> Any:
    """Train as the stage does; the segmenter and the progress."""
    processes = fabric.launch(params, seed=7)
    start = training.create(params, data.spec)
    return training.train(
        processes, start, data, params, 7, state_folder=folder, data_key="k", on_epoch=on_epoch
    )


def without_chance(network: torch.nn.Module) -> None:
    """Take dropout out, whose masks depend on how a batch is cut."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0
