import os
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT
from urbanseg.errors import PipelineError
from urbanseg.io import locks
from urbanseg.io.locks import locked

HOLD = """
import sys
from pathlib import Path
from urbanseg.io.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "map.gpkg"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_comes_second_is_told_who_holds_the_lock(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(locks, "WAIT_S", 0.3)
    said = rf"map\.gpkg is being written by process {holder.pid} .*; wait until that ends, or stop it"
    with pytest.raises(PipelineError, match=said), locked(tmp_path / "map.gpkg"):
        pass
    with locked(tmp_path / "other.gpkg"):
        pass


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_the_lock_ends_with_the_process_that_holds_it_and_leaves_no_file(tmp_path, holder, end):
    if end == "kill":
        holder.kill()
    holder.communicate()
    with locked(tmp_path / "map.gpkg"):
        assert [p.name for p in tmp_path.iterdir()] == [".map.gpkg.part.lock"]
    assert not list(tmp_path.iterdir())


def test_a_process_that_holds_a_lock_may_take_it_again_by_another_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with locked(tmp_path / "a"):
        with locked(tmp_path / "link" / "a"):
            pass
        assert (tmp_path / ".a.part.lock").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["link"]


def test_one_at_a_time_among_many_processes(tmp_path):
    """Each process adds 1 to a number in a file, many times; a lost update would show."""
    code = """
import sys
from pathlib import Path
from urbanseg.io import locks
locks.WAIT_S = 60
path = Path(sys.argv[1])
for _ in range(40):
    with locks.locked(path):
        path.write_text(str(int(path.read_text()) + 1))
"""
    path = tmp_path / "count"
    path.write_text("0")
    command = [sys.executable, "-c", code, path]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert path.read_text() == "160"


def test_threads_share_the_lock_of_their_process(tmp_path):
    entered = threading.Barrier(2, timeout=10)

    def work():
        with locked(tmp_path / "a"):
            entered.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not entered.broken
    assert not list(tmp_path.iterdir())


def test_a_fork_does_not_take_its_parents_lock_for_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "WAIT_S", 0.2)
    with locked(tmp_path / "a"):
        child = os.fork()
        if not child:
            try:
                with locked(tmp_path / "a"):
                    os._exit(0)
            except PipelineError:
                os._exit(7)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
