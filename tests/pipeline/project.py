"""A small copy of the project in a folder of its own, driven through DVC as a user would."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.conftest import ROOT, whole_params
from urbanseg.config.params import load
from urbanseg.errors import PipelineError
from urbanseg.workflows import city_pipelines

COPIED = (
    "cities/template.yaml",
    "regions/template.yaml",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
    "Makefile",
    "ci",
    ".dvc/config",
    ".dvc/.gitignore",
    "data/none",
    "stages",
    "urbanseg",
)


class Project:
    """A folder with the pipeline in it, under git and DVC."""

    def __init__(self, folder: Path, params: dict[str, Any]) -> None:
        self.folder = folder
        for name in COPIED:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        for plots in (ROOT / ".dvc").glob("plots"):
            shutil.copytree(plots, folder / ".dvc" / "plots")
        self.params = params
        self.write_params()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("Start")

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """The project that a folder holds already."""
        found = cls.__new__(cls)
        found.folder = folder
        found.params = yaml.safe_load((folder / "params.yaml").read_text())
        return found

    def write_params(self) -> None:
        """Write params.yaml from `params`, and the pipeline of each city, as `make repro` does.

        Parameters that are wrong make no pipeline.
        """
        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(self.params, sort_keys=False))
        with suppress(PipelineError):
            params = load(path)
            city_pipelines.update(self.folder / "cities", params.cities)
            city_pipelines.update(self.folder / "regions", params.regions)

    def set(self, key: str, value: Any) -> Any:
        """Set one parameter by its dotted key; returns the value before."""
        *parents, last = key.split(".")
        section = self.params
        for parent in parents:
            section = section[parent]
        before, section[last] = section[last], value
        self.write_params()
        return before

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, with this Python first on the path."""
        done = subprocess.run(
            command, cwd=self.folder, env=environment(), capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, to be killed; its output goes to a file."""
        with (self.folder.parent / f"{self.folder.name}.log").open("w") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment(), stdout=log, stderr=log, start_new_session=True
            )

    @property
    def said(self) -> str:
        """What the command that was started last has printed."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """All processes at work in the folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def stage_process(self) -> psutil.Process | None:
        """The process of the stage that DVC runs, or that was started by hand; None between stages."""
        for process in self.processes():
            with suppress(psutil.Error):
                words = process.cmdline()
                started_by = process.parent()
                is_stage = words[1:2] == ["-m"] and words[2:3] != [] and words[2].startswith("stages.")
                if is_stage and (started_by is None or started_by.cmdline()[1:] != words[1:]):
                    return process
        return None

    def temporary_files(self) -> list[str]:
        """What writers leave behind when they don't clean up."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if ".part" in path.name and ".venv" not in path.parts
        )

    def git(self, *words: str) -> str:
        """Run git."""
        return self.run("git", *words).stdout

    def dvc(self, *words: str) -> str:
        """Run DVC."""
        return self.run("dvc", *words).stdout

    def commit(self, message: str) -> None:
        """Commit everything git does not ignore."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def repro(self) -> list[str]:
        """`dvc repro`; returns the stages that were run, in order."""
        return ran(self.dvc("repro"))

    def changed(self) -> Collection[str]:
        """Stages that `dvc status` calls changed."""
        return {short(name) for name in json.loads(self.dvc("status", "--json"))}

    def locks(self, revision: str | None = None) -> dict[str, Any]:
        """What is in each dvc.lock, here or at a revision: digests of every dependency and output."""
        names = self.git("ls-files", "dvc.lock", "cities/*/dvc.lock").split()
        return {
            name: yaml.safe_load(
                self.git("show", f"{revision}:{name}") if revision else (self.folder / name).read_text()
            )
            for name in names
        }

    def restore(self) -> None:
        """Bring locks, metrics and outputs back to those of the last commit."""
        self.git("checkout", "--quiet", "HEAD", "--", "dvc.lock", "cities", "metrics")
        self.dvc("checkout", "--quiet")


def short(stage: str) -> str:
    """A stage as the tests call it: `scene@demo` is the scene stage in cities/demo/dvc.yaml."""
    return re.sub(r"cities/(\w+)/dvc\.yaml:(\w+)", r"\2@\1", stage)


def ran(said: str) -> list[str]:
    """The stages that were run, by what DVC says, in order."""
    return [short(name) for name in re.findall(r"Running stage '(.+?)'", said)]


def environment() -> dict[str, str]:
    """The environment of a user with the virtual environment on the path."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }


def small_params() -> dict[str, Any]:
    """The project's own params.yaml with small cities, small tiles and a short training."""
    params = whole_params()
    params["cities"]["demo"]["scene"]["layout"] |= {"width_m": 2880, "height_m": 2560}
    params["cities"]["oasis"]["scene"]["layout"] |= {"width_m": 1280, "height_m": 960}
    params["tiles"] |= {"size": 64, "overlap": 32, "block": 64}
    params["train"] |= {
        "encoder_weights": None,
        "decoder_channels": [32, 16, 16, 8, 8],
        "crop": 64,
        "upsample": 1,
        "threads": 1,
        "epochs": 2,
        "steps_per_epoch": 4,
        "batch_size": 4,
    }
    params["export"]["formats"] = []
    params["predict"] |= {"size": 64, "overlap": 32, "threads": 1}
    return params
