"""What the system refuses is one sentence that names the file and what to do."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from tests.unit.io.hostile import tif
from urbanseg.cli.guard import guarded
from urbanseg.errors import PipelineError, of_system
from urbanseg.grid import Grid
from urbanseg.io import cog, files, raster, tables


def said(error: BaseException) -> str:
    """What a program says that ends with an error; it exits with 1."""

    def work() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        guarded(work)
    text = str(end.value.code)
    assert text.startswith("error: ")
    assert "\n" not in text
    return text.removeprefix("error: ")


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_number_of_the_system_is_a_sentence_that_names_the_file(number: int) -> None:
    text = said(OSError(number, os.strerror(number), "a/b.tif"))
    if number != errno.ENOMEM:
        assert text.startswith("a/b.tif")
    assert said(OSError(number, os.strerror(number)))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "there is not enough memory (the system gave none); close other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "there is not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "there is not enough memory"),
        (pa.ArrowMemoryError("malloc of size 99 failed"), "there is not enough memory (malloc of size 99"),
        (pa.ArrowInvalid("magic bytes\nnot found"), "a table cannot be read (magic bytes not"),
        (RuntimeError("a: Too many open files (24)"), "too many files are open at once; raise"),
        (RuntimeError("No space left on device (os error 28)"), "the disk is full; free some space ("),
        (OSError("cannot identify\nimage file"), "a file cannot be read or written: cannot identify image"),
        (OSError(errno.EXDEV, "x", "a", None, "b"), "b: its folder is a mount"),
        (OSError(errno.EACCES, "x", "/a/.out.part.lock"), "/a/out: "),
        (OSError(errno.EMFILE, "x"), "a file: too many files are open at once; raise the limit"),
    ],
)  # fmt: skip
def test_errors_of_libraries_are_sentences(error: BaseException, sentence: str) -> None:
    assert said(error).startswith(sentence)


def test_a_sentence_is_on_one_line_whatever_it_quotes() -> None:
    assert (
        str(PipelineError("a.zip holds a\r\nb: \x1b[31mc\n\t d; unpack it"))
        == "a.zip holds a b: [31mc d; unpack it"
    )


def test_errors_of_programming_stay_tracebacks() -> None:
    for error in (ValueError("x"), RuntimeError("x"), KeyError("x"), AssertionError()):
        assert of_system(error) is None


@contextmanager
def no_file_to_spare() -> Iterator[None]:
    """A process that can open no more files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1  # noqa: PTH208
    taken = [os.dup(0) for _ in range(used)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in taken:
            os.close(each)


def test_a_raster_is_not_called_damaged_when_no_file_can_be_opened(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.tif")
    with raster.reading(path):
        pass
    with no_file_to_spare(), pytest.raises(OSError, match="Too many open files") as caught:  # noqa: SIM117
        with raster.reading(path):
            pass
    assert "a.tif: too many files are open at once" in said(caught.value)


def test_a_table_is_called_damaged_only_if_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(PipelineError, match=r"a\.parquet is damaged"):
        tables.read(path)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links") as caught:
        tables.read(path)
    assert "its links lead back to themselves" in said(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_names_the_file_that_is_written(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(OSError, match="No space") as caught, files.atomic(tmp_path / "out.json"):
        raise error
    assert said(caught.value) == f"{tmp_path}/out.json cannot be written: the disk is full; free some space"


def test_a_temporary_name_is_not_what_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="x") as caught, files.atomic(tmp_path / "out") as made:  # noqa: PT012
        made.mkdir()
        raise OSError(errno.EACCES, "x", str(made / "a.json"))
    assert said(caught.value).startswith(f"{tmp_path}/out/a.json: it may not be read")


def test_json_of_too_many_levels_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(PipelineError, match=r"a\.json is not valid JSON"):
        files.read_json(tmp_path / "a.json")


SAYS = "import sys; from urbanseg.cli.guard import guarded; guarded(lambda: print('Zürich 森林 \\udcff'))"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_terminal_cannot_show_is_printed_as_its_code(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", SAYS], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).startswith("Z")
    assert b"\\udcff" in done.stdout


def test_every_program_reads_and_writes_text_in_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    params = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("Oasis (", "Oasis Zürich 森林 (")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "urbanseg.cli", "city", "list"],
        cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Oasis Z\\xfcrich \\u68ee\\u6797" in done.stdout


def test_a_raster_that_does_not_fit_on_the_disk_is_named(tmp_path: Path) -> None:
    grid = Grid(CRS(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 256, 256)
    values = np.random.default_rng(0).integers(0, 255, (1, 256, 256), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        with (
            pytest.raises(OSError, match="File too large") as caught,
            cog.writing(tmp_path / "a.tif", grid, dtype="uint8") as target,
        ):
            target.write(values)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said(caught.value).startswith(f"{tmp_path}/a.tif cannot be written: the disk is full")
    assert list(tmp_path.iterdir()) == []
