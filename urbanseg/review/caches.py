"""What was made before, up to so many bytes, the least lately used going first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Bytes:
    """Answers by what was asked for; see the module.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most, self._held, self._total = most, OrderedDict[Hashable, bytes | None](), 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes | None]) -> bytes | None:
        """What is kept for `key`, or else what `make` gives."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self._total += len(made or b"") + 200
            while self._total > self.most:
                _, gone = self._held.popitem(last=False)
                self._total -= len(gone or b"") + 200
        return made


class Latest(Generic[T]):
    """The result for the latest state of each thing, made once though several ask for it."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[Hashable, T]] = {}
        self._lock, self._making = threading.Lock(), dict[Hashable, threading.Lock]()

    def get(self, thing: Hashable, state: Hashable, make: Callable[[], T]) -> T:
        """The result for a thing in a state, made if its state is another than before.

        Args:
            thing: what the result is of.
            state: of the thing now; an equal one is the same state.
            make: makes the result; it is called by one thread at a time for each thing.
        """
        with self._lock:
            making = self._making.setdefault(thing, threading.Lock())
        with making:
            held = self._held.get(thing)
            if held is None or held[0] != state:
                held = self._held[thing] = (state, make())
            return held[1]
