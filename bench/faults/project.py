"""The small project that every case gets a copy of: one city of a local scene, and its model."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml

from bench.faults.rasters import PLACE, SHAPE
from urbanseg import paths
from urbanseg.config.params import load
from urbanseg.learn import resume
from urbanseg.workflows import city_pipelines

ROOT = Path(__file__).parents[2]
BANDS = ("blue", "green", "red", "nir")
STAGES = ("params", "scene", "labels", "tiles", "dataset", "train", "predict")


def make(folder: Path, run: Any) -> None:
    """Make the project.

    Args:
        folder: an empty one, the current one.
        run: a function that runs a stage in this process.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (6, 10)).repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
    pixels = 1000 + 1000 * labels.astype(float) + rng.normal(0, 50, (len(BANDS), *SHAPE))
    for name, values, nodata in (
        ("scene.tif", pixels.astype(np.uint16), 0),
        ("labels.tif", labels[None], 255),
    ):
        profile = {"crs": "EPSG:32632", "transform": PLACE, "height": SHAPE[0], "width": SHAPE[1]}
        with rasterio.open(
            folder / name,
            "w",
            driver="GTiff",
            dtype=values.dtype,
            count=len(values),
            nodata=nodata,
            **profile,
        ) as file:
            file.write(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(_params(), sort_keys=False), encoding="utf-8")
    for name in ("cities", "regions"):
        (folder / name).mkdir()
        shutil.copy(ROOT / name / "template.yaml", folder / name)
    shutil.copytree(ROOT / "data/none", folder / "data/none")
    city_pipelines.update(folder / "cities", load(folder / "params.yaml").cities)
    resume.clear = lambda _: None  # the state stays, as if the run had been killed
    for stage in STAGES:
        run(stage, *(() if stage in {"params", "dataset", "train"} else ("town",)))
    assert (folder / paths.RESUME / "state.safetensors").exists()  # noqa: S101


def copy(folder: Path, to: Path) -> None:
    """Copy the project by links: whoever changes a file writes it anew."""
    shutil.copytree(folder, to, copy_function=os.link, symlinks=True)


def _params() -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["tiles"] |= {"size": 64, "overlap": 32, "block": 64}
    params["train"] |= {
        "encoder_weights": None,
        "decoder_channels": [16, 8, 8, 8, 8],
        "crop": 64,
        "upsample": 1,
    }
    params["train"] |= {"threads": 1, "epochs": 1, "steps_per_epoch": 2, "batch_size": 2}
    params["predict"] |= {"size": 64, "overlap": 32, "threads": 1}
    params["export"]["formats"] = []
    remap = {0: "other", 1: "building", 2: "road"}
    params["cities"] = {
        "town": {
            "title": "Town",
            "role": "train",
            "inputs": ".",
            "scene": {
                "provider": "local",
                "path": "scene.tif",
                "bands": {b: i for i, b in enumerate(BANDS, 1)},
            },
            "osm": {"provider": "none"},
            "labels": {"source": "raster", "path": "labels.tif", "remap": remap},
        }
    }
    return params
