"""Suggested blocks are unsure, unlike each other, and new."""

import numpy as np
import pytest

from urbanseg.errors import PipelineError
from urbanseg.review.suggestions import answered_blocks, effect, note, rank


def ranked(uncertainty, features, answered=(), count=10, may=None):
    n = len(uncertainty)
    seen = np.isin(np.arange(n), answered)
    candidates = np.ones(n, bool) if may is None else np.array(may)
    values = np.array(uncertainty, float), np.array(features, float).reshape(n, 1)
    return [each.number for each in rank(*values, candidates, seen, count)]


def test_the_least_sure_comes_first_and_its_twin_last():
    assert ranked([0.9, 0.89, 0.5, 0.4], [0, 0, 1, 2]) == [0, 3, 2, 1]


def test_blocks_of_the_same_looks_are_ranked_by_uncertainty():
    assert ranked([0.1, 0.3, 0.2], [1, 1, 1]) == [1, 2, 0]


def test_what_was_answered_and_what_resembles_it_is_not_asked_soon():
    assert ranked([0.9, 0.8, 0.1], [0, 0, 5], answered=[0]) == [2, 1]


def test_test_blocks_and_sure_ones_are_never_asked():
    assert ranked([0.9, 0.0, 0.3], [0, 1, 2], may=[False, True, True]) == [2]


def test_no_more_than_wanted():
    assert len(ranked(np.linspace(0.1, 1, 50), np.arange(50), count=7)) == 7
    assert ranked([], []) == []


def test_a_log_remembers_answers_and_says_when_it_is_damaged(tmp_path):
    log = tmp_path / "log.jsonl"
    assert answered_blocks(log) == set()
    note(log, [{"event": "asked", "block": "r0c0"}, {"event": "done", "block": "r0c0"}])
    note(log, [{"event": "skipped", "block": "r9c9"}, {"event": "asked", "block": "r5c5"}])
    assert answered_blocks(log) == {"r0c0", "r9c9"}
    log.write_text("{")
    with pytest.raises(PipelineError, match="is damaged"):
        answered_blocks(log)


def test_blocks_of_rare_classes_may_change_the_mean_most():
    counts = np.array([[90, 10], [100, 0], [0, 0], [50, 0]])
    found = effect(counts, np.full(4, 100))
    assert found[0] > found[1] > found[3] > found[2] == 0
    assert (found * 100).sum() == pytest.approx(counts.sum()), "1 on average over all pixels with data"
    assert (effect(np.zeros((2, 3), int), np.array([4, 4])) == 0).all()
