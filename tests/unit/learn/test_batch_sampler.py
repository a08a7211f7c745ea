from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urbanseg.learn import batch_sampler
from urbanseg.learn.batch_sampler import BatchSampler, in_order

histograms = arrays(np.int64, st.tuples(st.integers(1, 40), st.integers(1, 6)), elements=st.integers(0, 5000))
balances = st.sampled_from([0.0, 0.2, 0.7, 1.0])
seeds = st.integers(0, 1000)


def city(seed=0, tiles=400):
    """Tiles of which most are of one class, and the last two classes are in few."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([4, 2, 0.5, 0.1, 0.05], tiles)
    return (shares * 65536).astype(np.int64)


@given(histograms, balances)
def test_probabilities_sum_to_one(tiles, balance):
    probabilities = batch_sampler.tile_probabilities(tiles, balance)
    assert probabilities.shape == (len(tiles),)
    assert (probabilities >= 0).all()
    assert probabilities.sum() == pytest.approx(1)


def test_without_balance_all_tiles_are_alike():
    np.testing.assert_allclose(batch_sampler.tile_probabilities(city(), 0), 1 / 400)


def test_with_full_balance_a_class_is_picked_evenly_then_a_tile_by_its_share_of_it():
    tiles = np.array([[30, 0, 5], [10, 0, 0], [60, 0, 0]])
    expected = [(0.3 + 1) / 2, 0.1 / 2, 0.6 / 2]
    np.testing.assert_allclose(batch_sampler.tile_probabilities(tiles, 1), expected)
    half = np.add(expected, 1 / 3) / 2
    np.testing.assert_allclose(batch_sampler.tile_probabilities(tiles, 0.5), half)


def test_balance_raises_the_share_of_rare_classes_step_by_step():
    tiles = city()
    shares = [
        batch_sampler.class_shares(tiles, batch_sampler.tile_probabilities(tiles, balance))[3:]
        for balance in (0, 0.3, 0.6, 1)
    ]
    assert (np.diff(shares, axis=0) > 0).all()
    assert (shares[-1] > 2 * shares[0]).all()


@given(histograms)
def test_shares_of_an_even_draw_are_those_of_the_whole(tiles):
    whole = batch_sampler.class_shares(tiles)
    assert whole.sum() == pytest.approx(1 if tiles.any() else 0)
    np.testing.assert_allclose(
        batch_sampler.class_shares(tiles, batch_sampler.tile_probabilities(tiles, 0)), whole
    )


def test_expected_shares_are_those_of_many_passes():
    tiles = city(tiles=50)
    probabilities = batch_sampler.tile_probabilities(tiles, 0.8)
    drawn = np.concatenate([batch_sampler.order(50, probabilities, 3, pass_) for pass_ in range(400)])
    np.testing.assert_allclose(
        batch_sampler.class_shares(tiles[drawn]), batch_sampler.class_shares(tiles, probabilities), rtol=0.02
    )


def test_the_sentence_names_each_class_with_its_share_before_and_after():
    said = batch_sampler.shares_sentence(
        ["road", "water"], np.array([0.041, 0.959]), np.array([0.098, 0.902])
    )
    assert said == "class shares drawn: road 4.1 % → 9.8 %, water 95.9 % → 90.2 %"


@given(st.integers(1, 300), seeds, st.integers(0, 20))
def test_without_probabilities_a_pass_is_the_seeded_permutation(tiles, seed, pass_):
    expected = np.random.default_rng((seed, pass_)).permutation(tiles)
    even = np.full(tiles, 1 / tiles)
    for probabilities in (None, even, even * (1 + 1e-15)):
        drawn = batch_sampler.order(tiles, probabilities, seed, pass_)
        assert drawn.dtype == np.int64
        np.testing.assert_array_equal(drawn, expected)


@given(histograms, balances, seeds, st.integers(0, 5))
def test_a_tile_comes_as_often_as_expected_rounded_down_or_up(tiles, balance, seed, pass_):
    probabilities = batch_sampler.tile_probabilities(tiles, balance)
    drawn = batch_sampler.order(len(tiles), probabilities, seed, pass_)
    counts = np.bincount(drawn, minlength=len(tiles))
    assert len(drawn) == len(counts) == len(tiles)
    assert (np.abs(counts - probabilities * len(tiles)) < 1).all()
    np.testing.assert_array_equal(drawn, batch_sampler.order(len(tiles), probabilities, seed, pass_))


def test_passes_and_seeds_differ_and_are_shuffled():
    probabilities = batch_sampler.tile_probabilities(city(), 0.5)
    first = batch_sampler.order(400, probabilities, 1, 0)
    assert (first != batch_sampler.order(400, probabilities, 1, 1)).any()
    assert (first != batch_sampler.order(400, probabilities, 2, 0)).any()
    assert abs(np.corrcoef(first, np.arange(400))[0, 1]) < 0.2


@given(histograms, st.floats(0.01, 1), seeds)
def test_a_choice_has_the_size_asked_for_and_is_sorted_without_repeats(tiles, fraction, seed):
    chosen = batch_sampler.choose_fraction(tiles, fraction, seed)
    assert chosen.dtype == np.int64
    assert len(chosen) == max(1, round(fraction * len(tiles)))
    assert (np.diff(chosen) > 0).all()
    assert 0 <= chosen[0] <= chosen[-1] < len(tiles)
    np.testing.assert_array_equal(chosen, batch_sampler.choose_fraction(tiles, fraction, seed))


@given(histograms, st.floats(0.01, 1), seeds)
def test_a_choice_of_as_many_tiles_as_classes_holds_each_class(tiles, fraction, seed):
    chosen = batch_sampler.choose_fraction(tiles, fraction, seed)
    found = tiles[chosen].any(axis=0).sum()
    present = tiles.any(axis=0).sum()
    assert found >= min(present, len(chosen))


def test_a_single_tile_is_one_with_the_rarest_class_and_the_most_others():
    tiles = np.array([[9, 9, 9, 0], [9, 0, 0, 1], [9, 9, 0, 1], [9, 9, 9, 0], [9, 0, 9, 0]])
    for seed in range(5):
        assert batch_sampler.choose_fraction(tiles, 0.1, seed).tolist() == [2]


@pytest.mark.parametrize("fraction", [0.05, 0.1])
def test_a_choice_has_nearly_the_class_shares_of_the_whole(fraction):
    tiles = city()
    whole = batch_sampler.class_shares(tiles)
    rng = np.random.default_rng(0)
    size = round(400 * fraction)
    ours, blind = [
        np.mean([np.abs(batch_sampler.class_shares(tiles[pick]) / whole - 1) for pick in picks], axis=0)
        for picks in (
            [batch_sampler.choose_fraction(tiles, fraction, seed) for seed in range(20)],
            [rng.choice(400, size, replace=False) for _ in range(20)],
        )
    ]
    assert (ours < 0.25).all()
    assert (ours < blind / 2).all()


def test_another_seed_chooses_other_tiles():
    choices = {tuple(batch_sampler.choose_fraction(city(tiles=100), 0.05, seed)) for seed in range(10)}
    assert len(choices) > 5


def sampler(tiles, steps, batch_size, seed=3, **cut):
    return BatchSampler(partial(batch_sampler.order, tiles, None, seed), steps, batch_size, **cut)


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 60))
def test_every_tile_is_drawn_once_per_pass_across_steps(tiles, batch, steps):
    seen = [draw for part in sampler(tiles, range(steps), batch) for draw in part]
    assert [d.number for d in seen] == list(range(batch * steps))
    for pass_ in range(len(seen) // tiles):
        assert sorted(d.tile for d in seen[pass_ * tiles : (pass_ + 1) * tiles]) == list(range(tiles))


@given(st.integers(1, 20), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 5))
def test_the_parts_of_all_processes_are_the_batches_however_they_are_cut(tiles, size, parts, devices, first):
    steps = range(first, first + 3)
    whole = sampler(tiles, steps, size * parts * devices)
    cuts = [
        list(sampler(tiles, steps, whole.batch_size, accumulate=parts, devices=devices, rank=rank))
        for rank in range(devices)
    ]
    assert all(len(cut) == len(steps) * parts for cut in cuts)
    in_turn = [part for together in zip(*cuts, strict=True) for part in together]
    assert all(len(part) == size for part in in_turn)
    assert [draw for part in in_turn for draw in part] == [draw for batch in whole for draw in batch]


def test_draws_that_start_later_are_those_of_the_whole():
    whole = sampler(20, range(9), 4)
    assert list(whole.starting_at(5)) == list(whole)[5:]
    assert len(whole.starting_at(5)) == 4
    assert whole.batch(6) == list(whole)[6]


def test_validation_sees_every_tile_once():
    assert [d.tile for batch in in_order(7, 3) for d in batch] == list(range(7))
