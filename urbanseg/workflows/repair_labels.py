"""Labels of a city's training blocks, aligned with the image and without objects that it contradicts.

Both compare the labels with models that were not trained on them (`label_folds`); what is doubted is judged
after labels were moved. Labels of validation and test blocks are copied as they are.
"""

import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, encode_share
from urbanseg.config.params import Params
from urbanseg.dataset import splits
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, Window, strips
from urbanseg.io import cog, raster
from urbanseg.labels import align, doubt
from urbanseg.workflows.label_folds import Labelled, judge

log = logging.getLogger(__name__)

MIN_BLOCKS = 2
"""A model needs a block to be trained on, and another to judge."""


@dataclass(frozen=True)
class Repair:
    """What was found in the training blocks of a city."""

    shifts: dict[int, align.Shift] = field(default_factory=dict)
    """What each block says by itself, by its number."""
    offsets: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    """``(2,)`` rows and columns in pixels by which its labels are to be moved, after smoothing."""
    doubts: gpd.GeoDataFrame | None = None
    """Objects for review; see `labels.doubt.table`."""
    levels: dict[str, list[doubt.Levels | None]] = field(default_factory=dict)
    """What the model of each fold says of each class."""

    def to_json(self, blocks: Sequence[Window]) -> dict[str, Any]:
        """What is reported: shifts by block, in pixels, and how many objects are in doubt."""
        shifts = [
            {"block": number, **blocks[number]._asdict()}
            | _rounded("down_px", "right_px", values=self.offsets[number])
            | _rounded("own_down_px", "own_right_px", values=shift.offset, known=shift.precision.any())
            | _rounded("down_sd_px", "right_sd_px", values=_deviations(shift), known=shift.precision.any())
            for number, shift in self.shifts.items()
        ]
        levels = {
            name: [None if each is None else [round(value, 4) for value in each] for each in of]
            for name, of in self.levels.items()
        }
        counts = {} if self.doubts is None else self.doubts.groupby(["class", "kind"]).size().to_dict()
        in_doubt = [{"class": name, "kind": kind, "objects": int(n)} for (name, kind), n in counts.items()]
        return {"shifts": shifts, "doubts": in_doubt, "probability_inside_outside": levels}


def repair(labelled: Labelled, params: Params, target: Path, state: Path) -> Repair:
    """Compare the labels of training blocks with the image, and write what is left of them.

    Args:
        labelled: the city and its labels.
        params: the parameters, of which `repair` asks for something.
        target: the label raster that is written.
        state: folder of unfinished trainings, from which they go on.

    Returns:
        What was found.

    Raises:
        PipelineError: if there are too few training blocks, or tiles in them.
    """
    if len(labelled.blocks.training) < MIN_BLOCKS:
        raise PipelineError(
            f"{labelled.city} has {len(labelled.blocks.training)} training blocks, and repair needs "
            f"{MIN_BLOCKS}; make tiles.block in params.yaml smaller, or switch repair off"
        )
    wanted = params.repair
    ids = [params.class_table.id_of(name) for name in wanted.doubt.classes]
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as kept:
        fold_of, shifts = _judged(labelled, params, state, ids, Path(kept))
        found = _smoothed(labelled, params, shifts) if wanted.align.max_px else Repair()
        if not ids:
            write_moved(labelled, found.offsets, params, target)
            return found
        aligned = replace(labelled, labels=Path(kept) / "aligned.tif")
        write_moved(labelled, found.offsets, params, aligned.labels)
        return replace(found, **_doubts(aligned, params, target, ids, fold_of, Path(kept)))


def _judged(
    labelled: Labelled, params: Params, state: Path, ids: Sequence[int], kept: Path
) -> tuple[dict[int, int], dict[int, align.Shift]]:
    """Fold and own shift of each block; the probabilities of some classes are kept in files."""
    fold_of, shifts = {}, {}
    for fold, number, probabilities, labels in judge(labelled, params, state):
        fold_of[number] = fold
        if params.repair.align.max_px:
            surfaces = align.agreement(probabilities, labels, params.repair.align.max_px)
            shifts[number] = align.estimate(surfaces)
        np.save(kept / f"{number}.npy", encode_share(probabilities[list(ids)]))
    return dict(sorted(fold_of.items())), dict(sorted(shifts.items()))


def _smoothed(labelled: Labelled, params: Params, shifts: dict[int, align.Shift]) -> Repair:
    """The shifts of all blocks, each in the light of those around it."""
    wanted, blocks = params.repair.align, labelled.blocks
    pairs = [] if blocks.are_images else splits.neighbours([blocks.laid[number] for number in shifts])
    offsets = align.smooth(list(shifts.values()), pairs, wanted.spread_px, wanted.max_px)
    moved = sum(any(align.whole_px(offset)) for offset in offsets)
    log.info(
        "%s: labels of %d of %d training blocks are moved, by %.1f px at most",
        labelled.city,
        moved,
        len(shifts),
        np.abs(offsets).max(),
    )
    return Repair(shifts, dict(zip(shifts, offsets, strict=True)))


