"""Attached buildings one by one: `train.instances` against connected components of the class building.

``python -m bench.instances FOLDER [--side 768] [--epochs 8] [--steps 30] [--picture docs/instances.png]``

A simulated town at 0.5 m, of rows, courtyards, and houses with garages and sheds (`bench.attached`), goes
through the stages in FOLDER, and two models are trained alike, without and with `train.instances`. On the
test blocks, a building is found if an object has an IoU of 0.5 or more with it: the objects are the
4-connected patches of building that the model without predicts, or what the watershed of the other gives.
Objects are cut at the borders of the blocks, in the reference alike, and those below `LEAST_PX` pixels don't
count. A run that was stopped goes on where it was. The last line is one JSON object.
"""

import argparse
import contextlib
import importlib
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from bench.attached import town
from urbanseg import osm, paths
from urbanseg.classes import IGNORE
from urbanseg.config import params as parameters
from urbanseg.config.params import Params
from urbanseg.grid import SPLITS, Window, utm_grid
from urbanseg.io import raster
from urbanseg.labels.cores import in_pixels, numbered
from urbanseg.metrics.segmentation import class_scores, confusion, mean
from urbanseg.osm.simulated import write

CITY = "town"
PLACE = 9.19, 48.78
"""Longitude and latitude of the middle."""
PIXEL_M = 0.5
BLOCK_PX = 192
LEAST_PX = 16
TEST = SPLITS.index("test")
NAMES = {"connected": False, "instances": True}
"""`train.instances` of each model."""

Numbers = NDArray[np.int64]


def described(base: dict[str, Any], asked: argparse.Namespace, *, instances: bool) -> dict[str, Any]:
    """params.yaml of the bench: the town alone, at its resolution, with a short training."""
    scene = base["cities"]["demo"]["scene"] | {
        "osm_path": "town.osm.pbf", "resolution_m": PIXEL_M, "render_m": PIXEL_M / 2, "cloud_share": 0.0,
    }  # fmt: skip
    scene.pop("layout")
    city = base["cities"]["demo"] | {
        "title": "Town", "inputs": "town.osm.pbf", "scene": scene,
        "osm": {"provider": "pbf", "path": "town.osm.pbf"},
    }  # fmt: skip
    tiles = {"size": 128, "overlap": 64, "block": BLOCK_PX, "gap": 8}
    train = {
        "instances": instances, "upsample": 1, "crop": 128, "epochs": asked.epochs,
        "steps_per_epoch": asked.steps, "patience": asked.epochs, "device": "cpu",
    }  # fmt: skip
    return base | {
        "cities": {CITY: city},
        "tiles": base["tiles"] | tiles,
        "train": base["train"] | train,
        "predict": base["predict"] | {"size": 256, "overlap": 64, "calibrate": False},
    }


def stage(name: str, *args: str) -> None:
    """Run a stage in this folder."""
    sys.argv = [name, *args]
    importlib.import_module(f"stages.{name}").main()


def prepared(base: dict[str, Any], asked: argparse.Namespace) -> None:
    """The town's scene, labels and tiles."""
    if paths.DATASET.exists():
        return
    side = asked.side
    grid = utm_grid(*PLACE, side, side, PIXEL_M)
    write(Path("town.osm.pbf"), town(grid.bounds, asked.seed), grid.crs)
    put(described(base, asked, instances=True))
    shutil.copytree(Path(__file__).parents[1] / "data/none", "data/none", dirs_exist_ok=True)
    for name in ("scene", "osm", "labels", "repair", "tiles"):
        stage(name, CITY)
    stage("dataset")


def put(params: dict[str, Any]) -> None:
    """Write params.yaml of this folder."""
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def predicted(name: str, params: dict[str, Any]) -> Path:
    """Folder of what a model predicts, trained if there is none yet."""
    made = Path(name)
    if not (made / "prediction").exists():
        put(params)
        stage("train")
        stage("predict", CITY)
        made.mkdir(exist_ok=True)
        paths.MODEL.replace(made / "segmenter")
        paths.prediction_dir(CITY).replace(made / "prediction")
    return made / "prediction"


def read(path: Path) -> NDArray[Any]:
    """The first band of a raster, ``(height, width)``."""
    with raster.reading(path) as file:
        return file.read_band()


def reference(params: Params) -> Numbers:
    """Number of the footprint of each pixel that is labelled a building, ``(height, width)``."""
    with raster.reading(paths.labels(CITY)) as file:
        labels, grid = file.read_band(), file.grid
    found = osm.polygons(osm.load_features(paths.osm(CITY)), grid.crs, params.labels)
    shapes = in_pixels(found.geometry.to_numpy()[found["class"] == "building"], grid)
    whole = numbered(shapes, Window(0, 0, *grid.shape))
    return np.where(labels == params.class_table.id_of("building"), whole, 0).astype(np.int64)


def components(mask: NDArray[np.bool_]) -> Numbers:
    """Number of the 4-connected patch of each pixel of a mask, ``(height, width)``."""
    return np.asarray(ndimage.label(mask)[0], np.int64)


