"""Change between the NAIP images of 2012 and 2020, five metres, in the prairie of North Dakota.

There are no labels of the place, so both dates are classified by fixed rules on vegetation
and water indices (Tucker 1979; McFeeters 1996), not by a model; the confidence is the
distance from the nearest threshold. Prints the from-to matrix and one JSON line, and
draws a picture if a path is given: ``python -m bench.change_naip [picture.png]``.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from urbanseg import paths
from urbanseg.classes import CONFIDENCE_SCALE
from urbanseg.cli.main import execute
from urbanseg.config.params import load
from urbanseg.grid import strips
from urbanseg.io import cog, raster
from urbanseg.mapping.change import UNKNOWN

NAIP = Path("../shared/data/naip")
WATER_NDWI, GREEN_NDVI, SURE_MARGIN = 0.1, 0.05, 0.1
VEGETATION, WATER, BARE = 3, 4, 5


def classify(source: Path, folder: Path) -> None:
    """Write classes and confidence of an image by the rules, a strip at a time."""
    folder.mkdir()
    with raster.reading(source) as image:
        options = {"dtype": np.uint8, "nodata": 255}
        with (
            cog.writing(folder / "classes.tif", image.grid, **options) as classes,
            cog.writing(folder / "confidence.tif", image.grid, **options) as confidence,
        ):
            for strip in strips(image.grid.shape, 512):
                made, certainty = ruled(image.read(strip).astype(np.float64))
                classes.write(made, strip)
                confidence.write(certainty, strip)


def ruled(bands: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Classes and confidence (0–254) of red, green, blue, near infrared ``(4, height, width)``."""
    red, green, _, infrared = bands
    ndvi = (infrared - red) / np.maximum(infrared + red, 1)
    ndwi = (green - infrared) / np.maximum(green + infrared, 1)
    water, green_cover = ndwi > WATER_NDWI, ndvi > GREEN_NDVI
    made = np.where(water, WATER, np.where(green_cover, VEGETATION, BARE)).astype(np.uint8)
    margin = np.where(water, ndwi - WATER_NDWI, np.minimum(WATER_NDWI - ndwi, np.abs(ndvi - GREEN_NDVI)))
    sure = (0.5 + 0.5 * np.clip(margin / SURE_MARGIN, 0, 1)) * CONFIDENCE_SCALE
    empty = (bands == 0).all(axis=0)
    made[empty] = 255
    return made, np.where(empty, 255, np.round(sure)).astype(np.uint8)


def draw(codes: Path, image: Path, target: Path) -> None:
    """The second image in grey; new water blue, lost water red, other change yellow."""
    with raster.reading(codes) as changed, raster.reading(image) as scene:
        found = changed.decimated(760)[0].filled(UNKNOWN)
        grey = scene.decimated(760)[1].filled(0)[: found.shape[0], : found.shape[1]]
    picture = np.repeat(np.asarray(grey, np.uint8)[..., np.newaxis], 3, axis=2) // 2 + 90
    known = (found > 0) & (found != UNKNOWN)
    picture[known] = (240, 200, 60)
    picture[known & (found % 256 == WATER)] = (30, 110, 220)
    picture[known & (found // 256 == WATER)] = (210, 50, 40)
    Image.fromarray(picture).quantize(48).save(target, optimize=True)


def main() -> None:
    """Classify, compare, print."""
    images = sorted(NAIP.glob("*.tif"))
    years = {year: next(p for p in images if year in p.name) for year in ("2012", "2020")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for year, image in years.items():
            classify(image, folder / year)
        target = sys.argv[1:]
        began = time.perf_counter()
        execute(["change", *(str(folder / year) for year in years), str(folder / "out")])
        seconds = time.perf_counter() - began
        matrix = pd.read_csv(folder / "out/matrix_ha.csv", index_col="before")
        shown = [c for c in matrix if matrix[c].any() or matrix.loc[c].any()]
        print(matrix.loc[shown, shown].round(1).to_string())
        if target:
            draw(folder / "out/change.tif", years["2020"], Path(target[0]))
    water, rules = load(paths.PARAMS).class_table.names[WATER], load(paths.PARAMS).change
    print(
        json.dumps(
            {
                "water_before_ha": round(float(matrix.loc[water].sum()), 1),
                "water_after_ha": round(float(matrix[water].sum()), 1),
                "changed_share": round(1 - float(np.trace(matrix)) / float(matrix.to_numpy().sum()), 4),
                "min_area_m2": rules.min_area_m2,
                "seconds": round(seconds, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
