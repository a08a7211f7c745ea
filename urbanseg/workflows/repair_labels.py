"""Labels of a city's training blocks, aligned with the image and without objects that it contradicts.

Both compare the labels with the verdicts of models that were not trained on them (`label_folds`). Labels are
aligned twice: with models that learnt from labels as they were, and with those that learnt from the moved
ones, which judge the objects, too. Labels of validation and test blocks are copied as they are, and what
people corrected is neither moved nor ignored.
"""

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, encode_share
from urbanseg.config.params import Params
from urbanseg.config.repair import DoubtParams
from urbanseg.dataset import splits
from urbanseg.grid import BLOCK_PX, Window, strips
from urbanseg.io import cog, raster
from urbanseg.labels import align, doubt
from urbanseg.workflows.city_blocks import Labelled, Verdict

log = logging.getLogger(__name__)


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


Judge = Callable[[Labelled], Iterable[Verdict]]
"""What models say of training blocks that they were not trained on, in any order, by labels as they are."""


def repair(labelled: Labelled, params: Params, target: Path, judge: Judge) -> Repair:
    """Compare the labels of training blocks with the image, and write what is left of them.

    Args:
        labelled: the city and its labels.
        params: the parameters, of which `repair` asks for something.
        target: the label raster that is written.
        judge: of the training blocks; asked again after labels were moved, where they are to be aligned:
            models that learnt from moved labels know better where things are.

    Returns:
        What was found.
    """
    named = {params.class_table.id_of(name): name for name in params.repair.doubt.classes}
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        kept, found, aligned = Path(folder), Repair(), labelled
        for last in (False, True) if params.repair.align.max_px else (True,):
            fold_of, shifts = _read(labelled, params, judge(aligned), kept)
            if shifts:
                found = _smoothed(labelled, params, shifts)
                aligned = replace(labelled, labels=target if last and not named else kept / "aligned.tif")
                write_moved(labelled, found.offsets, params, aligned.labels)
        if not named:
            return found
        return replace(found, **_doubts(aligned, params, target, named, fold_of, kept))


def _read(
    labelled: Labelled, params: Params, verdicts: Iterable[Verdict], kept: Path
) -> tuple[dict[int, int], dict[int, align.Shift]]:
    """Fold and own shift of each block; the probabilities of some classes are kept in files."""
    fold_of, shifts, max_px, classes = {}, {}, params.repair.align.max_px, params.class_table
    doubted = [classes.names.index(name) for name in params.repair.doubt.classes]
    with raster.reading(labelled.labels) as labels:
        for fold, number, probabilities in verdicts:
            fold_of[number] = fold
            if max_px:
                own = classes.position_lut[_uncorrected(labels, labelled, labelled.blocks.laid[number])]
                shifts[number] = align.estimate(align.agreement(probabilities, own, max_px))
            np.save(kept / f"{number}.npy", encode_share(probabilities[doubted]))
    return dict(sorted(fold_of.items())), dict(sorted(shifts.items()))


def _uncorrected(labels: raster.Reader, labelled: Labelled, window: Window) -> NDArray[np.uint8]:
    """Labels of a window, ignored where people corrected them."""
    values = labels.read_band(window)
    if labelled.corrected is not None:
        values[labelled.corrected(window)] = IGNORE
    return values


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
    laid, beside = labelled.blocks.laid, {number: {number} for number in whole}
    if not labelled.blocks.are_images:
        numbers = list(whole)
        for i, j in splits.neighbours([laid[number] for number in numbers]):
            beside[numbers[i]].add(numbers[j])
            beside[numbers[j]].add(numbers[i])
    with raster.reading(labelled.labels) as labels:

        def moved(number: int) -> NDArray[np.uint8]:
            around, core = laid[number].grown(reach, labels.grid.shape)
            usable = np.zeros((around.height, around.width), bool)
            for other in beside[number]:
                if np.abs(np.subtract(whole[other], whole[number])).max() <= align.NEAR_PX:
                    _mark(usable, around, laid[other])
            result = align.move(_uncorrected(labels, labelled, around), usable, core, whole[number])
            if labelled.corrected is not None:
                stays = labelled.corrected(laid[number])
                result[stays] = labels.read_band(laid[number])[stays]
            return result

        _write(labels, labelled, ((number, moved(number)) for number in whole), params, target)


def _doubts(
    labelled: Labelled,
    params: Params,
    target: Path,
    named: Mapping[int, str],
    fold_of: dict[int, int],
    kept: Path,
) -> dict[str, Any]:
    """Objects in doubt and what they are judged by; writes the labels without them."""
    laid = labelled.blocks.laid
    with raster.reading(labelled.labels) as labels:

        def block(number: int) -> tuple[NDArray[np.uint8], dict[int, NDArray[np.float32]]]:
            stored = np.load(kept / f"{number}.npy").astype(np.float32) / CONFIDENCE_SCALE
            return _uncorrected(labels, labelled, laid[number]), dict(zip(named, stored, strict=True))

        sums = {(fold, value): doubt.Sums() for fold in fold_of.values() for value in named}
        for number, fold in fold_of.items():
            own, shares = block(number)
            for value, share in shares.items():
                sums[fold, value].add(share, own, value)
        levels = {key: each.levels for key, each in sums.items()}
        found = {
            number: _in_doubt(
                *block(number), {value: levels[fold, value] for value in named}, named, params.repair.doubt
            )
            for number, fold in fold_of.items()
        }
        hidden = ((n, doubt.hide(labels.read_band(laid[n]), doubts)) for n, doubts in found.items())
        _write(labels, labelled, hidden, params, target)
        listed = [(number, laid[number], each) for number, doubts in found.items() for each in doubts]
        log.info("%s: %d objects are in doubt", labelled.city, len(listed))
        folds = sorted(set(fold_of.values()))
        return {
            "doubts": doubt.table(listed, labels.grid),
            "levels": {name: [levels[fold, value] for fold in folds] for value, name in named.items()},
        }


def _in_doubt(
    labels: NDArray[np.uint8],
    shares: dict[int, NDArray[np.float32]],
    levels: dict[int, doubt.Levels | None],
    named: Mapping[int, str],
    wanted: DoubtParams,
) -> list[doubt.Doubt]:
    """The objects in doubt of a block, of all classes that its model recognizes."""
    return [
        each
        for value, share in shares.items()
        if (level := levels[value]) is not None
        for each in doubt.find(share, labels, value, named[value], level, wanted.firmness, wanted.min_px)
    ]


def _write(
    labels: raster.Reader,
    labelled: Labelled,
    blocks: Iterable[tuple[int, NDArray[np.uint8]]],
    params: Params,
    target: Path,
) -> None:
    """Write the labels as they are, and over them those of some blocks."""
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
