from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from urbanseg.learn.batch_sampler import order
from urbanseg.learn.batches import Draws, in_order


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
