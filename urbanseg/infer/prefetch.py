"""Doing one thing ahead of another: an iterator that runs in a thread of its own.

Reading, the network and writing each wait for something else (the disk, the cores or the
GPU, the disk); numpy, torch and GDAL leave Python's lock while they work.
"""

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 0.1
"""How often a waiting thread looks whether anyone still wants what it makes."""


class _End:
    """Closes the queue, with the error that ended the iterator, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The items, in order, of which up to `depth` are made before they are asked for.

    What `items` raises is raised here. When the caller stops early, so does the thread.
    """
    queue: Queue[T | _End] = Queue(depth)
    stopped = threading.Event()

    def offer(item: T | _End) -> None:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=PATIENCE_S)
            except Full:
                continue
            return

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                offer(item)
                if stopped.is_set():
                    return
        except BaseException as caught:  # noqa: BLE001, it is raised again in the caller's thread
            error = caught
        offer(_End(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = queue.get(timeout=PATIENCE_S)
            except Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join()
