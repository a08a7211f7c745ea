"""The reference study's ablation on real tiles, as one queue of DVC experiments.

``python -m bench.ablation FOLDER [--set train.epochs=40 …] [--only resnet34 …]``

Clones the project into FOLDER with the overlay `params/dubai_tiles.yaml`, queues an
experiment for each row, runs the queue, and prints a Markdown table of what the metrics
say: validation, and the two test tiles, which no row was chosen by. Run again with the
same FOLDER, it queues only what is missing. The last line is one JSON object.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from urbanseg.config.overlay import overlaid

ROOT = Path(__file__).parents[1]
DVC = [sys.executable, "-m", "ci.before_dvc", "dvc"]
DATA = ROOT / "../shared/data"
STUDY = {
    "train.encoder_weights": "null",
    "train.balance": "0",
    "train.loss.lovasz_weight": "0",
    "train.loss.dice_weight": "0",
}
"""What all rows of the study share: no weights from elsewhere, tiles as they are, and one loss."""
ROWS: dict[str, dict[str, str]] = {
    "unet-resnet18": STUDY | {"train.encoder": "resnet18"},
    "unet-resnet34": STUDY | {"train.encoder": "resnet34"},
    "unet-resnet101": STUDY | {"train.encoder": "resnet101"},
    "unetplusplus-resnet34": STUDY | {"train.arch": "UnetPlusPlus", "train.encoder": "resnet34"},
    "unet-resnet34-focal": STUDY
    | {"train.encoder": "resnet34", "train.loss.ce_weight": "0", "train.loss.focal_weight": "1"},
    "unet-resnet34-dice": STUDY
    | {"train.encoder": "resnet34", "train.loss.ce_weight": "0", "train.loss.dice_weight": "1"},
    "unet-resnet34-balanced": STUDY | {"train.encoder": "resnet34", "train.balance": "1"},
    "default": {},
    "default-skewed": {"train.balance": "0"},
}
TARGETS = [f"cities/{name}/dvc.yaml:evaluate" for name in ("dubai_tiles", "dubai_tile4")]
TILES = {"dubai_tiles": "tile 2", "dubai_tile4": "tile 4"}


def prepare(folder: Path, settings: list[str]) -> None:
    """Clone the project into `folder`, with the real tiles' parameters and the `settings`."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "remote", "remove", "origin"], cwd=folder, check=True)
    # a queued experiment runs in a folder of its own, from where a relative path leads elsewhere
    text = overlaid((ROOT / "params.yaml").read_text(), (ROOT / "params/dubai_tiles.yaml").read_text())
    yaml = YAML()
    params = yaml.load(text.replace("../shared/data", str(DATA.resolve())))
    for setting in settings:
        *parents, last = setting.partition("=")[0].split(".")
        section = params
        for parent in parents:
            section = section[parent]
        section[last] = YAML(typ="safe").load(setting.partition("=")[2])
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    subprocess.run(DVC[:-1], cwd=folder, check=True)  # the pipelines of the cities
    subprocess.run(["git", "add", "cities", "params.yaml"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", "Take the real tiles"], cwd=folder, check=True)


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """Metrics of each finished experiment in `folder`, by its name."""
    shown = subprocess.run(
        [*DVC, "exp", "show", "--json"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    found = {}
    for baseline in json.loads(shown.stdout):
        for experiment in baseline["experiments"] or []:
            data = experiment["revs"][0]["data"]
            if data and data["metrics"]:
                found[experiment["name"]] = {
                    path: m["data"] for path, m in data["metrics"].items() if "data" in m
                }
    return found


def table(found: dict[str, dict[str, Any]], rows: list[str]) -> str:
    """The rows as Markdown."""
    lines = [
        "| experiment | epochs | val | "
        + " | ".join(f"{t} mIoU | {t} building, road, vegetation, water, bare soil" for t in TILES.values())
        + " |",
        "|" + "---|" * (3 + 2 * len(TILES)),
    ]
    for name in rows:
        metrics = found[name]
        training = metrics["metrics/training.json"]
        cells = [name, str(training["best_epoch"]), f"{training['val_miou']:.3f}"]
        for city in TILES:
            scores = metrics[f"metrics/{city}.json"]
            ious = [c["iou"] for k, c in scores["classes"].items() if k != "other"]
            cells += [f"**{scores['miou']:.3f}**", " ".join("–" if v is None else f"{v:.2f}" for v in ious)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Queue what is missing, run it, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="parameters of all rows")
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=ROWS, metavar="row")
    options = parser.parse_args()
    if not (DATA / "dubai").is_dir():
        sys.exit(f"{DATA / 'dubai'} is missing: the real tiles are not on this machine")
    if not options.folder.exists():
        prepare(options.folder, options.set)
    missing = [name for name in options.only if name not in results(options.folder)]
    for name in missing:
        changes = [part for key, value in ROWS[name].items() for part in ("--set-param", f"{key}={value}")]
        command = [*DVC, "exp", "run", "--queue", "--name", name, *changes, *TARGETS]
        subprocess.run(command, cwd=options.folder, check=True)
    if missing:
        subprocess.run([*DVC, "exp", "run", "--run-all"], cwd=options.folder, check=True)
    found = results(options.folder)
    print(table(found, options.only))
    print(
        json.dumps(
            {name: {c: found[name][f"metrics/{c}.json"]["miou"] for c in TILES} for name in options.only}
        )
    )


if __name__ == "__main__":
    main()
