"""Stages that are stopped midway: one line, no process, no temporary file, and the same bytes later."""

import shutil
import signal
import time

import psutil
import pytest

from tests.pipeline.project import Project, small_params

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}

STAGES = {
    "scene demo": "data/scene/.demo.part.lock",
    "osm demo": "data/osm/.demo.parquet.part.lock",
    "labels demo": "data/labels/.demo.tif.part.lock",
    "tiles demo": "data/tiles/.demo.parquet.part.lock",
    "dataset": "data/.dataset.parquet.part.lock",
    "train": "models/.segmenter.part.lock",
    "export": "models/.export.part.lock",
    "predict demo": "data/prediction/.demo.part.lock",
    "vectorize demo": "data/map/.demo.part.lock",
    "evaluate demo": "reports/evaluation/.demo.part.lock",
    "overall": "metrics/.overall.json.part.lock",
    "report": "reports/.index.html.part.lock",
}
"""Each stage, and the lock that it holds while it works."""


def until(happened, what, timeout_s=120):
    """Wait for something; returns it."""
    deadline = time.monotonic() + timeout_s
    while not (found := happened()):
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
    return found


def none_left(project, timeout_s=20):
    """Check that no process of the project is left."""
    until(lambda: not project.processes(), "processes are left", timeout_s)


def start_until_locked(project, stage, command):
    """Start a command, and wait until its stage is at work."""
    running = project.start(*command)
    lock = project.folder / STAGES[stage]
    until(lambda: lock.exists() or running.poll() is not None, f"{stage} never took its lock")
    assert running.poll() is None, project.said
    return running


@pytest.fixture(scope="module")
def disturbed(finished, tmp_path_factory):
    """A copy of the finished project without DVC's cache."""
    folder = tmp_path_factory.mktemp("disturbed") / "project"
    shutil.copytree(finished, folder, symlinks=True)
    shutil.rmtree(folder / ".dvc" / "cache")
    return Project.at(folder)


def by_hand(stage):
    name, *city = stage.split()
    return ["python", "-m", f"stages.{name}", *city]


def digests(project):
    """The bytes of all outputs, but for the curves, which grow while a training runs."""
    return {
        path: path.read_bytes()
        for name in (
            "data",
            "models",
            "metrics",
            "reports/evaluation",
            "reports/previews",
            "reports/index.html",
        )
        for path in (project.folder / name, *sorted((project.folder / name).rglob("*")))
        if path.is_file() and not {".fetch", ".resume"} & set(path.parts)
    }


def stop(project, stage, number, delay_s):
    """Stop a stage some time after it has begun to work."""
    running = start_until_locked(project, stage, by_hand(stage))
    time.sleep(delay_s)
    running.send_signal(number)
    running.wait(timeout=40)
    none_left(project)
    return running.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_is_stopped_leaves_nothing_and_can_be_run_again(disturbed, stage, number):
    before = digests(disturbed)
    began = time.monotonic()
    assert disturbed.run(*by_hand(stage)).returncode == 0
    duration = time.monotonic() - began
    assert digests(disturbed) == before
    stopped = 0
    for share in (0.0, 0.05, 0.3):
        code = stop(disturbed, stage, number, share * duration)
        stopped += code == CODES[number]
        assert code in {0, CODES[number]}, disturbed.said
        assert "Traceback" not in disturbed.said
        if number == signal.SIGKILL:
            assert disturbed.run(*by_hand(stage)).returncode == 0
        elif code:
            assert disturbed.said.count("error: stopped by ") == 1
        assert disturbed.temporary_files() == [], code
        assert digests(disturbed) == before
    assert stopped, "the stage was always faster"


@pytest.mark.slow
def test_a_pipeline_that_is_killed_goes_on_where_it_was_and_ends_in_the_same_bytes(project, tmp_path_factory):
    second = Project(tmp_path_factory.mktemp("killed"), small_params())
    kill_dvc(second, (second.folder / "models/.resume/state.safetensors").exists)
    kill_dvc(second, lambda: any((second.folder / "data/prediction").glob("*.part/*.part.tif*")))
    assert second.repro()[0] == "predict@demo"
    assert second.locks() == project.locks("HEAD")
    assert second.temporary_files() == []


