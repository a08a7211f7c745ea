import threading
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.learn.batch_sampler import order
from urbanseg.learn.batches import Draws, ReadAhead, in_order


def draws(tiles, steps, batch_size, seed=3, **cut):
    return Draws(partial(order, tiles, None, seed), steps, batch_size, **cut)


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 60))
def test_every_tile_is_drawn_once_per_lap_across_steps(tiles, batch, steps):
    seen = [draw for part in draws(tiles, range(steps), batch) for draw in part]
    assert [d.number for d in seen] == list(range(batch * steps))
    for lap in range(len(seen) // tiles):
        assert sorted(d.tile for d in seen[lap * tiles : (lap + 1) * tiles]) == list(range(tiles))


@given(st.integers(1, 20), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 5))
def test_the_parts_of_all_processes_are_the_batches_however_they_are_cut(tiles, size, parts, devices, first):
    steps = range(first, first + 3)
    whole = draws(tiles, steps, size * parts * devices)
    cuts = [
        list(draws(tiles, steps, whole.batch_size, accumulate=parts, devices=devices, rank=rank))
        for rank in range(devices)
    ]
    assert all(len(cut) == len(steps) * parts for cut in cuts)
    in_turn = [part for together in zip(*cuts, strict=True) for part in together]
    assert all(len(part) == size for part in in_turn)
    assert [draw for part in in_turn for draw in part] == [draw for batch in whole for draw in batch]


def test_draws_that_start_later_are_those_of_the_whole():
    whole = draws(20, range(9), 4)
    assert list(whole.starting_at(5)) == list(whole)[5:]
    assert len(whole.starting_at(5)) == 4
    assert whole.batch(6) == list(whole)[6]


def test_validation_sees_every_tile_once():
    assert [d.tile for batch in in_order(7, 3) for d in batch] == list(range(7))


def test_batches_are_made_ahead_in_order_in_one_thread_that_closes_what_it_opened():
    made, released = [], []

    def source():
        for number in range(6):
            made.append((number, threading.get_ident()))
            yield number

    ahead = ReadAhead(source(), 2, lambda: released.append(threading.get_ident()))
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(made) == 3
    assert list(ahead) == [1, 2, 3, 4, 5]
    ahead.close()
    threads = {thread for _, thread in made}
    assert threads == set(released)
    assert threading.get_ident() not in threads
    assert len(released) == 1


def test_no_more_batches_are_made_once_it_is_closed():
    made = []
    ahead = ReadAhead((made.append(number) or number for number in range(1000)), 2, lambda: None)
    next(ahead)
    ahead.close()
    count = len(made)
    time.sleep(0.01)
    assert len(made) == count <= 3
    with pytest.raises(StopIteration):
        next(ahead)


def test_an_error_in_the_thread_is_raised_where_the_batch_is_wanted():
    def source():
        yield 1
        raise OSError("no such tile")

    ahead = ReadAhead(source(), 2, lambda: None)
    assert next(ahead) == 1
    with pytest.raises(OSError, match="no such tile"):
        next(ahead)
    ahead.close()


def test_waiting_is_counted_and_only_waiting():
    def slow():
        for number in range(3):
            time.sleep(0.03)
            yield number

    ahead = ReadAhead(slow(), 1, lambda: None)
    list(ahead)
    assert ahead.waited_s > 0.05
    ahead = ReadAhead(slow(), 3, lambda: None)
    time.sleep(0.5)
    waited = [next(ahead) for _ in range(3)]
    assert waited == [0, 1, 2]
    assert ahead.waited_s < 0.05
    ahead.close()
