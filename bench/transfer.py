"""What a tenth of a new city's tiles brings: fine-tuning from one city to another.

``python -m bench.transfer FOLDER [--params params.yaml] [--from demo --to oasis] [--fraction 0.1]``

Clones the project into FOLDER, trains on the first city, then starts from that model with
a share of the second city's tiles, as docs/training.md says, and prints the mIoU on the
second city's test tiles before and after. The last line is one JSON object. A real pair:
``--overlay params/dubai.yaml --from dubai --to dubai_small``.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from urbanseg.config.overlay import overlaid

ROOT = Path(__file__).parents[1]
DVC = [sys.executable, "-m", "ci.before_dvc", "dvc"]
RECIPE = {
    "learning_rate": 0.001,
    "epochs": 8,
    "warmup_epochs": 1,
    "freeze_encoder_epochs": 1,
    "encoder_rate_factor": 0.3,
}
"""A short training at a lower rate, the encoder lower still."""
SMALL: dict[str, Any] = {
    "title": "Dubai, a scene kept apart",
    "inputs": "../shared/data/dubai_scene_small",
    "scene.path": "../shared/data/dubai_scene_small/scene.tif",
    "labels.path": "../shared/data/dubai_scene_small/labels.tif",
}


def put(section: Any, key: str, value: Any) -> None:
    """Set a dotted key."""
    *parents, last = key.split(".")
    for parent in parents:
        section = section[parent]
    section[last] = value


def prepare(folder: Path, params: Any, cities: list[str]) -> None:
    """Write the parameters with these cities alone, all of them to be trained on."""
    chosen = {name: params["cities"][name] for name in cities}
    for city in chosen.values():
        city["role"] = "train"
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({**params, "cities": chosen}, file)


def main() -> None:
    """Train, start from it, tell both scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--overlay", type=Path, help="on params.yaml")
    parser.add_argument("--from", dest="first", default="demo")
    parser.add_argument("--to", dest="second", default="oasis")
    parser.add_argument("--fraction", type=float, default=0.1)
    parser.add_argument(
        "--block", type=int, help="and size of the second city's tiles, in pixels, if it is small"
    )
    parser.add_argument("--model", type=Path, help="of the first city, instead of training it")
    options = parser.parse_args()

    made_here = options.folder / ".git" / "bench_transfer"
    if not options.folder.exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(options.folder)], check=True)
        made_here.touch()
    elif not made_here.exists():
        sys.exit(f"error: {options.folder} exists, and is no folder that this script made; name another one")
    shared = options.folder.resolve().parent / "shared"
    if not shared.exists() and (ROOT / "../shared").exists():
        shared.symlink_to((ROOT / "../shared").resolve())
    text = (ROOT / "params.yaml").read_text()
    params = YAML().load(overlaid(text, options.overlay.read_text()) if options.overlay else text)
    if options.second == "dubai_small":
        params["cities"]["dubai_small"] = YAML().load(json.dumps(params["cities"]["dubai"]))
        for key, value in SMALL.items():
            put(params["cities"]["dubai_small"], key, value)

    start = options.folder / "models" / "first"
    if options.model:
        shutil.copytree(options.model, start, dirs_exist_ok=True)
    elif not start.exists():
        prepare(options.folder, params, [options.first])
        subprocess.run([*DVC, "repro", "train"], cwd=options.folder, check=True)
        shutil.copytree(options.folder / "models/segmenter", start)

    params["train"] |= RECIPE | {"init_from": "models/first", "fraction": options.fraction}
    if options.block:
        params["tiles"] |= {"block": options.block, "size": options.block, "overlap": options.block // 2}
        params["train"]["crop"] = min(options.block, params["train"]["crop"])
    prepare(options.folder, params, [options.second])
    subprocess.run([*DVC, "repro", "train"], cwd=options.folder, check=True)
    told = json.loads((options.folder / "metrics/training.json").read_text())["transfer"][options.second]
    print(json.dumps({"from": options.first, "to": options.second, "fraction": options.fraction, **told}))


if __name__ == "__main__":
    main()
