"""The pipeline, killed in the middle: run again, it must end in the same bytes, in another folder too."""

import os
import signal
import time

import pytest
import yaml

from tests.pipeline.project import Project, small_params


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """A second folder, where `dvc repro` is killed in train and in predict before it may finish."""
    second = Project(tmp_path_factory.mktemp("disturbed"), small_params())
    kill_when(second, (second.folder / "models/.resume/state.safetensors").exists)
    kill_when(second, lambda: any((second.folder / "data/prediction").glob("*/*.part.tif")))
    second.last_run = second.repro()
    return second


def test_a_killed_run_goes_on_where_it_was_and_ends_in_the_same_bytes(project, disturbed):
    assert disturbed.last_run[0] == "predict@demo"
    assert disturbed.lock() == yaml.safe_load(project.git("show", "HEAD:dvc.lock"))


def kill_when(project: Project, happened, timeout_s: float = 240) -> None:
    """Start `dvc repro` and kill it with all its children as soon as `happened()`."""
    running = project.start("dvc", "repro")
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert running.poll() is None, "the pipeline ended before it could be killed"
        assert time.monotonic() < deadline, "what should be disturbed never happened"
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
