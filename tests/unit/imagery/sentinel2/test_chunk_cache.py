"""What was fetched is kept, whatever happens to the rest, and never mistaken for something else."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.config.scene import Retry
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.imagery.sentinel2 import chunk_cache
from urbanseg.imagery.sentinel2.chunk_cache import Chunk
from urbanseg.imagery.sentinel2.retry import ResponseError, with_retries
from urbanseg.io import raster

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 20, 60)
ASKED: list[int] = []


def chunk(number: int, *, fails: bool = False, **key: object) -> Chunk:
    grid = GRID.window(Window(0, 10 * number, 20, 10))

    def fetch() -> np.ndarray:
        ASKED.append(number)
        if fails:
            raise PipelineError("gone")
        return np.full((2, *grid.shape), number, np.uint16)

    return Chunk({"archive": "a"} | key, grid, fetch)


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    ASKED.clear()


def test_chunks_are_fetched_once_and_come_in_order(tmp_path: Path) -> None:
    wanted = [chunk(number) for number in range(6)]
    first = chunk_cache.fetch(wanted, tmp_path, "x")
    again = chunk_cache.fetch(wanted, tmp_path, "x")
    assert first == again
    assert sorted(ASKED) == [0, 1, 2, 3, 4, 5]
    for number, path in enumerate(first):
        with raster.reading(path) as file:
            assert (file.read() == number).all()
            assert file.grid.same_as(wanted[number].grid)


def test_what_arrived_before_a_failure_is_kept(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="gone"):
        chunk_cache.fetch([chunk(0), chunk(1), chunk(2), chunk(3, fails=True), chunk(4)], tmp_path, "x")
    kept = len(list(tmp_path.glob("*.tif")))
    assert kept >= 2
    ASKED.clear()
    chunk_cache.fetch([chunk(number) for number in range(5)], tmp_path, "x")
    assert len(ASKED) == 5 - kept
    assert not list(tmp_path.glob("*.part*"))


def test_another_request_never_gets_a_kept_chunk(tmp_path: Path) -> None:
    (one,) = chunk_cache.fetch([chunk(0)], tmp_path, "x")
    others = [chunk(0, bands=["B02"]), chunk(1)]
    assert one not in chunk_cache.fetch(others, tmp_path, "x")
    assert sorted(ASKED) == [0, 0, 1]


def test_a_damaged_chunk_is_fetched_again(tmp_path: Path) -> None:
    (path,) = chunk_cache.fetch([chunk(0)], tmp_path, "x")
    path.write_bytes(b"II*\0")
    chunk_cache.fetch([chunk(0)], tmp_path, "x")
    assert ASKED == [0, 0]


def test_retries_end_with_one_sentence_or_with_the_fallback() -> None:
    tried: list[int] = []

    def broken() -> int:
        tried.append(1)
        raise ResponseError("it sent nonsense")

    with pytest.raises(PipelineError, match=r"Archive: it sent nonsense, 3 times in a row; .* again later"):
        with_retries(broken, "Archive", Retry(attempts=3, wait_s=0))
    assert len(tried) == 3

    def useless() -> int:
        raise ResponseError("it sent nothing", fallback=7)

    assert with_retries(useless, "Archive", Retry(attempts=2, wait_s=0)) == 7
