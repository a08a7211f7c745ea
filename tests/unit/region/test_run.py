"""What fails is tried again, and never stops the rest; on a real scheduler in this process."""

from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from urbanseg.errors import PipelineError
from urbanseg.region.run import Failure, NothingToMapError, run_cells


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster, set_as_default=False) as connected,
    ):
        yield connected


class Work:
    """Counts the tries of each cell in a file; some of them fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, cell: str) -> None:
        file = self.folder / cell
        with file.open("a") as tries:
            tries.write("x")
        if cell.startswith("cloud"):
            raise NothingToMapError("all is cloud")
        if cell.startswith("corrupt"):
            raise PipelineError("it is corrupt")
        if cell.startswith("odd"):
            raise ZeroDivisionError("by zero")
        if cell.startswith("shaky") and len(file.read_text()) < 3:
            raise PipelineError("not yet")


def test_each_cell_is_made_or_told(client, tmp_path):
    cells = [*(f"good{i}" for i in range(20)), "cloud", "corrupt", "shaky", "odd"]
    failures = run_cells(client, cells, Work(tmp_path), retries=2)
    assert failures == [
        Failure("cloud", "nothing to map", "all is cloud"),
        Failure("corrupt", "failed", "it is corrupt"),
        Failure("odd", "failed", "ZeroDivisionError: by zero"),
    ]
    tries = {path.name: len(path.read_text()) for path in tmp_path.iterdir()}
    assert {name: tries.pop(name) for name in ("cloud", "corrupt", "shaky", "odd")} == {
        "cloud": 1, "corrupt": 3, "shaky": 3, "odd": 3,
    }  # fmt: skip
    assert set(tries.values()) == {1}
    assert len(tries) == 20


def test_no_cells_are_no_work(client, tmp_path):
    assert run_cells(client, [], Work(tmp_path), retries=2) == []


def test_other_code_on_a_worker_stops_all(client):
    def work(_: str) -> None:
        raise ModuleNotFoundError("No module named 'urbanseg'")

    with pytest.raises(PipelineError, match="has other code than this machine"):
        run_cells(client, ["one"], work, retries=2)
