"""Recipes judged by whole tiles of Dubai left out: rows × folds × seeds, each a DVC experiment.

``python -m bench.left_out FOLDER [--rows default …] [--folds 24 15 36] [--seeds 7] [--set key=value …]``

In each fold two of the six real tiles are kept back, one as the test of the training city and one as a city
of its own; the other four are trained on, but for one image of each, which is the validation. Clones the
project into FOLDER with the overlay `params/dubai_tiles.yaml` and a short training (240 steps), and runs what
is missing there, one experiment after the other; run again, it goes on. Rows of newer code take a FOLDER of
their own. What an experiment made lies in FOLDER/kept/<row>-<fold>-<seed>, its model, scores and the rasters
that it was scored on, for benches that change a trained model (`bench.adapt`). Prints a Markdown table by
row: mean and worst mIoU of the tiles kept back, the standard error of the mean over the tiles, the mean
calibration error, by how much the forecast of the mIoU was off, on how many tiles by 0.08 at most, and CPU
minutes. The last line is one JSON object.
"""

import argparse
import json
import resource
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from bench.ablation import DATA, DVC, ROOT
from urbanseg.config.overlay import overlaid
from urbanseg.io import files

TILES, IMAGES = range(1, 7), range(1, 10)
VALIDATION_IMAGE = 5
CITY, ALONE = "dubai_tiles", "dubai_left_out"
"""The city that is trained on, and the tile that is a city of its own."""

STEPS = {"train.epochs": 10, "train.steps_per_epoch": 24}
"""The short training: 240 steps."""

FOLDS = {"24": (2, 4), "15": (1, 5), "36": (3, 6)}
"""The two tiles that are kept back."""

ROWS: dict[str, dict[str, str]] = {
    "default": {},
    "no-balance": {"train.balance": "0"},
    "gamma": {"train.augment.gamma": "0.3"},
    "strong-colours": {"train.augment.bands": "0.15", "train.augment.contrast": "0.25"},
    "scale": {"train.augment.scale": "0.5"},
    "label-smoothing": {"train.loss.label_smoothing": "0.05"},
    "tta": {"predict.augment": "d4"},
    "fourier": {"+train.augment.fourier": "1"},
    "convolution": {"+train.augment.convolution": "0.5"},
    "light": {"+train.augment.light": "0.5"},
    "multi-scale": {"tiles.size": "512", "tiles.overlap": "256", "train.augment.scale": "0.5"},
}
"""What each recipe changes; with a + what params.yaml does not name."""

NEAR = 0.08
"""How far a forecast may be off."""

KEPT = "kept"
"""In FOLDER: what each experiment made."""

COSTS = "cpu_minutes.json"
"""In FOLDER: CPU minutes of each experiment."""

OUTPUTS = (
    "models/segmenter",
    "models/export",
    "metrics/training.json",
    *(f"{name.format(city)}" for city in (CITY, ALONE) for name in (
        "metrics/{}.json", "data/scene/{}", "data/labels/{}.tif", "data/tiles/{}_split.tif"
    )),
)  # fmt: skip
"""What is kept of an experiment."""


def splits(kept_back: int, also: int) -> dict[str, list[str]]:
    """Images of each split of the training city, where two tiles are kept back."""
    rest = [tile for tile in TILES if tile not in {kept_back, also}]
    names = {tile: [f"tile{tile}/image_part_{image:03d}" for image in IMAGES] for tile in rest}
    validation = f"{VALIDATION_IMAGE:03d}"
    return {
        "train": [name for tile in rest for name in names[tile] if not name.endswith(validation)],
        "val": [name for tile in rest for name in names[tile] if name.endswith(validation)],
        "test": [f"tile{kept_back}"],
    }


def changes(row: str, fold: str, seed: int) -> dict[str, str]:
    """What an experiment changes: values by their key in params.yaml."""
    first, second = FOLDS[fold]
    parts = {
        f"cities.{CITY}.scene.splits.{name}": f"[{','.join(images)}]"
        for name, images in splits(first, second).items()
    }
    alone = {f"cities.{ALONE}.scene.splits.test": f"[tile{second}]"}
    return ROWS[row] | parts | alone | {"train.seed": str(seed)}