def kill_dvc(project, happened):
    """Start `dvc repro` and kill it with all its children as soon as `happened()`."""
    running = project.start("dvc", "repro")
    until(lambda: happened() or running.poll() is not None, "what should be disturbed never happened", 240)
    assert running.poll() is None, project.said
    for process in project.processes():
        process.kill()
    running.wait()


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("evaluate demo", signal.SIGTERM),
        pytest.param("predict demo", signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_signal_is_one_line_its_exit_code_and_the_end_of_all_children(disturbed, stage, number):
    before = digests(disturbed)
    assert stop(disturbed, stage, number, 0.0) == CODES[number]
    lines = [line for line in disturbed.said.splitlines() if "error" in line or "Traceback" in line]
    name = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}[number]
    assert lines == [f"error: stopped by {name}; run the same command to start again"]
    assert disturbed.temporary_files() == []
    assert digests(disturbed) == before


@pytest.mark.slow
def test_workers_end_with_a_stage_that_is_killed(disturbed):
    running = start_until_locked(disturbed, "evaluate demo", by_hand("evaluate demo"))
    until(lambda: len(disturbed.processes()) > 1, "evaluate has no workers")
    running.kill()
    running.wait()
    none_left(disturbed, timeout_s=5)
    assert disturbed.run(*by_hand("evaluate demo")).returncode == 0
    assert disturbed.temporary_files() == []


def test_a_signal_while_a_stage_is_still_importing_is_one_line(disturbed):
    running = disturbed.start(*by_hand("train"))
    until(lambda: "stages.train" in " ".join(psutil.Process(running.pid).cmdline()), "never started")
    time.sleep(0.7)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 143
    assert disturbed.said == "error: stopped by SIGTERM; run the same command to start again\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stage_ends_with_the_dvc_that_started_it_and_a_rerun_never_works_beside_it(
    finished, disturbed, number
):
    running = start_until_locked(disturbed, "train", ["dvc", "repro", "--force", "--single-item", "train"])
    stage = disturbed.stage_process()
    assert stage is not None
    stage.suspend()  # it cannot notice yet
    running.send_signal(number)
    running.wait()
    second = disturbed.run(*by_hand("train"), check=False)
    assert second.returncode == 1
    assert f"models/segmenter is being written by process {stage.pid} (stages.train)" in second.stderr
    stage.resume()
    none_left(disturbed)
    assert disturbed.temporary_files() == []
    shutil.rmtree(disturbed.folder / "models")  # DVC removes outputs before it runs a stage
    shutil.copytree(finished / "models", disturbed.folder / "models")


@pytest.mark.slow
def test_two_runs_of_one_stage_do_not_disturb_each_other(disturbed):
    before = digests(disturbed)
    first = start_until_locked(disturbed, "predict demo", by_hand("predict demo"))
    second = disturbed.run(*by_hand("predict demo"), check=False)
    assert first.wait(timeout=60) == 0, disturbed.said
    # whoever came second either waited for the first, or was told who is at work
    assert second.returncode == 0 or f"is being written by process {first.pid}" in second.stderr
    assert "disk" not in second.stderr
    assert digests(disturbed) == before
    assert disturbed.temporary_files() == []


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize(
    ("stage", "key", "value", "processes"),
    [("train", "train.devices", 2, 2), ("predict demo", "predict.scheduler", "processes", 3)],
)
def test_processes_that_a_stage_started_through_a_library_end_with_it(
    finished, disturbed, stage, number, key, value, processes
):
    before = disturbed.set(key, value)
    try:
        running = start_until_locked(disturbed, stage, by_hand(stage))
        until(
            lambda: len(disturbed.processes()) >= processes or running.poll() is not None, "none were started"
        )
        assert running.poll() is None, disturbed.said
        time.sleep(1)
        running.send_signal(number)
        assert running.wait(timeout=40) == CODES[number]
        none_left(disturbed, timeout_s=60)  # a Dask worker notices when it has imported all it needs
    finally:
        disturbed.set(key, before)
        shutil.rmtree(disturbed.folder / "models" / ".resume", ignore_errors=True)
        (disturbed.folder / STAGES["train"]).unlink(missing_ok=True)  # the next training would remove it
        shutil.rmtree(disturbed.folder / "reports" / "training")
        shutil.copytree(finished / "reports" / "training", disturbed.folder / "reports" / "training")
    assert disturbed.run(*by_hand("predict demo")).returncode == 0
    assert disturbed.temporary_files() == []
