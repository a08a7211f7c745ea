"""The training set, assembled: which tiles, which classes, drawn how often.

From the table of the dataset stage, after what `train.only_class` and `train.fraction`
leave of it. No pixel is read here.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, REST, position_lut
from urbanseg.config.train import TrainParams
from urbanseg.dataset.tiles import windows_of
from urbanseg.grid import SPLITS
from urbanseg.learn import batch_sampler
from urbanseg.learn.data import Source, Tile, TrainingSet
from urbanseg.model.spec import Spec

log = logging.getLogger(__name__)


def learnt_classes(classes: Sequence[str], only: str | None, rest: str = REST) -> list[str]:
    """Names of the classes that the network tells apart.

    Args:
        classes: names of the classes of the labels.
        only: the only one that is learnt, or None.
        rest: what all others are called then.
    """
    return list(classes) if only is None else [rest, only]


def assemble(
    table: pd.DataFrame,
    classes: Sequence[str],
    sources: Mapping[str, Source],
    spec: Spec,
    params: TrainParams,
    *,
    tile_size: int,
    seed: int,
    ids: Sequence[int] | None = None,
) -> TrainingSet:
    """The training set of a recipe; says in the log what was chosen and how it is drawn.

    Args:
        table: tiles of all splits, as the dataset stage writes them.
        classes: names of the classes, in order.
        sources: files of each city.
        spec: of the segmenter; its classes are `learnt_classes`.
        params: the recipe.
        tile_size: side of a tile in pixels.
        seed: of the choice.
        ids: pixel values of the classes in the labels; None for their positions.
    """
    train, val, test = (table[table["split"] == split] for split in SPLITS)
    counts = train[[f"px_{name}" for name in classes]].to_numpy(np.int64)
    relabel = None if ids is None else position_lut(ids)
    if params.only_class is not None:
        one = list(classes).index(params.only_class)
        relabel, counts = one_against_rest(one if ids is None else ids[one]), _merged(counts, one)
    if params.fraction < 1:
        chosen = batch_sampler.choose_fraction(counts, params.fraction, seed)
        log.info("training on %d of %d tiles", len(chosen), len(train))
        train, counts = train.iloc[chosen], counts[chosen]
    if params.balance:
        before = batch_sampler.class_shares(counts)
        after = batch_sampler.class_shares(counts, batch_sampler.tile_probabilities(counts, params.balance))
        log.info("%s", batch_sampler.shares_sentence(spec.classes, before, after))
    return TrainingSet(
        train=_tiles(train),
        val=_tiles(val),
        test=_tiles(test),
        sources=sources,
        spec=spec,
        tile_size=tile_size,
        train_counts=counts,
        relabel=relabel,
    )


def class_shares(data: TrainingSet) -> dict[str, float]:
    """Share of each class in the labelled pixels of the training tiles."""
    shares = batch_sampler.class_shares(data.train_counts)
    return {name: round(float(share), 6) for name, share in zip(data.spec.classes, shares, strict=True)}


def one_against_rest(one: int) -> NDArray[np.uint8]:
    """Class of each label value, ``(256,)``: 1 for the value `one`, 0 for the rest, `IGNORE` as it is."""
    relabel = np.zeros(256, np.uint8)
    relabel[one], relabel[IGNORE] = 1, IGNORE
    return relabel


def _merged(counts: NDArray[np.int64], one: int) -> NDArray[np.int64]:
    return np.stack([np.delete(counts, one, axis=1).sum(axis=1), counts[:, one]], axis=1)


def _tiles(table: pd.DataFrame) -> list[Tile]:
    return [Tile(city, window) for city, window in zip(table["city"], windows_of(table), strict=True)]
