"""Models of the training blocks of one city, each of which judges blocks that it was not trained on.

Blocks go to folds as they go to splits: whole, each fold like the others in its classes, neighbours
together. The models are those of the `train` section with a short training. They start from no
earlier model of this project: it may have learnt the very labels that are to be judged.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.config.params import Params
from urbanseg.config.train import NO_MODEL, NO_TEACHER, TrainParams
from urbanseg.dataset import splits, statistics
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Window
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.infer.stitching import Predictor
from urbanseg.infer.tta import with_tta
from urbanseg.io import files, raster
from urbanseg.learn import assembly, fabric, training
from urbanseg.learn.data import Source
from urbanseg.model import segmenter
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec, pixel_sizes
from urbanseg.workflows.city_blocks import CityBlocks, Labelled, Verdict, index_tiles

log = logging.getLogger(__name__)

HALO_PX = 64
"""Pixels around a block that its prediction sees."""

MIN_BLOCKS = 2
"""A model needs a block to be trained on, and another to judge."""

VALIDATED = 12
"""Validation tiles, at most, that choose the epoch of a model."""

STEP_PX = 32
"""Sides of what a network takes are multiples of this."""


def assign(blocks: CityBlocks, count: int, seed: int) -> dict[int, int]:
    """Fold of each training block by its number, of `count` folds or as many as there are blocks.

    Args:
        blocks: of the city.
        count: folds wanted.
        seed: of the assignment.
    """
    training_blocks = blocks.training
    count = min(count, len(training_blocks))
    laid = [blocks.laid[number] for number in training_blocks]
    drawn = splits.assign_blocks(
        blocks.counts[training_blocks], [1 / count] * count, seed, splits.neighbours(laid)
    )
    return dict(zip(training_blocks, drawn.tolist(), strict=True))


def without(blocks: CityBlocks, fold_of: Mapping[int, int], fold: int) -> list[int]:
    """Split of each block, if those of a fold are kept from training.

    Args:
        blocks: of the city.
        fold_of: fold of each training block by its number.
        fold: the one that is kept from training.

    Returns:
        An index into `SPLITS` for each block.
    """
    held = SPLITS.index("test")
    return [held if fold_of.get(number) == fold else split for number, split in enumerate(blocks.split_of)]


def recipe(params: Params) -> TrainParams:
    """The `train` section with the length of the folds' training; mirrored images, whatever it says.

    Mirrored and turned alike, images and labels that are all shifted the same way teach no direction.
    """
    folds, wanted = params.repair.folds, params.train
    return wanted.model_copy(
        update={
            "epochs": folds.epochs,
            "steps_per_epoch": folds.steps_per_epoch,
            "patience": folds.epochs,
            "warmup_epochs": min(wanted.warmup_epochs, folds.epochs - 1),
            "freeze_encoder_epochs": 0,
            "init_from": NO_MODEL,
            "teacher": NO_TEACHER,
            "only_class": None,
            "fraction": 1.0,
            "devices": 1,
            "augment": wanted.augment.model_copy(update={"flips": True}),
        }
    )


def train(
    labelled: Labelled, split_of: Sequence[int], params: Params, how: TrainParams, state: Path
) -> tuple[Segmenter, Spec]:
    """Train a model on the training blocks of a city.

    Args:
        labelled: the city.
        split_of: index into `SPLITS` of each block, perhaps another than the city's own.
        params: classes, tiles and seed.
        how: the recipe.
        state: folder in which an unfinished training is kept, and from which it goes on.

    Returns:
        The best epoch by the validation blocks, on the CPU, and its spec.

    Raises:
        PipelineError: if a split has no tile with enough labelled pixels.
    """
    with raster.reading(labelled.scene) as scene, raster.reading(labelled.labels) as labels:
        index, _ = index_tiles(labelled.blocks, split_of, labels, params)
        table, _ = statistics.collect_tiles({labelled.city: index}, params.tiles.min_valid_share)
        statistics.require_splits(table)
        spec = _spec(scene, _moments(scene, labels, labelled.blocks, split_of), params, how)
    classes, seed = params.class_table, params.training_seed
    data = assembly.assemble(
        table,
        classes.names,
        {labelled.city: Source(labelled.scene, labelled.labels)},
        spec,
        how,
        tile_size=params.tiles.size,
        seed=seed,
        ids=classes.ids,
    )
    spread = np.unique(np.linspace(0, len(data.val) - 1, min(VALIDATED, len(data.val)), dtype=int))
    data = replace(data, val=[data.val[place] for place in spread])
    processes = fabric.launch(how, seed)
    trained, progress = training.train(
        processes,
        training.create(how, spec),
        data,
        how,
        seed,
        state_folder=state,
        data_key=" ".join([*map(files.sha256, (labelled.scene, labelled.labels)), *map(str, split_of)]),
        on_epoch=lambda _: None,
    )
    log.info("validation mIoU %.3f after %d epochs", progress.best_miou, progress.epoch)
    return trained, spec


def predictor(trained: Segmenter, spec: Spec, how: TrainParams) -> Predictor:
    """Probabilities of a model, the mean over mirror images, so that they lean to no side.

    Args:
        trained: the model.
        spec: what it was trained for.
        how: the recipe, for device and threads.
    """
    device = segmenter.device_of(how.device)
    return with_tta(TorchPredictor(trained.eval(), spec, device, how.threads), "flips")


def predict_block(scene: raster.Reader, block: Window, predict: Predictor) -> NDArray[np.float32]:
    """Class probabilities of a block, seen with what is around it.

    Args:
        scene: the scene.
        block: a window of it.
        predict: a model of the scene's bands.

    Returns:
        ``(classes, height, width)``, 0–1.
    """
    around, core = block.grown(HALO_PX, scene.grid.shape)
    missing = [-side % STEP_PX for side in (around.height, around.width)]
    pixels = np.pad(scene.read(around), ((0, 0), (0, missing[0]), (0, missing[1])), mode="reflect")
    return np.ascontiguousarray(predict(pixels[None])[0][:, *core.slices])


def judge(labelled: Labelled, params: Params, state: Path) -> Iterator[Verdict]:
    """What models say of training blocks that they were not trained on.

    Args:
        labelled: the city.
        params: the parameters.
        state: folder of unfinished trainings, a folder in it for each label raster and fold.

    Raises:
        PipelineError: if there are too few training blocks, or tiles in them.
    """
    if len(labelled.blocks.training) < MIN_BLOCKS:
        raise PipelineError(
            f"{labelled.city} has {len(labelled.blocks.training)} training blocks, and repair needs "
            f"{MIN_BLOCKS}; make tiles.block in params.yaml smaller, or switch repair off"
        )
    how, place = recipe(params), state / labelled.labels.stem
    fold_of = assign(labelled.blocks, params.repair.folds.count, params.training_seed)
    for fold in range(max(fold_of.values()) + 1):
        log.info("%s: training the model that judges fold %d", labelled.city, fold + 1)
        split_of = without(labelled.blocks, fold_of, fold)
        predict = predictor(*train(labelled, split_of, params, how, place / str(fold)), how)
        with raster.reading(labelled.scene) as scene:
            for number in (number for number, own in fold_of.items() if own == fold):
                yield Verdict(fold, number, predict_block(scene, labelled.blocks.laid[number], predict))


def _moments(
    scene: raster.Reader, labels: raster.Reader, blocks: CityBlocks, split_of: Sequence[int]
) -> statistics.BandMoments:
    """Mean and deviation of the bands over the labelled pixels of the training blocks."""
    moments = statistics.BandMoments()
    for block, split in zip(blocks.laid, split_of, strict=True):
        if split == statistics.TRAIN:
            pixels = scene.read(block)
            measured = raster.present(pixels, [None] * len(pixels)) & (labels.read_band(block) != IGNORE)
            if measured.any():
                moments.add(pixels[:, measured])
    return moments


def _spec(scene: raster.Reader, moments: statistics.BandMoments, params: Params, how: TrainParams) -> Spec:
    return Spec(
        bands=list(scene.info.descriptions),
        mean=[round(value, statistics.DIGITS) for value in moments.mean],
        std=[round(value, statistics.DIGITS) for value in moments.std],
        classes=params.class_table.names,
        arch=how.arch,
        encoder=how.encoder,
        upsample=how.upsample,
        made_with=segmenter.made_with(),
        units="uint8" if scene.info.dtype == "uint8" else None,
        **pixel_sizes(scene.grid.resolution, scene.grid.resolution),
    )
