"""Labels that are shifted and lack a fifth of their buildings, and what `repair` makes of them.

``python -m bench.label_repair FOLDER --city NAME [--shifts smooth] [--model MODEL]``

The city is one of params.yaml that has been labelled; FOLDER keeps what is done, and a run that was stopped
goes on where it was. After a fifth of the buildings was replaced by what is around them, the labels of
training and validation blocks are moved, by block or smoothly over the city; test blocks stay as
they are, and judge: three models are trained alike, on clean labels, on spoilt ones, and on repaired ones.

With ``--model``, nothing is trained: the labels of the test blocks are spoilt, and judged by a model
that has learnt from other blocks. Prints what was found against what was done. The last line is one
JSON object.
"""

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import torch
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage

from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config import params as parameters
from urbanseg.config.params import Params
from urbanseg.grid import SPLITS, Grid
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.infer.tta import with_tta
from urbanseg.io import cog, files, image_sheet, raster, tables
from urbanseg.labels.doubt import NEIGHBOURS
from urbanseg.metrics.segmentation import class_scores, confusion, mean
from urbanseg.model import segmenter
from urbanseg.workflows import label_folds, repair_files, repair_labels
from urbanseg.workflows.city_blocks import CityBlocks, Labelled, Verdict, city_blocks

BUILDING = "building"
MAX_PX = 4
DELETED = 0.2
TEST = SPLITS.index("test")
SEED = 23


@dataclass(frozen=True)
class Spoilt:
    """Labels that were spoilt, and how."""

    labels: NDArray[np.uint8]
    offsets: dict[int, NDArray[np.float64]]
    """Rows and columns in pixels by which the labels of each block are to be moved back."""
    deleted: NDArray[np.int32]
    """Number of the deleted object that each pixel belongs to, where the image has it; 0 for none."""


def spoil(clean: NDArray[np.uint8], blocks: CityBlocks, building: int, kind: str) -> Spoilt:
    """Delete buildings, then move the labels of all blocks but those for testing."""
    rng = np.random.default_rng(SEED)
    numbers, count = ndimage.label(clean == building, NEIGHBOURS)
    gone = np.flatnonzero(rng.random(count) < DELETED) + 1
    deleted = np.where(np.isin(numbers, gone), numbers, 0).astype(np.int32)
    _, nearest = ndimage.distance_transform_edt((clean == building) | (clean == IGNORE), return_indices=True)
    mapped = np.where(deleted > 0, clean[tuple(nearest)], clean)
    phases, turn = rng.uniform(0, 2 * np.pi, 2), 2 * np.pi / max(clean.shape)
    result, offsets = clean.copy(), {}
    for number, (block, split) in enumerate(zip(blocks.laid, blocks.split_of, strict=True)):
        rows, cols = np.mgrid[
            block.row : block.row + block.height, block.col : block.col + block.width
        ].astype(float)
        if kind == "block":
            down, right = (
                np.full(rows.shape, float(value)) for value in rng.integers(-MAX_PX, MAX_PX + 1, 2)
            )
        else:
            down = MAX_PX * np.sin(turn * (rows + cols) + phases[0])
            right = MAX_PX * np.cos(turn * (rows - cols) + phases[1])
        offsets[number] = np.array([down.mean(), right.mean()])
        if split != TEST:
            at = [
                np.clip(np.rint(axis), 0, side - 1).astype(int)
                for axis, side in zip((rows + down, cols + right), clean.shape, strict=True)
            ]
            result[block.slices] = mapped[at[0], at[1]]
    return Spoilt(result, offsets, deleted)


def shift_errors(found: dict[int, NDArray[np.float64]], true: dict[int, NDArray[np.float64]]) -> float:
    """Root mean square of the distance in pixels between the shifts found and the true ones."""
    return float(np.sqrt(np.mean([np.square(offset - true[n]).sum() for n, offset in found.items()])))


def flagged(
    missing: NDArray[np.int32], deleted: NDArray[np.int32], blocks: CityBlocks, min_px: int
) -> tuple[float, float, int, int]:
    """Precision and recall of the objects called missing, and how many were called so and deleted.

    One that was deleted is found if half of its pixels in a training block are flagged; one that is
    flagged is right if half of its pixels lie on a deleted object or beside one.
    """
    there = ndimage.binary_dilation(deleted > 0, NEIGHBOURS)
    right: list[bool] = []
    seen: list[bool] = []
    for number in blocks.training:
        at = blocks.laid[number].slices
        called = np.unique(missing[at][missing[at] > 0])
        right.extend(bool(there[at][missing[at] == value].mean() >= 0.5) for value in called)
        for value in np.unique(deleted[at][deleted[at] > 0]):
            own = missing[at][deleted[at] == value] > 0
            if own.size >= min_px:
                seen.append(bool(own.mean() >= 0.5))
    return float(np.mean(right or [False])), float(np.mean(seen or [False])), len(right), len(seen)


def test_miou(city: Labelled, clean: NDArray[np.uint8], params: Params, state: Path) -> dict[str, float]:
    """Mean IoU on the clean test blocks, of a model that is trained on a city's labels."""
    how = label_folds.recipe(params)
    predict = label_folds.predictor(*label_folds.train(city, city.blocks.split_of, params, how, state), how)
    counts = np.zeros((len(params.classes), len(params.classes)), np.int64)
    with raster.reading(city.scene) as scene:
        for block, split in zip(city.blocks.laid, city.blocks.split_of, strict=True):
            if split == TEST:
                predicted = label_folds.predict_block(scene, block, predict).argmax(0).astype(np.uint8)
                reference = params.class_table.position_lut[clean[block.slices]]
                known = reference != IGNORE
                counts += confusion(reference[known], predicted[known], len(params.classes))
    return {"miou": mean(class_scores(counts).iou)}


