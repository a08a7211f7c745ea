"""Prefetching: an iterator that runs in a thread of its own, ahead of who wants its items.

Reading, the network and writing each wait for something else (the disk, the cores or the
GPU, the disk); numpy, torch and GDAL release Python's lock while they work. So a thread is
enough on a CPU, where a worker process would need a core of its own.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from queue import SimpleQueue
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """The last entry of the queue, with the error that ended the iterator, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetcher(Generic[T]):
    """The items of an iterator, in order, of which up to `depth` are made before they are asked for.

    The thread starts when this is made, and ends with the last item or by `close`. What the
    iterator raises is raised here, after the items before it.
    """

    def __init__(self, items: Iterable[T], depth: int, release: Callable[[], None] | None = None) -> None:
        """Start the thread.

        Args:
            items: what is iterated in the thread.
            depth: items kept ready, the one that is being made among them.
            release: called by the thread at its end, to close what it opened: GDAL's
                environment is the thread's own.
        """
        self.waited_s = 0.0
        self._ready: SimpleQueue[T | _End] = SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._closed = False
        self._thread = threading.Thread(target=self._work, args=(iter(items), release), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._closed:
            raise StopIteration
        began = perf_counter()
        item = self._ready.get()
        self.waited_s += perf_counter() - began
        if isinstance(item, _End):
            self.close()
            raise item.error or StopIteration
        self._room.release()
        return item

    def close(self) -> None:
        """Make no more items, and wait for the thread to end."""
        self._closed = True
        self._room.release()
        self._thread.join()

    def _work(self, items: Iterator[T], release: Callable[[], None] | None) -> None:
        error: BaseException | None = None
        try:
            while self._room.acquire() and not self._closed:
                self._ready.put(next(items))
        except StopIteration:
            pass
        except BaseException as caught:  # noqa: BLE001, it is raised again in the caller's thread
            error = caught
        finally:
            self._ready.put(_End(error))
            if release is not None:
                release()


def prefetch(items: Iterable[T], depth: int = 3) -> Iterator[T]:
    """The items, in order, by a `Prefetcher` that ends when the caller stops."""
    with closing(Prefetcher(items, depth)) as prefetched:
        yield from prefetched
