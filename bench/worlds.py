"""How a model does on worlds that it was not trained on, and on a real scene.

``python -m bench.worlds MODEL PROJECT [--real ../shared/data/s2_aberystwyth] [--role holdout]``

MODEL is the folder of a segmenter, PROJECT one in which scenes and labels of the worlds lie (such as a
working copy of ``ci.models``). Prints the mIoU of each world, with the lowest and the mean of each place;
then, if it is there, the accuracy on the hand-drawn polygons of Aberystwyth in coarse classes: building,
road and other are urban, and any plants are vegetation. With ``--baseline``, a per-pixel classifier of the
training worlds (`bench.baseline`) is scored there, too, by equal and by natural shares of the classes. The
last line is one JSON object.
"""

import argparse
import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from bench.baseline import fitted
from urbanseg.classes import IGNORE
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.infer import backends
from urbanseg.infer.images import select_bands
from urbanseg.infer.scene import predict_scene
from urbanseg.infer.stitching import Predictor
from urbanseg.io import raster
from urbanseg.metrics import segmentation
from urbanseg.model.spec import Spec

COARSE = {
    "forest": {"vegetation"}, "grass": {"vegetation"}, "water": {"water"},
    "urban": {"building", "road", "other"},
}  # fmt: skip
"""Classes that are right in the polygons of Aberystwyth, by their class."""
BANDS = (1, 2, 3, 7)
"""Of its scene: B02, B03, B04, B08."""


def predicted(path: Path, model: tuple[Predictor, Spec], options: PredictParams) -> NDArray[np.uint8]:
    """Classes of a scene: ``(height, width)``, 255 where there is no data."""
    predict, spec = model
    with raster.reading(path) as scene:
        classes = np.full(scene.grid.shape, IGNORE, np.uint8)
        bands = select_bands(scene.info.descriptions, spec, str(path))
        for strip in predict_scene(scene, bands, predict, spec.classes, options):
            classes[strip.window.slices] = strip.layers["classes"]
    return classes


def worlds(
    project: Path, role: str, model: tuple[Predictor, Spec], options: PredictParams
) -> Iterator[tuple[str, dict[str, float]]]:
    """The mIoU and the IoU of each class present, by city."""
    names = model[1].classes
    for city, about in load(project / "params.yaml").cities.items():
        labels = project / "data/labels" / f"{city}.tif"
        if about.role != role or not labels.exists():
            continue
        with rasterio.open(labels) as file:
            reference = file.read(1)
        classes = predicted(project / "data/scene" / city / "scene.tif", model, options)
        known = (reference != IGNORE) & (classes != IGNORE)
        matrix = segmentation.confusion(reference[known], classes[known], len(names))
        iou, present = segmentation.class_scores(matrix).iou, segmentation.present(matrix)
        shown = {name: float(iou[i]) for i, name in enumerate(names) if present[i]}
        yield city, {"miou": float(np.mean(list(shown.values()))), **shown}


def real(folder: Path, model: tuple[Predictor, Spec], options: PredictParams) -> dict[str, float]:
    """Shares of the pixels in polygons that are right in coarse classes, by class, and of all."""
    with rasterio.open(next(folder.glob("*.tif"))) as file:
        profile, pixels = file.profile, file.read(BANDS)
    profile |= {"count": len(BANDS), "dtype": "uint16", "nodata": 0}
    with tempfile.TemporaryDirectory() as work:
        scene = Path(work) / "scene.tif"
        with rasterio.open(scene, "w", **profile) as file:
            file.write(np.round(pixels.astype(float) * 10).astype(np.uint16))  # to reflectance × 10000
            file.descriptions = ("B02", "B03", "B04", "B08")
        classes = predicted(scene, model, options)
    names = model[1].classes
    right: dict[str, float] = {}
    sums = np.zeros(2)
    for kind, polygons in gpd.read_file(folder / "polygons.gpkg").to_crs(profile["crs"]).groupby("class"):
        inside = classes[geometry_mask(polygons.geometry, classes.shape, profile["transform"], invert=True)]
        inside = inside[inside != IGNORE]
        good = np.isin(inside, [i for i, name in enumerate(names) if name in COARSE[str(kind)]])
        right[str(kind)] = float(good.mean())
        sums += good.sum(), len(good)
        if kind == "urban":
            built = np.isin(inside, [names.index("building"), names.index("road")])
            right["building or road in urban"] = float(built.mean())
    return right | {"all": float(sums[0] / sums[1])}


def per_pixel(project: Path, classes: int, *, balanced: bool) -> Predictor:
    """What colour alone tells: the classifier of `bench.baseline` on the training worlds, as a predictor."""
    with contextlib.chdir(project):
        params = load(Path("params.yaml"))
        cities = [city for city, about in params.cities.items() if about.role == "train"]
        model, shares = fitted(cities, params)

    def predict(pixels: NDArray[Any]) -> NDArray[np.float32]:
        n, bands, height, width = pixels.shape
        flat = np.moveaxis(pixels, 1, -1).reshape(-1, bands).astype(np.float32)
        chances = np.zeros((len(flat), classes), np.float32)
        chances[:, model.classes_] = model.predict_proba(flat) * (1 if balanced else shares)
        chances /= chances.sum(axis=1, keepdims=True)
        return np.moveaxis(chances.reshape(n, height, width, classes), -1, 1).copy()

    return predict


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--real", type=Path, default=Path("../shared/data/s2_aberystwyth"))
    parser.add_argument("--role", default="holdout", choices=["holdout", "train"])
    parser.add_argument("--baseline", action="store_true")
    asked = parser.parse_args()
    options = PredictParams()
    model = backends.load(asked.model, asked.project / "models/export", options)
    found = dict(worlds(asked.project, asked.role, model, options))
    places: dict[str, list[float]] = {}
    for city, scores in found.items():
        places.setdefault(city.rpartition("_")[0] or city, []).append(scores["miou"])
        print(f"{city:24}", *(f"{name} {value:.3f}" for name, value in scores.items()))
    for place, values in places.items():
        print(f"{place}: mean mIoU {np.mean(values):.3f}, lowest {min(values):.3f}, of {len(values)} worlds")
    report: dict[str, object] = {"worlds": {city: scores["miou"] for city, scores in found.items()}}
    if (asked.real / "polygons.gpkg").exists():
        report["real"] = real(asked.real, model, options)
        print(f"Aberystwyth: {report['real']}")
        for balanced in (True, False) if asked.baseline else ():
            baseline = per_pixel(asked.project, len(model[1].classes), balanced=balanced)
            name = f"per pixel, {'equal' if balanced else 'natural'} shares"
            report[name] = real(asked.real.resolve(), (baseline, model[1]), options)
            print(f"Aberystwyth, {name}: {report[name]}")
    else:
        print(f"{asked.real} does not exist: no real scene is scored")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
