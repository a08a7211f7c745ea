"""What all tests share: reproducible examples, the project's parameters, and the folder of real data."""

from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from urbanseg.config.params import Params, load
from urbanseg.io.startup import prepare

prepare()

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

PIPELINE = "tests/pipeline/"

NO_REAL_DATA = f"the real data is not at {SHARED}"

REPEATABLE: dict[str, Any] = {"deadline": None, "derandomize": True, "print_blob": False}
settings.register_profile("project", max_examples=25, **REPEATABLE)
settings.register_profile("thorough", max_examples=100, **REPEATABLE)  # `make test-slow`
settings.load_profile("project")


@cache
def shipped_params() -> Params:
    """The project's own params.yaml, validated once for all tests of a process."""
    return load(ROOT / "params.yaml")


def whole_params() -> dict[str, Any]:
    """The plain values of the project's own params.yaml, to be changed."""
    return deepcopy(_values())


@cache
def _values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.load((ROOT / "params.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return values


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(NO_REAL_DATA)
    return SHARED


class PipelineInOneProcess(LoadFileScheduling):
    """A file to a process, and all of tests/pipeline to one: the others need not wait for its first run."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return PIPELINE if scope.startswith(PIPELINE) else scope


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """How tests are given to processes, where ``--dist loadfile`` asks for files."""
    return PipelineInOneProcess(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were left out, for each reason: the real data, a browser, QGIS, a package."""
    skipped = Counter(
        ("files of tests" if isinstance(report, pytest.CollectReport) else "tests", str(report.longrepr[2]))
        for report in terminalreporter.stats.get("skipped", [])
    )
    for (what, reason), count in sorted(skipped.items()):
        terminalreporter.write_line(
            f"left out, {what}: {count} ({reason.removeprefix('Skipped: ')})", yellow=True
        )