def write_moved(
    labelled: Labelled, offsets: dict[int, NDArray[np.float64]], params: Params, target: Path
) -> None:
    """Write the labels with those of training blocks moved.

    Args:
        labelled: the city and its labels.
        offsets: rows and columns in pixels of each training block.
        params: the classes.
        target: the raster that is written.
    """
    whole = {number: align.whole_px(offset) for number, offset in offsets.items()}
    reach = max((abs(value) for shift in whole.values() for value in shift), default=0)
    with raster.reading(labelled.labels) as labels:

        def moved(number: int) -> NDArray[np.uint8]:
            around, core = labelled.blocks.laid[number].grown(reach, labels.grid.shape)
            usable = np.zeros((around.height, around.width), bool)
            for other, shift in whole.items():
                apart = np.subtract(shift, whole[number])
                if np.abs(apart).max() <= align.NEAR_PX and (
                    other == number or not labelled.blocks.are_images
                ):
                    _mark(usable, around, labelled.blocks.laid[other])
            return align.move(labels.read_band(around), usable, core, whole[number])

        _write(labels, labelled, ((number, moved(number)) for number in whole), params, target)


def _doubts(
    labelled: Labelled,
    params: Params,
    target: Path,
    ids: Sequence[int],
    fold_of: dict[int, int],
    kept: Path,
) -> dict[str, Any]:
    """Objects in doubt and what they are judged by; writes the labels without them."""
    wanted, names, laid = params.repair.doubt, params.class_table.names, labelled.blocks.laid

    def shares(number: int) -> dict[int, NDArray[np.float32]]:
        stored = np.load(kept / f"{number}.npy").astype(np.float32)
        return dict(zip(ids, stored / CONFIDENCE_SCALE, strict=True))

    with raster.reading(labelled.labels) as labels:
        sums = {(fold, value): doubt.Sums() for fold in fold_of.values() for value in ids}
        for number, fold in fold_of.items():
            for value, share in shares(number).items():
                sums[fold, value].add(share, labels.read_band(laid[number]), value)
        levels = {key: each.levels for key, each in sums.items()}
        found = {
            number: [
                each
                for value, share in shares(number).items()
                if (level := levels[fold, value]) is not None
                for each in doubt.find(
                    share,
                    labels.read_band(laid[number]),
                    value,
                    names[value],
                    level,
                    wanted.firmness,
                    wanted.min_px,
                )
            ]
            for number, fold in fold_of.items()
        }
        hidden = ((n, doubt.hide(labels.read_band(laid[n]), doubts)) for n, doubts in found.items())
        _write(labels, labelled, hidden, params, target)
        listed = [(number, laid[number], each) for number, doubts in found.items() for each in doubts]
        log.info("%s: %d objects are in doubt", labelled.city, len(listed))
        folds = sorted(set(fold_of.values()))
        return {
            "doubts": doubt.table(listed, labels.grid),
            "levels": {names[value]: [levels[fold, value] for fold in folds] for value in ids},
        }


def _write(
    labels: raster.Reader,
    labelled: Labelled,
    blocks: Iterable[tuple[int, NDArray[np.uint8]]],
    params: Params,
    target: Path,
) -> None:
    """Write the labels as they are, and over them those of some blocks."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with cog.writing(
        target,
        labels.grid,
        dtype="uint8",
        nodata=IGNORE,
        classes=params.class_table,
        resampling="mode",
    ) as output:
        for strip in strips(labels.grid.shape, BLOCK_PX):
            output.write(labels.read_band(strip), strip)
        for number, values in blocks:
            output.write(values, labelled.blocks.laid[number])


def _mark(mask: NDArray[np.bool_], around: Window, block: Window) -> None:
    """Set the pixels of a block in a mask of the window `around`."""
    top, left = block.row - around.row, block.col - around.col
    mask[max(0, top) : max(0, top + block.height), max(0, left) : max(0, left + block.width)] = True


def _deviations(shift: align.Shift) -> NDArray[np.float64]:
    """Standard deviations of a shift along rows and columns, in pixels."""
    if not shift.precision.any():
        return np.zeros(2)
    return np.sqrt(np.diag(np.linalg.inv(shift.precision)))


def _rounded(*names: str, values: NDArray[np.float64], known: Any = True) -> dict[str, float | None]:
    pairs = zip(names, values.tolist(), strict=True)
    return {name: round(value, 3) if known else None for name, value in pairs}
