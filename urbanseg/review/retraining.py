"""Training with corrections, as an experiment of DVC that runs beside the user's workspace.

``python -m urbanseg.review.retraining NAME RESULT START CITY…`` lets DVC track the corrections of the cities,
runs ``dvc exp run --temp``, and writes to RESULT what changed against HEAD, with intervals, and the curves.
START is ``current``, a few epochs from the model as it is, up to the scores; or ``anew``, all of params.yaml.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from math import isfinite
from pathlib import Path
from typing import Any

from urbanseg import paths
from urbanseg.config.params import load
from urbanseg.config.train import TrainParams
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.review import geopackage

NAME = re.compile(r"[a-z][a-z0-9-]{0,60}")

CURRENT, ANEW = "current", "anew"
STARTS = (CURRENT, ANEW)
"""What a training starts from."""

SHORT_EPOCHS, SHORT_PATIENCE = 4, 2
"""Of a training that starts from the current model, at most."""

SCORES = "overall"
"""The stage that a short training ends with: no report is drawn, and no other format is exported."""

CURVES = {"loss": "train/loss", "miou": "val/miou"}
"""Columns of the curves for the page, and the tables that hold them."""

HEADLINES = ("miou", "road_apls")
"""Figures that are compared."""


def retrain(name: str, result: Path, start: str, cities: Sequence[str]) -> None:
    """Run the experiment, and describe it.

    Args:
        name: of the experiment.
        result: JSON file to write.
        start: of `STARTS`.
        cities: whose corrections are tracked.

    Raises:
        PipelineError: if DVC fails.
    """
    with ExitStack() as stack:
        tracked = []
        for city in cities:
            stack.enter_context(geopackage.unmoved(paths.corrections(city), alone=True))
            tracked += [paths.corrections(city), paths.kept_split(city)]
        settings = []
        if start == CURRENT:
            copy_model()
            tracked.append(paths.START)
            settings = [*short_training(load(paths.PARAMS).train), SCORES]
        _run("dvc", "add", "--quiet", *map(str, tracked))
    # It checks params.yaml, which DVC does not, and brings the pipelines of the cities up to date.
    _run(sys.executable, "-m", "ci.before_dvc", "dvc", "exp", "run", "--temp", "--name", name, *settings)
    changes = json.loads(_output(sys.executable, "-m", "ci.compare", "HEAD", name, "--json"))
    files.write_json(result, {"experiment": name, "cities": by_city(changes), "curves": curves(name)})


def copy_model() -> None:
    """Copy the current model to where a training starts from it; its own place is that training's output."""
    with files.atomic(paths.START, paths.MODEL_FILES) as folder:
        shutil.copytree(paths.MODEL, folder)


def short_training(params: TrainParams) -> list[str]:
    """What a short training changes of the recipe, as options of ``dvc exp run``.

    The model knows the scene already, so that fewer steps do; it stops when they do no more. The learning
    rate is the recipe's, as people may teach a class that the model has never seen.

    Args:
        params: the recipe.
    """
    epochs = min(params.epochs, SHORT_EPOCHS)
    changes = {
        "init_from": paths.START,
        "epochs": epochs,
        "patience": min(params.patience, SHORT_PATIENCE),
        "warmup_epochs": min(params.warmup_epochs, epochs - 1),
        "freeze_encoder_epochs": 0,
    }
    return [f"--set-param=train.{key}={value}" for key, value in changes.items()]


def by_city(changes: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Changes of the headline figures, by city and figure."""
    found: dict[str, dict[str, Any]] = {}
    for change in changes:
        if change["key"] not in HEADLINES or change["base"] is None or change["new"] is None:
            continue
        low, high = change["interval"] or (None, None)
        found.setdefault(change["city"], {})[change["key"]] = {
            "before": change["base"],
            "after": change["new"],
            "difference": change["new"] - change["base"],
            "low": low,
            "high": high,
            "verdict": change["verdict"],
        }
    return found


def curves(name: str) -> list[dict[str, float]]:
    """The curves of a training by epoch; empty where they are not at hand."""
    from dvc.api import DVCFileSystem  # noqa: PLC0415, takes a second to import

    stored = DVCFileSystem(rev=name)
    rows: dict[int, dict[str, float]] = {}
    for column, table in CURVES.items():
        path = str(paths.CURVES / "plots/metrics" / f"{table}.tsv")
        if not stored.exists(path):
            continue
        for line in stored.read_text(path).splitlines()[1:]:
            step, value = line.split("\t")
            if isfinite(float(value)):
                rows.setdefault(int(step), {"epoch": int(step)})[column] = float(value)
    return [rows[step] for step in sorted(rows)]


def default_start(root: Path) -> str:
    """What a training starts from if nobody says: the current model, where there is one."""
    return CURRENT if (root / paths.MODEL / "segmenter.json").is_file() else ANEW


def require_possible(root: Path, cities: Sequence[str], start: str = ANEW) -> None:
    """Check that there is something to train with, and something to run it.

    Args:
        root: folder of the project.
        cities: with corrections in effect.
        start: of `STARTS`.

    Raises:
        PipelineError: saying what is missing.
    """
    if not (root / ".dvc").is_dir() or not (root / ".git").exists():
        raise PipelineError("training runs in a checkout with git and DVC, and this folder is none")
    if not cities:
        raise PipelineError("no city has corrections that are in effect; draw some first")
    if start == CURRENT and default_start(root) != CURRENT:
        raise PipelineError(
            f"there is no model in {paths.MODEL} to start from; run make repro, or train anew"
        )
    for city in cities:
        if not (root / paths.kept_split(city)).is_file():
            raise PipelineError(f"{city} has no split yet; run make repro once, then draw a correction")


def drop(root: Path, name: str) -> None:
    """Remove an experiment.

    Raises:
        PipelineError: if DVC cannot.
    """
    _run("dvc", "exp", "remove", name, folder=root)


def _run(*command: str, folder: Path = Path()) -> None:
    done = subprocess.run(command, cwd=folder, env=_environment(), check=False)  # noqa: S603
    if done.returncode:
        raise PipelineError(f"{' '.join(command[-6:])} failed; the log says why")


def _output(*command: str) -> str:
    done = subprocess.run(  # noqa: S603
        command, env=_environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise PipelineError(f"{' '.join(command[1:3])} failed; the log says why")
    return done.stdout


def _environment() -> dict[str, str]:
    """DVC, and the python of its stages, are those beside this one."""
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


if __name__ == "__main__":
    try:
        retrain(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
    except PipelineError as error:
        sys.exit(f"error: {error}")
