import threading
import time

import pytest

from urbanseg.io.prefetch import Prefetcher, prefetch


def test_all_items_come_in_order():
    assert list(prefetch(iter(range(1000)), depth=3)) == list(range(1000))


def test_an_error_comes_after_the_items_before_it():
    def failing():
        yield 1
        raise OSError("the disk is gone")

    items = prefetch(failing())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_items_are_made_while_the_caller_is_busy():
    made = threading.Event()

    def items():
        yield 1
        yield 2
        made.set()

    stream = prefetch(items(), depth=2)
    next(stream)
    assert made.wait(5)
    assert list(stream) == [2]


def test_no_thread_outlives_a_caller_who_stops_early():
    before = threading.active_count()
    stream = prefetch(iter(range(10**9)), depth=1)
    next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_items_are_made_ahead_in_order_in_one_thread_that_closes_what_it_opened():
    made, released = [], []

    def source():
        for number in range(6):
            made.append((number, threading.get_ident()))
            yield number

    prefetched = Prefetcher(source(), 2, lambda: released.append(threading.get_ident()))
    assert next(prefetched) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(made) == 3
    assert list(prefetched) == [1, 2, 3, 4, 5]
    prefetched.close()
    threads = {thread for _, thread in made}
    assert threads == set(released)
    assert threading.get_ident() not in threads
    assert len(released) == 1


def test_no_more_items_are_made_once_it_is_closed():
    made = []
    prefetched = Prefetcher((made.append(number) or number for number in range(1000)), 2, lambda: None)
    next(prefetched)
    prefetched.close()
    count = len(made)
    time.sleep(0.01)
    assert len(made) == count <= 3
    with pytest.raises(StopIteration):
        next(prefetched)


def test_an_error_in_the_thread_is_raised_where_the_item_is_wanted():
    def source():
        yield 1
        raise OSError("no such tile")

    prefetched = Prefetcher(source(), 2, lambda: None)
    assert next(prefetched) == 1
    with pytest.raises(OSError, match="no such tile"):
        next(prefetched)
    prefetched.close()


def test_waiting_is_counted_and_only_waiting():
    def slow():
        for number in range(3):
            time.sleep(0.03)
            yield number

    prefetched = Prefetcher(slow(), 1, lambda: None)
    list(prefetched)
    assert prefetched.waited_s > 0.05
    prefetched = Prefetcher(slow(), 3, lambda: None)
    time.sleep(0.5)
    waited = [next(prefetched) for _ in range(3)]
    assert waited == [0, 1, 2]
    assert prefetched.waited_s < 0.05
    prefetched.close()
