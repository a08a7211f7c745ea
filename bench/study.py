"""A study of the recipe by Optuna, each trial a DVC experiment.

``python -m bench.study --trials 10`` (needs ``pip install -r requirements-study.in``)

Asks Optuna for a learning rate, the weights of the losses, the sampler's balance and the
encoder's share of the rate; runs the train stage on them with ``dvc exp run``; and tells
it the validation mIoU. Test tiles are never looked at. What was tried is in
``dvc exp show``; `dvc exp apply` takes the best one over. A study is remembered in
``--storage`` (SQLite), and goes on there. The last line is one JSON object.
"""

import argparse
import json
import shutil
import subprocess
import sys

import optuna

from urbanseg import paths
from urbanseg.io import files

METRIC = "val_miou"


def ask(trial: optuna.Trial) -> dict[str, float]:
    """What a trial changes: values by their key in params.yaml."""
    return {
        "train.learning_rate": trial.suggest_float("train.learning_rate", 1e-4, 1e-2, log=True),
        "train.encoder_rate_factor": trial.suggest_float("train.encoder_rate_factor", 0.1, 1.0, log=True),
        "train.loss.dice_weight": trial.suggest_float("train.loss.dice_weight", 0.0, 2.0),
        "train.loss.lovasz_weight": trial.suggest_float("train.loss.lovasz_weight", 0.0, 1.0),
        "train.balance": trial.suggest_float("train.balance", 0.0, 1.0),
    }


def command(name: str, changes: dict[str, float], fixed: list[str]) -> list[str]:
    """The experiment of a trial, under its name; `fixed` are further ``key=value``."""
    dvc = [sys.executable, "-m", "ci.before_dvc", shutil.which("dvc") or "dvc"]
    settings = [f"{key}={value:.6g}" for key, value in changes.items()] + fixed
    return [*dvc, "exp", "run", "--name", name, *(word for s in settings for word in ("-S", s)), "train"]


def main() -> None:
    """Run the trials and say which was best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument(
        "--name", default="recipe", help="of the study, and the start of its experiments' names"
    )
    parser.add_argument("--storage", default="sqlite:///study.part.db")
    parser.add_argument("-S", dest="fixed", action="append", default=[], help="key=value for all trials")
    options = parser.parse_args()

    study = optuna.create_study(
        study_name=options.name,
        storage=options.storage,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=7),
        load_if_exists=True,
    )
    for _ in range(options.trials):
        trial = study.ask()
        experiment = f"{options.name}-{trial.number}"
        done = subprocess.run(command(experiment, ask(trial), options.fixed), check=False)
        if done.returncode:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            sys.exit(f"error: the experiment {experiment} failed; its last lines say why")
        study.tell(trial, files.read_json(paths.TRAINING)[METRIC])
    best = study.best_trial
    print(json.dumps({"experiment": f"{options.name}-{best.number}", METRIC: best.value, **best.params}))


if __name__ == "__main__":
    main()