def prepare(folder: Path, settings: list[str]) -> None:
    """Clone the project into `folder`, with the real tiles' parameters and the `settings`."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "remote", "remove", "origin"], cwd=folder, check=True)
    # An experiment runs in a folder of its own, from where a relative path leads elsewhere.
    text = overlaid((ROOT / "params.yaml").read_text(), (ROOT / "params/dubai_tiles.yaml").read_text())
    yaml = YAML()
    params = yaml.load(text.replace("../shared/data", str(DATA.resolve())))
    alone = params["cities"].pop("dubai_tile4")
    alone["title"], alone["inputs"] = "Dubai, a tile for testing alone", str(DATA.resolve() / "dubai")
    params["cities"][ALONE] = alone
    chosen = {key: str(value) for key, value in STEPS.items()} | dict(s.split("=", 1) for s in settings)
    for key, value in chosen.items():
        *parents, last = key.split(".")
        section = params
        for parent in parents:
            section = section[parent]
        section[last] = YAML(typ="safe").load(value)
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    subprocess.run(DVC[:-1], cwd=folder, check=True)  # the pipelines of the cities
    subprocess.run(["git", "add", "cities", "params.yaml"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", "Take the real tiles"], cwd=folder, check=True)


def run(folder: Path, name: str, changed: dict[str, str]) -> float:
    """Run an experiment in a folder of its own below `folder`; CPU minutes that it took."""
    words = [word for key, value in changed.items() for word in ("--set-param", f"{key}={value}")]
    targets = [f"cities/{city}/dvc.yaml:evaluate" for city in (CITY, ALONE)]
    before = _cpu_s()
    subprocess.run([*DVC, "exp", "run", "--temp", "--name", name, *words, *targets], cwd=folder, check=True)
    return round((_cpu_s() - before) / 60, 1)


def keep(folder: Path, name: str) -> None:
    """Copy what a finished experiment made to where it is kept."""
    kept = folder.resolve() / KEPT / name
    ref = ["git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}"]
    commit = subprocess.run(ref, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with files.temporary(kept) as made:
        for output in OUTPUTS:
            (made / output).parent.mkdir(parents=True, exist_ok=True)
            command = [*DVC, "get", "--quiet", "--rev", commit, "--out", str(made / output), ".", output]
            subprocess.run(command, cwd=folder, check=True)
        made.rename(kept)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summarise(folder: Path, names: list[str], costs: dict[str, float]) -> dict[str, Any]:
    """The figures of a row, from what its experiments kept: each scores two tiles."""
    scores = [
        files.read_json(folder / KEPT / name / f"metrics/{city}.json")
        for name in names
        for city in (CITY, ALONE)
    ]
    mious = np.array([score["miou"] for score in scores])
    errors = [score["forecast"]["error"] for score in scores]
    known = np.array([error for error in errors if error is not None])
    return {
        "tiles": len(scores),
        "mean": round(float(mious.mean()), 4),
        "worst": round(float(mious.min()), 4),
        "standard_error": round(float(mious.std(ddof=1) / np.sqrt(len(mious))), 4),
        "ece": round(float(np.mean([score["calibration"]["ece"] for score in scores])), 4),
        "forecast_off": round(float(np.abs(known).mean()), 4) if len(known) else None,
        "forecasts_near": int((np.abs(known) <= NEAR).sum()),
        "cpu_minutes": round(sum(costs[name] for name in names), 1),
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    head = ("row", *next(iter(rows.values())))
    lines = [f"| {' | '.join(each.replace('_', ' ') for each in head)} |", "|" + "---|" * len(head)]
    for name, figures in rows.items():
        cells = ("–" if value is None else str(value) for value in figures.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=ROWS, metavar="row")
    parser.add_argument("--folds", nargs="*", default=list(FOLDS), choices=FOLDS, metavar="fold")
    parser.add_argument("--seeds", nargs="*", type=int, default=[7])
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="parameters of all rows")
    asked = parser.parse_args()
    if not (DATA / "dubai").is_dir():
        sys.exit(f"{DATA / 'dubai'} is missing: the real tiles are not on this machine")
    if not asked.folder.exists():
        prepare(asked.folder, asked.set)
    elif asked.set:
        sys.exit(f"{asked.folder} has parameters of its own already; leave out --set, or name another folder")
    costs: dict[str, float] = {}
    if (asked.folder / COSTS).exists():
        costs = files.read_json(asked.folder / COSTS)
    names: dict[str, list[str]] = {row: [] for row in asked.rows}
    for row, fold, seed in product(asked.rows, asked.folds, asked.seeds):
        name = f"{row}-{fold}-{seed}"
        names[row].append(name)
        if name not in costs:
            costs[name] = run(asked.folder, name, changes(row, fold, seed))
            files.write_json(asked.folder / COSTS, costs)
        if not (asked.folder / KEPT / name).exists():
            keep(asked.folder, name)
    report = {row: summarise(asked.folder, experiments, costs) for row, experiments in names.items()}
    print(table(report))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
