import threading
import time

import pytest

from urbanseg.infer.prefetch import ahead


def test_all_items_come_in_order():
    assert list(ahead(iter(range(1000)), depth=3)) == list(range(1000))


def test_an_error_comes_after_the_items_before_it():
    def failing():
        yield 1
        raise OSError("the disk is gone")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_items_are_made_while_the_caller_is_busy():
    made = threading.Event()

    def items():
        yield 1
        yield 2
        made.set()

    stream = ahead(items(), depth=2)
    next(stream)
    assert made.wait(5)
    assert list(stream) == [2]


def test_no_thread_outlives_a_caller_who_stops_early():
    before = threading.active_count()
    stream = ahead(iter(range(10**9)), depth=1)
    next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
