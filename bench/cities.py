"""What a city costs beside the time of its stages: DVC's overhead with 2, 20 and 100 cities.

``python -m bench.cities`` makes a project with so many cities, whose stages write a few bytes each in
place of their work (the stage `params` is the true one), and runs `dvc repro` in it, once for everything
and once with nothing to do. The overhead of a stage is the wall time of the run, without that of the
commands themselves, over the number of stages. The last line is JSON.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML
from tqdm import tqdm

from urbanseg import paths
from urbanseg.config import params, parts
from urbanseg.workflows import city_pipelines

STUB = """import sys, time
began = time.perf_counter()
from pathlib import Path
for name in sys.argv[1:]:
    path = Path(name)
    path = path if path.suffix else path / "backend.json"  # the name that predict looks for
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{name}")
with open("seconds", "a") as log:
    print(time.perf_counter() - began, file=log)
"""
"""In place of a stage: a file at each output. Starting Python is DVC's overhead here, about 0.02 s."""


def main() -> None:
    """Print a line for each number of cities, and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cities", nargs="*", type=int, default=[2, 20, 100], help="numbers of cities")
    found = {}
    for count in parser.parse_args().cities:
        with TemporaryDirectory() as folder:
            found[count] = measure(Path(folder), count)
        print(f"{count} cities: " + ", ".join(f"{key} {value:.3g}" for key, value in found[count].items()))
    print(json.dumps(found))


def measure(folder: Path, count: int) -> dict[str, float]:
    """Seconds of each run and of each stage in it, and of reading the parameters, with so many cities."""
    make_project(folder, count)
    everything, stages = repro(folder)
    nothing, _ = repro(folder)
    return {
        "stages": stages,
        "overhead_of_a_stage_s": everything / stages,
        "no_op_s": nothing,
        "no_op_of_a_stage_s": nothing / stages,
        "lock_of_a_city_kb": (folder / "cities/c0/dvc.lock").stat().st_size / 1e3,
        "params_of_a_stage_s": seconds(
            lambda: parts.read(folder / paths.PARTS, folder / "params.yaml", "c0")
        ),
        "params_yaml_s": seconds(lambda: params.load(folder / "params.yaml")),
    }


def make_project(folder: Path, count: int) -> None:
    """A copy of the project with `count` cities and stubs for stages, under git and DVC."""
    for name in (
        ".dvc/config",
        ".dvc/plots",
        ".dvcignore",
        ".gitignore",
        "data/none",
        "regions/template.yaml",
        "stages",
        "urbanseg",
    ):
        source = Path(name)
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    (folder / "stub.py").write_text(STUB)
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    city = values["cities"]["demo"]
    values["cities"] = {f"c{i}": city for i in range(count)}
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(values, folder / "params.yaml")
    for name in ("dvc.yaml", "cities/template.yaml"):
        text = Path(name).read_text(encoding="utf-8")
        for stage, entry in yaml.load(text)["stages"].items():
            if stage != "params":
                text = text.replace(
                    entry["cmd"], f"{sys.executable} -S -E stub.py {' '.join(outputs(entry))}"
                )
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    city_pipelines.update(folder / "cities", params.load(folder / "params.yaml").cities)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "Start")


def outputs(stage: dict[str, Any]) -> Iterator[str]:
    """Paths of what a stage in a dvc.yaml writes."""
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, []):
            yield out if isinstance(out, str) else next(iter(out))


def repro(folder: Path) -> tuple[float, int]:
    """Seconds of `dvc repro` without those of the commands, and the number of stages that ran."""
    log = folder / "seconds"
    log.write_text("")
    began = time.perf_counter()
    dvc = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(dvc, cwd=folder, stdout=subprocess.PIPE, text=True) as running:
        lines = tqdm(running.stdout, unit="line", disable=not sys.stderr.isatty())
        stages = sum(line.startswith("Running stage") for line in lines)
    if running.returncode:
        raise SystemExit("dvc repro failed")
    wall = time.perf_counter() - began
    return wall - sum(map(float, log.read_text(encoding="utf-8").split())), stages


def git(folder: Path, *words: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", *words], cwd=folder, check=True)


def seconds(work: Any) -> float:
    """The time of a call, the best of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
