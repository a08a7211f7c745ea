"""`labels.align` and `labels.doubt` on real labels, drawn to be looked at: Atlanta and Aberystwyth.

``python -m bench.real_labels docs/real_labels.png [--data ../shared/data]``

Footprints drawn by hand on a panchromatic chip of 0.5 m (SpaceNet 4, Atlanta; its one band stands for red,
green and blue) are judged by the model `aerial-rgb`, and polygons on a Sentinel-2 scene (Aberystwyth) by
`s2-urban`, neither of which has seen them. The upper picture has arrows by which labels would be moved, over
the labels' outlines, the lower one the objects in doubt: missing in yellow, gone in red. The last line is
one JSON object.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.features import rasterize
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.dataset import splits
from urbanseg.grid import Window
from urbanseg.infer.backends.onnx import OnnxPredictor
from urbanseg.labels import align, doubt
from urbanseg.model.spec import read_spec
from urbanseg.report import label_shifts

WEIGHTS = Path(__file__).parents[1] / "urbanseg/weights"
MAX_PX, SPREAD_PX, HALO_PX = 6, 4.0, 64
FIRMNESS, MIN_PX = 0.9, 12
COARSE = {"forest": "vegetation", "grass": "vegetation", "water": "water"}
"""Polygons of Aberystwyth that are one class; urban ones are several, and stay unknown."""
COLORS = {"missing": (255, 212, 0), "gone": (214, 40, 40), "labels": (0, 200, 255)}


@dataclass(frozen=True)
class Place:
    """An image as a model takes it, labels of it as positions of the model's classes, and a picture."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    model: Path
    judged: str
    """Class whose objects are judged."""
    block_px: int


def stretched(band: NDArray[Any]) -> NDArray[np.uint8]:
    """A band as 0–255 between its 2nd and 98th percentile."""
    low, high = np.percentile(band[band > 0], (2, 98))
    return (np.clip((band - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def atlanta(data: Path) -> Place:
    """The chip and its footprints; all else is no building."""
    model = WEIGHTS / "aerial-rgb/1.1"
    names = read_spec(model).classes
    with rasterio.open(data / "atlanta/sample_geotiff.tif") as file:
        band, transform, crs = file.read(1).astype(float), file.transform, file.crs
    footprints = gpd.read_file(data / "atlanta/buildings.geojson").to_crs(crs)
    inside = rasterize(footprints.geometry, band.shape, transform=transform)
    labels = np.where(inside, names.index("building"), names.index("other")).astype(np.uint8)
    grey = stretched(band)
    return Place(
        np.repeat(grey[None], 3, 0).astype(np.float32),
        labels,
        np.stack([grey] * 3, -1),
        model,
        "building",
        225,
    )


def aberystwyth(data: Path) -> Place:
    """The scene and its polygons; all else is unknown."""
    model, folder = WEIGHTS / "s2-urban/1.1", data / "s2_aberystwyth"
    names = read_spec(model).classes
    with rasterio.open(next(folder.glob("*.tif"))) as file:
        pixels, transform, crs = file.read((1, 2, 3, 7)).astype(np.float32) * 10, file.transform, file.crs
    polygons = gpd.read_file(folder / "polygons.gpkg").to_crs(crs)
    known = polygons[polygons["class"].isin(COARSE.keys())]
    pairs = [(g, names.index(COARSE[c])) for g, c in zip(known.geometry, known["class"], strict=True)]
    labels = rasterize(pairs, pixels.shape[1:], fill=IGNORE, transform=transform, dtype="uint8")
    picture = np.stack([stretched(band) for band in pixels[[2, 1, 0]]], -1)
    return Place(pixels, labels, picture, model, "vegetation", 316)


def probabilities(place: Place, block: Window, predict: OnnxPredictor) -> NDArray[np.float32]:
    """Class probabilities of a block, the mean over its mirror images: ``(classes, height, width)``."""
    around, core = block.grown(HALO_PX, place.labels.shape)
    missing = [-side % 32 for side in (around.height, around.width)]
    pixels = np.pad(
        place.pixels[:, *around.slices], ((0, 0), (0, missing[0]), (0, missing[1])), mode="reflect"
    )
    flips = ((1, 1), (-1, 1), (1, -1), (-1, -1))
    seen = [np.ascontiguousarray(pixels[:, ::a, ::b])[None] for a, b in flips]
    total = sum(predict(each)[0][:, ::a, ::b] for each, (a, b) in zip(seen, flips, strict=True))
    return np.asarray(total / 4, np.float32)[:, *core.slices]


def judged(place: Place) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """What was found, and the picture."""
    names, predict = read_spec(place.model).classes, OnnxPredictor(place.model / "segmenter.onnx", 2)
    value = names.index(place.judged)
    blocks = splits.lay_blocks(place.labels.shape, place.block_px)
    said = [probabilities(place, block, predict) for block in blocks]
    shifts = [
        align.estimate(align.agreement(each, place.labels[block.slices], MAX_PX))
        for each, block in zip(said, blocks, strict=True)
    ]
    told = [number for number, shift in enumerate(shifts) if shift.precision.any()]
    offsets = align.smooth(shifts, splits.neighbours(blocks), SPREAD_PX, MAX_PX)
    sums = doubt.Sums()
    for each, block in zip(said, blocks, strict=True):
        sums.add(each[value], place.labels[block.slices], value)
    scale = 1200 / place.picture.shape[1]
    size = (1200, round(place.picture.shape[0] * scale))
    drawn = np.asarray(Image.fromarray(outlined(place.picture, place.labels == value)).resize(size))
    arrows = label_shifts.draw(
        drawn, {n: blocks[n] for n in told}, {n: offsets[n] for n in told}, scale, MAX_PX
    )
    marked, counts = place.picture.copy(), {"missing": 0, "gone": 0}
    if sums.levels is not None:
        for each, block in zip(said, blocks, strict=True):
            labels = place.labels[block.slices]
            for one in doubt.find(each[value], labels, value, place.judged, sums.levels, FIRMNESS, MIN_PX):
                counts[one.kind] += 1
                marked[block.slices][one.window.slices][one.mask] = COLORS[one.kind]
    result = {
        "blocks": len(blocks),
        "blocks_that_tell": len(told),
        "shifts_px": [[round(float(v), 2) for v in offsets[n]] for n in told],
        "inside_outside": [round(float(v), 3) for v in sums.total / np.maximum(sums.count, 1)],
        "judged": sums.levels is not None,
        **counts,
    }
    below = np.asarray(Image.fromarray(outlined(marked, place.labels == value)).resize(size))
    return result, np.concatenate([arrows, below], axis=0)


def outlined(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The picture with the borders of a mask drawn on it."""
    result = picture.copy()
    result[mask & ~ndimage.binary_erosion(mask)] = COLORS["labels"]
    return result


def main() -> None:
    """Judge both places, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked = parser.parse_args()
    report, drawn = {}, []
    for name, read in {"atlanta": atlanta, "aberystwyth": aberystwyth}.items():
        report[name], picture = judged(read(asked.data))
        print(name, report[name], flush=True)
        drawn.append(picture)
    height = max(each.shape[0] for each in drawn)
    padded = [
        np.pad(each, ((0, height - each.shape[0]), (0, 12), (0, 0)), constant_values=255) for each in drawn
    ]
    image = Image.fromarray(np.concatenate(padded, axis=1))
    image.resize((image.width // 2, image.height // 2)).quantize(160).save(asked.picture, optimize=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