def blocks_of(split: NDArray[np.uint8]) -> list[tuple[slice, slice]]:
    """The test blocks."""
    starts = [range(0, side, BLOCK_PX) for side in split.shape]
    at = [(slice(r, r + BLOCK_PX), slice(c, c + BLOCK_PX)) for r in starts[0] for c in starts[1]]
    return [each for each in at if (split[each] == TEST).all()]


def matched(truth: Numbers, found: Numbers) -> tuple[int, int, int]:
    """Objects that match with an IoU of 0.5 or more, true ones, and found ones, of a block."""
    sizes = [np.bincount(each.ravel()) for each in (truth, found)]
    pairs, shared = np.unique(
        np.column_stack([truth.ravel(), found.ravel()])[(truth.ravel() > 0) & (found.ravel() > 0)],
        axis=0, return_counts=True,
    )  # fmt: skip
    for size in sizes:
        size[0] = 0
    own, theirs = pairs.T
    iou = shared / (sizes[0][own] + sizes[1][theirs] - shared)
    good = (iou >= 0.5) & (sizes[0][own] >= LEAST_PX) & (sizes[1][theirs] >= LEAST_PX)
    return int(good.sum()), *(int((size >= LEAST_PX).sum()) for size in sizes)  # type: ignore[return-value]


def f1(truth: Numbers, found: Numbers, blocks: list[tuple[slice, slice]]) -> float:
    """F1 of the objects at an IoU of 0.5 over the blocks."""
    hits, true, predicted = np.sum([matched(truth[at], found[at]) for at in blocks], axis=0)
    return float(2 * hits / max(1, true + predicted))


def scores(
    folder: Path, params: Params, truth: Numbers, blocks: list[tuple[slice, slice]]
) -> dict[str, float]:
    """F1 of patches and, where there are, of buildings one by one; IoU of building, and mean IoU."""
    classes, labels = read(folder / "classes.tif"), read(paths.labels(CITY))
    size, lut = len(params.classes), params.class_table.position_lut
    counts = np.zeros((size, size), np.int64)
    for at in blocks:
        known = labels[at] != IGNORE
        counts += confusion(lut[labels[at]][known], lut[classes[at]][known], size)
    iou = class_scores(counts).iou
    building = params.class_table.id_of("building")
    found = {"f1_components": f1(truth, components(classes == building), blocks)}
    if (folder / "instances.tif").exists():
        found["f1"] = f1(truth, read(folder / "instances.tif").astype(np.int64), blocks)
    found |= {"miou": mean(iou), "building_iou": float(iou[params.class_table.names.index("building")])}
    return {name: round(value, 4) for name, value in found.items()}


def colored(numbers: Numbers) -> NDArray[np.uint8]:
    """A colour for each number, black for none."""
    colors = np.random.default_rng(5).integers(70, 256, (int(numbers.max()) + 1, 3)).astype(np.uint8)
    colors[0] = 0
    return np.asarray(colors[numbers])


def drawn(target: Path, truth: Numbers, found: dict[str, Numbers], block: tuple[slice, slice]) -> None:
    """A test block: image, reference, patches and buildings one by one, side by side."""
    with raster.reading(paths.scene(CITY)) as file:
        pixels = file.read()[[2, 1, 0]][:, *block].astype(float)
    low, high = np.percentile(pixels, (1, 99))
    image = (np.clip((pixels - low) / (high - low), 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    panels = [image, *(colored(each[block]) for each in (truth, *found.values()))]
    gap = np.full((image.shape[0], 6, 3), 255, np.uint8)
    row = np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)
    Image.fromarray(row).resize((row.shape[1] * 2, row.shape[0] * 2), Image.Resampling.NEAREST).save(target)


def main() -> None:
    """Train, predict, score, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=float, default=768, help="of the town in metres")
    parser.add_argument("--seed", type=int, default=1, help="of the plan")
    parser.add_argument("--epochs", type=int, default=8, help="of each training")
    parser.add_argument("--steps", type=int, default=30, help="of each epoch")
    parser.add_argument("--picture", type=Path, help="where to draw a test block")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    base = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    picture = asked.picture.resolve() if asked.picture else None
    asked.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(asked.folder):
        prepared(base, asked)
        params = parameters.load(paths.PARAMS)
        truth, blocks = reference(params), blocks_of(read(paths.split(CITY)))
        folders = {
            name: predicted(name, described(base, asked, instances=wanted)) for name, wanted in NAMES.items()
        }
        result: dict[str, Any] = {
            "test_blocks": len(blocks),
            "buildings": sum(matched(truth[at], truth[at])[1] for at in blocks),
        }
        for name, folder in folders.items():
            result[name] = scores(folder, params, truth, blocks)
            print(name, result[name], flush=True)
        gain = result["instances"]["f1"] - result["connected"]["f1_components"]
        result["f1_gain"] = round(gain, 4)
        if picture:
            classes = read(folders["connected"] / "classes.tif") == params.class_table.id_of("building")
            found = {
                "connected": components(classes),
                "instances": read(folders["instances"] / "instances.tif").astype(np.int64),
            }
            fullest = max(blocks, key=lambda at: len(np.unique(truth[at])))
            drawn(picture, truth, found, fullest)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
