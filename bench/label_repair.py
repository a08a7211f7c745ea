"""Labels that are shifted and lack a fifth of their buildings, and what `repair` makes of them.

``python -m bench.label_repair FOLDER --city NAME --scene scene.tif --labels labels.tif``

FOLDER keeps what is done, and a run that was stopped goes on where it was. Labels of training and
validation blocks are moved, by block or smoothly over the city, after a fifth of the buildings was
replaced by what is around them; test blocks stay as they are, and judge. Three models are
trained alike: on clean labels, on spoilt ones, and on repaired ones. Prints what was found
against what was done. The last line is one JSON object.
"""

import argparse
import json
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.config import params as parameters
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import Params
from urbanseg.grid import SPLITS, Grid
from urbanseg.io import cog, files, raster
from urbanseg.labels.doubt import NEIGHBOURS
from urbanseg.metrics.segmentation import class_scores, confusion, mean
from urbanseg.workflows import label_folds, repair_files, repair_labels
from urbanseg.workflows.city_blocks import CityBlocks, city_blocks
from urbanseg.workflows.label_folds import Labelled

ROOT = Path(__file__).parents[1]
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
                known = clean[block.slices] != IGNORE
                counts += confusion(clean[block.slices][known], predicted[known], len(params.classes))
    return {"miou": mean(class_scores(counts).iou)}


def numbered(doubts: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.int32]:
    """Objects called missing as a raster of their numbers from 1, 0 elsewhere."""
    missing = doubts[doubts["kind"] == "missing"].geometry
    if missing.empty:
        return np.zeros(grid.shape, np.int32)
    pairs = zip(missing, range(1, len(missing) + 1), strict=True)
    return np.asarray(features.rasterize(pairs, grid.shape, transform=grid.transform, dtype="int32"))


def found(city: Labelled, spoilt: Spoilt, params: Params, target: Path) -> dict[str, Any]:
    """Repair the labels, and compare what was found with what was done."""
    made = repair_labels.repair(city, params, target, target.parent / "repair")
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


def main() -> None:
    """Spoil, repair, train, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--city", required=True, help="name of this run in the folder")
    parser.add_argument("--scene", type=Path, required=True)
    parser.add_argument(
        "--labels", type=Path, required=True, help="class ids of params.yaml on the same grid"
    )
    parser.add_argument("--overlay", type=Path, help="on params.yaml")
    parser.add_argument("--shifts", choices=["block", "smooth"], default="block")
    parser.add_argument("--epochs", type=int, default=3, help="of each training")
    parser.add_argument("--steps", type=int, default=48, help="of each epoch")
    parser.add_argument("--crop", type=int, default=128, help="pixels")
    parser.add_argument("--upsample", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    text = (ROOT / "params.yaml").read_text()
    params = parameters.parse(
        overlaid(text, asked.overlay.read_text()) if asked.overlay else text, "params.yaml"
    )
    first = next(iter(params.cities.values())).model_copy(update={"role": "train"})
    wanted = params.repair
    wanted = wanted.model_copy(
        update={
            "align": wanted.align.model_copy(update={"max_px": MAX_PX + 2}),
            "doubt": wanted.doubt.model_copy(update={"classes": ["building"]}),
            "folds": wanted.folds.model_copy(update={"epochs": asked.epochs, "steps_per_epoch": asked.steps}),
        }
    )
    recipe = params.train.model_copy(
        update={
            "crop": asked.crop,
            "upsample": asked.upsample,
            "batch_size": asked.batch,
            "threads": asked.threads,
        }
    )
    params = params.model_copy(update={"repair": wanted, "train": recipe, "cities": {asked.city: first}})
    folder = asked.folder / asked.city
    with raster.reading(asked.labels) as labels:
        blocks, clean, grid = city_blocks(labels, [], params, asked.city), labels.read_band(), labels.grid
    spoilt = spoil(clean, blocks, params.class_table.id_of("building"), asked.shifts)
    if not (folder / "spoilt.tif").exists():
        with cog.writing(folder / "spoilt.tif", grid, dtype="uint8", nodata=IGNORE) as file:
            file.write(spoilt.labels)
    city = Labelled(asked.city, asked.scene, folder / "spoilt.tif", blocks)

    target = folder / "repaired.tif"
    result = remembered(
        folder / "found.json", lambda: found(city, spoilt, params, target) | {"shifts": asked.shifts}
    )
    print(json.dumps(result), flush=True)
    for name, path in {"clean": asked.labels, "untreated": city.labels, "repaired": target}.items():
        labelled = Labelled(asked.city, asked.scene, path, blocks)
        state = folder / "models" / name
        score = remembered(folder / f"miou_{name}.json", partial(test_miou, labelled, clean, params, state))
        result[f"miou_{name}"] = round(score["miou"], 4)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
