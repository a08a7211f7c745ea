"""Trains in as many processes as asked for, as the train stage does: ``python -m tests.unit.learn.together``.

Arguments: a folder, and the recipe's changes as JSON. Process 0 writes the weights and the
scores there. It is a command because Fabric starts the other processes by its own command line.
"""

import json
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from tests.unit.learn.recipes import recipe, stripes, without_chance
from urbanseg.learn import fabric, training


def train(folder: Path, **changes: Any) -> None:
    """Train, and leave weights and scores in a folder of the process's number."""
    params = recipe(**changes)
    processes = fabric.launch(params, seed=7)
    own = folder / str(processes.global_rank)
    own.mkdir(parents=True)
    data = stripes(own)
    start = training.create(params, data.spec)
    without_chance(start)
    told: list[int] = []
    trained, progress = training.train(
        processes,
        start,
        data,
        params,
        7,
        state_folder=own / "state",
        data_key="k",
        on_epoch=lambda history: told.append(len(history)),
    )
    save_file({k: v.contiguous() for k, v in trained.state_dict().items()}, own / "weights.safetensors")
    (own / "history.json").write_text(json.dumps({"told": told, "rows": progress.history}))


if __name__ == "__main__":
    train(Path(sys.argv[1]), **json.loads(sys.argv[2]))
