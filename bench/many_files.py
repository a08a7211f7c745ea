"""A data set of many small files: what each stage costs, a run with nothing to do, and the wait for data.

``python -m bench.many_files FOLDER [--files 20000]``

Writes images of 120 px with four bands and as many masks, `--files` together, into FOLDER/pictures; clones
the project beside them with one city of the provider ``folder``; and runs its stages to the training, one
after the other, through DVC. Training is an epoch of a narrow `PlainUNet`, which waits for data sooner than a
wide one. Prints seconds, CPU seconds and peak memory of each stage, DVC included, the share of the training
that waited for data, and the seconds of a `dvc repro` with nothing to do. Run again with the same
FOLDER, it keeps the files. The last line is one JSON object.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from ruamel.yaml import YAML
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
SIDE, CLASSES = 120, 5
DVC = [sys.executable, "-m", "ci.before_dvc", "dvc", "repro"]
BANDS = {"blue": 1, "green": 2, "red": 3, "nir": 4}
STAGES = (
    "cities/many/dvc.yaml:scene",
    "cities/many/dvc.yaml:osm",
    "cities/many/dvc.yaml:labels",
    "cities/many/dvc.yaml:repair",
    "cities/many/dvc.yaml:tiles",
    "dataset",
    "train",
)
STEPS, BATCH, WIDTH = 40, 16, 16


def write_files(folder: Path, pairs: int) -> None:
    """Images ``images/<group>/<number>.tif`` of uint16, and masks ``masks/<group>/<number>.png``."""
    rng = np.random.default_rng(20_000)
    levels = rng.integers(300, 4000, (CLASSES, len(BANDS)))
    size = {"driver": "GTiff", "count": len(BANDS), "height": SIDE, "width": SIDE, "dtype": "uint16"}
    for number in tqdm(range(pairs), desc="files", unit="pair"):
        name = f"{number % 100:02}/{number:05}"
        image, mask = folder / f"images/{name}.tif", folder / f"masks/{name}.png"
        if mask.exists():
            continue
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        classes = (np.arange(SIDE)[:, None] // 24 + np.arange(SIDE)[None] // 40 + number) % CLASSES
        pixels = levels[classes].transpose(2, 0, 1) + rng.integers(0, 200, (len(BANDS), SIDE, SIDE))
        placed = {"crs": "EPSG:32633", "transform": from_origin(300_000, 5_400_000, 10, 10)}
        with rasterio.open(image, "w", **size, **placed) as out:
            out.write(pixels.astype(np.uint16))
        Image.fromarray(classes.astype(np.uint8)).save(mask)


def parameters() -> dict[str, Any]:
    """The project's parameters with the files as its only city."""
    params = YAML().load(ROOT / "params.yaml")
    params["classes"] = {f"c{i}": {"id": i, "color": f"#{40 * i:02x}8080"} for i in range(CLASSES)}
    params["cities"] = {
        "many": {
            "title": "Many small files",
            "role": "train",
            "inputs": "../pictures",
            "scene": {
                "provider": "folder",
                "images": "../pictures/images/{group}/{number}.tif",
                "bands": BANDS,
                "resolution_m": 10,
                "splits": {"train": 0.8, "val": 0.1, "test": 0.1, "seed": 7},
            },
            "osm": {"provider": "none"},
            "labels": {
                "source": "masks",
                "masks": "../pictures/masks/{group}/{number}.png",
                "remap": {i: f"c{i}" for i in range(CLASSES)},
            },
        }
    }
    params["tiles"]["overlap"] = 0
    params["train"] |= {
        "arch": "PlainUNet",
        "encoder_weights": None,
        "width": WIDTH,
        "upsample": 1,
        "crop": 128,
        "batch_size": BATCH,
        "epochs": 1,
        "steps_per_epoch": STEPS,
        "balance": 0,
    }
    return dict(params)


def prepare(folder: Path) -> None:
    """Clone the project, and give it the city."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(parameters(), file)
    subprocess.run([sys.executable, "-m", "ci.before_dvc", "true"], cwd=folder, check=True)
    subprocess.run([*DVC, "params"], cwd=folder, check=True)


def measured(command: Sequence[str], folder: Path, log: Path) -> dict[str, float]:
    """Run a command, its output into `log`; seconds, CPU seconds and peak memory (MB) of it and its children.

    Args:
        command: what is run.
        folder: where.
        log: that gets what it says.

    Raises:
        SystemExit: if it fails, with the end of the log.
    """
    began = perf_counter()
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(log.read_text(encoding="utf-8")[-2000:])
    return {
        "s": round(perf_counter() - began, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
    }


def main() -> None:
    """Write what is missing, run the stages, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=20_000, help="images and masks together")
    options = parser.parse_args()
    write_files(options.folder / "pictures", options.files // 2)
    project, log = options.folder / "project", options.folder / "stage.log"
    if not project.exists():
        prepare(project)
    found: dict[str, Any] = {"files": options.files}
    for stage in STAGES:
        name = stage.rpartition(":")[2]
        found[name] = measured([*DVC, "--single-item", "--force", stage], project, log)
        print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in found[name].items()), flush=True)
        if name == "train":
            waited = re.findall(r"([\d.]+) % of \d+ s spent waiting for data", log.read_text("utf-8"))
            found["data_wait"] = float(waited[-1]) / 100
    found["no_op"] = measured([*DVC, "cities/many/dvc.yaml:tiles", "dataset"], project, log)
    if "Running stage" in log.read_text(encoding="utf-8"):
        sys.exit("a run with nothing to do ran a stage")
    print(f"no-op: {found['no_op']['s']} s; {found['data_wait']:.1%} of the training waited for data")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