def numbered(doubts: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.int32]:
    """Objects called missing as a raster of their numbers from 1, 0 elsewhere."""
    missing = doubts[doubts["kind"] == "missing"].geometry
    if missing.empty:
        return np.zeros(grid.shape, np.int32)
    pairs = zip(missing, range(1, len(missing) + 1), strict=True)
    return np.asarray(features.rasterize(pairs, grid.shape, transform=grid.transform, dtype="int32"))


def found(
    city: Labelled, spoilt: Spoilt, params: Params, target: Path, judge: repair_labels.Judge
) -> dict[str, Any]:
    """Repair the labels, and compare what was found with what was done."""
    made = repair_labels.repair(city, params, target, judge)
    repair_files.write(target.parent, made, city, params.class_table, params.repair.align.max_px)
    doubts: Any = made.doubts
    with raster.reading(city.labels) as labels:
        missing = numbered(doubts, labels.grid)
    min_px = params.repair.doubt.min_px
    precision, recall, called, deleted = flagged(missing, spoilt.deleted, city.blocks, min_px)
    return {
        "city": city.city,
        "blocks": len(made.offsets),
        "shift_rmse_px": round(shift_errors(made.offsets, spoilt.offsets), 3),
        "unaligned_rmse_px": round(shift_errors({n: np.zeros(2) for n in made.offsets}, spoilt.offsets), 3),
        "deleted": deleted,
        "called_missing": called,
        "called_gone": int((doubts["kind"] == "gone").sum()),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
    }


def remembered(path: Path, make: Any) -> Any:
    """What a JSON file of the folder says, made if there is none."""
    if not path.exists():
        files.write_json(path, make())
    return files.read_json(path)


def asked_for(params: Params, asked: argparse.Namespace) -> Params:
    """The parameters with a repair of shifts and buildings, and with the recipe of this bench."""
    wanted = params.repair
    changed = {
        "align": wanted.align.model_copy(update={"max_px": MAX_PX + 2}),
        "doubt": wanted.doubt.model_copy(update={"classes": [BUILDING]}),
        "folds": wanted.folds.model_copy(update={"epochs": asked.epochs, "steps_per_epoch": asked.steps}),
    }
    recipe = {
        "crop": asked.crop or params.train.crop,
        "upsample": asked.upsample or params.train.upsample,
        "batch_size": asked.batch or params.train.batch_size,
    }
    return params.model_copy(
        update={
            "repair": wanted.model_copy(update=changed),
            "train": params.train.model_copy(update=recipe),
        }
    )


def judged_by(model: Path, city: Labelled, kept: Path) -> Iterator[Verdict]:
    """What a model that is there says of each training block."""
    network, spec = segmenter.load(model)
    predict = with_tta(
        TorchPredictor(network, spec, segmenter.device_of("auto"), torch.get_num_threads()), "flips"
    )
    with raster.reading(city.scene) as scene:
        for number in city.blocks.training:
            path = kept / f"{number}.npy"
            if not path.exists():
                made = label_folds.predict_block(scene, city.blocks.laid[number], predict)
                with files.atomic(path) as temporary:
                    np.save(temporary, made.astype(np.float16))
            yield Verdict(0, number, np.load(path).astype(np.float32))


def main() -> None:
    """Spoil, repair, train, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--city", required=True, help="of params.yaml, whose labels stage has run")
    parser.add_argument("--model", type=Path, help="that has not seen the city's test blocks, to judge those")
    parser.add_argument("--shifts", choices=["block", "smooth"], default="block")
    parser.add_argument("--epochs", type=int, default=3, help="of each training")
    parser.add_argument("--steps", type=int, default=48, help="of each epoch")
    parser.add_argument("--crop", type=int, help="pixels, instead of train.crop")
    parser.add_argument("--upsample", type=int, help="instead of train.upsample")
    parser.add_argument("--batch", type=int, help="instead of train.batch_size")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    params = asked_for(parameters.load(paths.PARAMS), asked)
    table, original = paths.image_sheet(asked.city), paths.labels(asked.city)
    images = image_sheet.from_table(tables.read(table)) if table.exists() else []
    with raster.reading(original) as labels:
        blocks, clean, grid = city_blocks(labels, images, params, asked.city), labels.read_band(), labels.grid
    if asked.model:  # the blocks that it has not seen take the part of those that folds judge
        blocks = replace(blocks, split_of=[0 if split == TEST else TEST for split in blocks.split_of])
    spoilt = spoil(clean, blocks, params.class_table.id_of(BUILDING), asked.shifts)
    folder = asked.folder / f"{asked.city}_{asked.shifts}"
    city = Labelled(asked.city, paths.scene(asked.city), folder / "spoilt.tif", blocks)
    if not city.labels.exists():
        with cog.writing(city.labels, grid, dtype="uint8", nodata=IGNORE) as file:
            file.write(spoilt.labels)

    target = folder / "repaired.tif"
    kept = asked.folder / f"{asked.city}_verdicts"
    judge: repair_labels.Judge = (
        partial(judged_by, asked.model, kept=kept)
        if asked.model
        else partial(label_folds.judge, params=params, state=folder / "repair")
    )
    result = remembered(folder / "found.json", partial(found, city, spoilt, params, target, judge))
    print(json.dumps(result), flush=True)
    if not asked.model:
        for name, path in {"clean": original, "untreated": city.labels, "repaired": target}.items():
            make = partial(test_miou, replace(city, labels=path), clean, params, folder / "models" / name)
            result[f"miou_{name}"] = round(remembered(folder / f"miou_{name}.json", make)["miou"], 4)
    print(json.dumps({"shifts": asked.shifts, **result}))


if __name__ == "__main__":
    main()
