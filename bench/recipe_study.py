"""A published study on its own data set: architecture × encoder × loss × balance as one queue of experiments.

``python -m bench.recipe_study NAME FOLDER [--data ../datasets] [--set train.epochs=40 …] [--only recipe …]``

NAME is a recipe of params/datasets. Clones the project into FOLDER with that recipe, queues a DVC
experiment for the recipe itself and for each row of `bench.ablation`, runs the queue, and prints a Markdown
table: the published figure where there is one, ours with its interval of 95 %, and the IoU of each class. Run
again with the same FOLDER, it queues only what is missing.

``--binary`` adds a comparison of courses: a model of each class against the rest, merged into one
(`urbanseg merge`), its map refined by a median filter, beside the multiclass model of the recipe, refined as
well. The last line is one JSON object.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.ablation import DVC, ROOT, STUDY, results
from bench.ablation import ROWS as ABLATION
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import load
from urbanseg.io import files

ROWS: dict[str, dict[str, str]] = {"recipe": {}} | {
    name: {"train.arch": "Unet"} | changes
    for name, changes in ABLATION.items()
    if changes.keys() >= STUDY.keys()
}
"""What each row changes in the recipe."""

PUBLISHED: dict[str, dict[str, str]] = {
    "landcover_ai": {
        "unet-resnet18": "mIoU 0.871",
        "unet-resnet34": "mIoU 0.884",
        "unet-resnet101": "mIoU 0.887",
        "unetplusplus-resnet34": "mIoU 0.886",
    },
    "ben_ge_800": {"recipe": "by batch: IoU 0.30, F1 0.66"},
    "ghana_crops": {"recipe": "F1 0.573, accuracy 0.609"},
    "semantic_drone": {"recipe": "accuracy 0.81"},
    "cityscapes": {"recipe": "mIoU 0.711"},
}
"""By recipe and row; sources and what differs are at the head of each recipe."""

MULTICLASS, BINARY = "multiclass, median filter", "binary models merged, median filter"
CLEAN = {"clean": "median", "clean_px": 1}


def prepare(folder: Path, name: str, data: Path, settings: list[str]) -> None:
    """Clone the project into `folder` with a recipe and the `settings`.

    Args:
        folder: where to.
        name: of the recipe.
        data: the folder in which the data set is unpacked.
        settings: ``key=value`` for all rows.
    """
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "remote", "remove", "origin"], cwd=folder, check=True)
    recipe = (ROOT / f"params/datasets/{name}.yaml").read_text(encoding="utf-8")
    # a queued experiment runs in a folder of its own, from where a relative path leads elsewhere
    text = overlaid((ROOT / "params.yaml").read_text("utf-8"), recipe).replace(
        "../datasets", str(data.resolve())
    )
    yaml = YAML()
    params = yaml.load(text)
    for setting in settings:
        key, _, value = setting.partition("=")
        *parents, last = key.split(".")
        section = params
        for parent in parents:
            section = section[parent]
        section[last] = YAML(typ="safe").load(value)
    write(folder, params)
    subprocess.run(DVC[:-1], cwd=folder, check=True)  # the pipelines of the cities
    subprocess.run(["git", "add", "cities", "params.yaml"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", f"Take {name}"], cwd=folder, check=True)


def write(folder: Path, params: Any) -> None:
    """Write params.yaml."""
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)


def run_rows(folder: Path, city: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """The scores of each row, after running those that are missing.

    Args:
        folder: of the project.
        city: of the recipe.
        names: of the rows.
    """
    missing = [name for name in names if name not in results(folder)]
    for name in missing:
        changes = [part for key, value in ROWS[name].items() for part in ("--set-param", f"{key}={value}")]
        command = [
            *DVC,
            "exp",
            "run",
            "--queue",
            "--name",
            name,
            *changes,
            f"cities/{city}/dvc.yaml:evaluate",
        ]
        subprocess.run(command, cwd=folder, check=True)
    if missing:
        subprocess.run([*DVC, "exp", "run", "--run-all"], cwd=folder, check=True)
    found = results(folder)
    return {name: found[name][f"metrics/{city}.json"] for name in names}


def run_binary(folder: Path, city: str) -> dict[str, dict[str, Any]]:
    """Scores of the multiclass model and of binary ones merged, both refined by a median filter."""
    params = YAML().load(folder / "params.yaml")
    params["predict"] |= CLEAN
    write(folder, params)
    target = f"cities/{city}/dvc.yaml:evaluate"
    scores = folder / f"metrics/{city}.json"
    subprocess.run([*DVC, "repro", target], cwd=folder, check=True)
    found = {MULTICLASS: files.read_json(scores)}
    table = load(folder / "params.yaml").class_table
    wanted = [name for name in table.names if name != table.rest]
    for name in wanted:
        kept = folder / f"models/only_{name}"
        if not kept.is_dir():
            params["train"]["only_class"] = name
            write(folder, params)
            subprocess.run([*DVC, "repro", "train"], cwd=folder, check=True)
            shutil.copytree(folder / "models/segmenter", kept)
    params["train"]["only_class"] = None
    write(folder, params)
    subprocess.run([*DVC, "repro", "train"], cwd=folder, check=True)
    members = [f"models/only_{name}" for name in wanted]
    merge = [shutil.which("urbanseg") or "urbanseg", "merge", "models/merged", *members, "--overwrite"]
    subprocess.run(merge, cwd=folder, check=True)
    with_merged(folder, city)
    found[BINARY] = files.read_json(scores)
    subprocess.run([*DVC, "checkout", "--force"], cwd=folder, check=True)
    return found


def with_merged(folder: Path, city: str) -> None:
    """Map and score the city by the merged model, beside DVC, whose model is put back afterwards."""
    shutil.rmtree(folder / "models/segmenter")
    shutil.copytree(folder / "models/merged", folder / "models/segmenter")
    for stage in (["export"], ["predict", city], ["vectorize", city], ["evaluate", city]):
        subprocess.run([sys.executable, "-m", f"stages.{stage[0]}", *stage[1:]], cwd=folder, check=True)


def table(name: str, found: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown.

    Args:
        name: of the recipe.
        found: scores of each row.
    """
    classes = next(iter(found.values()))["classes"]
    head = ["row", "published", "mIoU (95 %)", "mean F1", "accuracy", "by batch: IoU, F1", *classes]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row, scores in found.items():
        interval = scores["intervals"].get("miou")
        batch = scores.get("by_batch")
        cells = [
            row,
            PUBLISHED.get(name, {}).get(row, "–"),
            f"**{figure(scores['miou'])}**" + (" ({:.3f}–{:.3f})".format(*interval) if interval else ""),
            figure(scores["mean_f1"]),
            figure(scores["pixel_accuracy"]),
            f"{figure(batch['iou'])}, {figure(batch['f1'])}" if batch else "–",
            *(figure(each["iou"], 2) for each in scores["classes"].values()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def figure(value: float | None, digits: int = 3) -> str:
    """A figure as text; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    recipes = sorted(path.stem for path in (ROOT / "params/datasets").glob("*.yaml"))
    parser.add_argument("name", choices=recipes, metavar="NAME", help=", ".join(recipes))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT / "../datasets")
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", help="parameters of all rows")
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=ROWS, metavar="row")
    parser.add_argument(
        "--binary", action="store_true", help="also binary models merged, with a median filter"
    )
    options = parser.parse_args()
    if not options.folder.exists():
        prepare(options.folder, options.name, options.data, options.set)
    [city] = YAML().load(options.folder / "params.yaml")["cities"]
    found = run_rows(options.folder, city, options.only)
    if options.binary:
        found |= run_binary(options.folder, city)
    print(table(options.name, found))
    print(
        json.dumps(
            {row: {"miou": s["miou"], "interval": s["intervals"].get("miou")} for row, s in found.items()}
        )
    )


if __name__ == "__main__":
    main()
