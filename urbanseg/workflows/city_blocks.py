"""The blocks of a city and their splits, which follow from its labels before anything repairs them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg import paths
from urbanseg.config.labels import is_corrected
from urbanseg.config.params import Params
from urbanseg.dataset import splits, tiles
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Window
from urbanseg.io import files, image_sheet
from urbanseg.io.raster import Reader


@dataclass(frozen=True)
class CityBlocks:
    """Blocks of a scene, each wholly in one split."""

    laid: Sequence[Window]
    split_of: Sequence[int]
    """Index into `SPLITS` of each."""
    counts: NDArray[np.int64]
    """``(blocks, classes)`` pixels of each class."""
    gap: int
    """Pixels between splits, see `dataset.splits.gap_between`."""
    are_images: bool
    """Whether they are the images of a sheet, from one of which into another no tile reaches."""

    @property
    def training(self) -> list[int]:
        """Numbers of the blocks that are trained on."""
        return [number for number, split in enumerate(self.split_of) if split == SPLITS.index("train")]


@dataclass(frozen=True)
class Labelled:
    """A city's scene, labels of it, and its blocks."""

    city: str
    scene: Path
    labels: Path
    blocks: CityBlocks
    corrected: Callable[[Window], NDArray[np.bool_]] | None = None
    """Which pixels of a window people corrected; None if nobody did."""


class Verdict(NamedTuple):
    """What a model says of a block that it was not trained on."""

    fold: int
    """Number of the model."""
    block: int
    """Number of the block."""
    probabilities: NDArray[np.float32]
    """``(classes, height, width)``, 0–1."""


def city_blocks(
    labels: Reader, images: Sequence[image_sheet.SheetImage], params: Params, city: str
) -> CityBlocks:
    """The blocks of a city.

    Args:
        labels: as they were made, before a repair: another count of a class might be another split.
        images: of an image sheet; empty for other scenes.
        params: sizes, shares and the seed of the split.
        city: its name.

    Raises:
        PipelineError: if no pixel is labelled, or the blocks are others than when the city was corrected.
    """
    wanted = params.tiles
    laid = [image.window for image in images] or splits.lay_blocks(labels.grid.shape, wanted.block)
    gap = 0 if images else splits.gap_between(laid, wanted.gap)  # images of a sheet lie apart on Earth
    counts = splits.count_blocks(labels, laid, params.class_table.ids)
    about = params.city(city)
    kept = kept_splits(paths.kept_split(city), laid) if is_corrected(about.labels) else []
    split_of = (
        image_sheet.split_values(list(images))
        or kept
        or splits.split_blocks(
            laid, counts, wanted.split.values, params.seed, only_test=about.role == "holdout"
        )
    )
    return CityBlocks(laid, split_of, counts, gap, bool(images))


def kept_splits(path: Path, laid: Sequence[Window]) -> list[int]:
    """The splits that the blocks of a city had when it was first corrected, so that no correction moves one.

    Args:
        path: of the file that keeps them.
        laid: the blocks.

    Raises:
        PipelineError: if the blocks are others now.
    """
    kept = {tuple(block): split for *block, split in files.read_json(path)["blocks"]}
    if kept.keys() != set(laid):
        raise PipelineError(
            f"{path} keeps the split of other blocks than tiles.block makes; set that back, or move it "
            "and the corrections away"
        )
    return [SPLITS.index(kept[block]) for block in laid]


def index_tiles(
    blocks: CityBlocks, split_of: Sequence[int], labels: Reader, params: Params
) -> tuple[pd.DataFrame, int]:
    """The tile index of a city, and how many windows were laid for it.

    Args:
        blocks: the blocks.
        split_of: index into `SPLITS` of each, of the blocks themselves or another.
        labels: that are trained on.
        params: size and overlap of the tiles.
    """
    classes = params.class_table
    parts = splits.keep_apart(blocks.laid, split_of, blocks.gap)
    candidates = tiles.lay_tiles(
        labels.grid.shape, parts, params.tiles.size, params.tiles.overlap, across=not blocks.are_images
    )

    def histogram(window: Window) -> NDArray[np.int64]:
        return tiles.histogram(labels.read_band(window), classes.ids)

    index = tiles.index(blocks.laid, split_of, candidates, histogram, classes.names, gap=blocks.gap)
    return index, len(candidates)
