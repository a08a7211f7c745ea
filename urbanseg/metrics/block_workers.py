"""Work on one block of a scene after the other, by this process or by several.

Results come in the blocks' order, so the number of processes changes none of them. Each
process opens what it reads once.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io.processes import follow_parent

Inputs = TypeVar("Inputs")
Result = TypeVar("Result")

CHUNK = 4
"""Blocks that a process takes at once, at most."""


def each_block(
    prepare: Callable[[ExitStack], Inputs],
    work: Callable[[Inputs, Window], Result],
    laid: Sequence[Window],
    workers: int,
) -> Iterator[Result]:
    """Do some work on each block.

    Args:
        prepare: opens what the work reads, in each process once; what it enters stays open.
        work: gives the result of a block. Both go to the processes, so they can be pickled.
        laid: the blocks.
        workers: number of processes.

    Yields:
        The results in the blocks' order.

    Raises:
        PipelineError: if the work does, or a process was ended from outside.
    """
    if workers == 1:
        with ExitStack() as stack:
            inputs = prepare(stack)
            yield from (work(inputs, block) for block in laid)
        return
    chunk = max(1, min(CHUNK, len(laid) // (2 * workers)))
    with ProcessPoolExecutor(workers, initializer=_open, initargs=(prepare,)) as pool:
        try:
            yield from pool.map(partial(_in_worker, work), laid, chunksize=chunk)
        except BrokenProcessPool as error:
            raise PipelineError(
                "a worker process was ended from outside, perhaps for want of memory; "
                "lower evaluate.workers in params.yaml"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_STACK = ExitStack()
"""Keeps what a worker process has opened open as long as it lives."""

_INPUTS: list[Any] = []
"""What a worker process reads."""


def _open(prepare: Callable[[ExitStack], Any]) -> None:
    follow_parent()
    _INPUTS[:] = [prepare(_STACK)]


def _in_worker(work: Callable[[Any, Window], Result], block: Window) -> Result:
    try:
        return work(_INPUTS[0], block)
    except PipelineError as error:
        sentence = str(error)
    # without GDAL's exceptions behind it, which don't survive the way between processes
    raise PipelineError(sentence)
