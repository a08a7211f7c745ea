import logging

import numpy as np
import pandas as pd
import pytest

from tests.unit.learn.recipes import recipe
from urbanseg.learn.assembly import assemble, learnt_classes, one_against_rest
from urbanseg.model.spec import Spec

CLASSES = ["other", "road", "water"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 60
    counts = rng.integers(0, 100, (n, 3)) * [20, 1, 5]
    return pd.DataFrame(
        {
            "city": ["a"] * 30 + ["b"] * 30,
            **{name: range(n) for name in ("row", "col")},
            **{name: [8] * n for name in ("height", "width")},
            "split": (["train"] * 20 + ["val"] * 6 + ["test"] * 4) * 2,
            **{f"px_{name}": counts[:, i] for i, name in enumerate(CLASSES)},
        }
    )


def assembled(table, ids=None, **changes):
    params = recipe(**changes)
    spec = Spec(["B02"], [0.0], [1.0], learnt_classes(CLASSES, params.only_class), "Unet", "resnet18")
    return assemble(table, CLASSES, {}, spec, params, tile_size=8, seed=7, ids=ids)


def test_tiles_go_to_their_splits_with_their_counts(table):
    data = assembled(table)
    assert [len(tiles) for tiles in (data.train, data.val, data.test)] == [40, 12, 8]
    assert data.relabel is None
    rows = table[table["split"] == "train"]
    assert [tile.window.row for tile in data.train] == rows["row"].tolist()
    np.testing.assert_array_equal(data.train_counts, rows[[f"px_{c}" for c in CLASSES]])


def test_a_fraction_of_the_training_tiles_is_chosen_and_nothing_else_is_touched(table, caplog):
    with caplog.at_level(logging.INFO):
        data = assembled(table, fraction=0.1)
    assert [len(tiles) for tiles in (data.train, data.val, data.test)] == [4, 12, 8]
    assert "training on 4 of 40 tiles" in caplog.text
    assert data.train == assembled(table, fraction=0.1).train
    by_row = table.set_index("row")
    for tile, counts in zip(data.train, data.train_counts, strict=True):
        assert by_row.loc[tile.window.row, [f"px_{c}" for c in CLASSES]].tolist() == counts.tolist()


def test_one_class_is_counted_against_the_rest(table):
    data = assembled(table, only_class="road")
    assert data.spec.classes == ["other", "road"]
    everything = assembled(table).train_counts
    np.testing.assert_array_equal(data.train_counts[:, 1], everything[:, 1])
    np.testing.assert_array_equal(data.train_counts.sum(axis=1), everything.sum(axis=1))


def test_only_the_class_and_the_unknown_keep_their_meaning():
    relabel = one_against_rest(3)
    assert relabel[[0, 2, 3, 4, 255]].tolist() == [0, 0, 1, 0, 255]


def test_labels_of_other_values_than_positions_are_read_by_their_values(table):
    values = [10, 20, 95, 255]
    assert assembled(table, ids=values[:3]).relabel[values].tolist() == [0, 1, 2, 255]
    binary = assembled(table, ids=values[:3], only_class="water")
    assert binary.relabel[values].tolist() == [0, 0, 1, 255]


def test_the_log_says_what_balance_does_to_the_classes(table, caplog):
    with caplog.at_level(logging.INFO):
        assembled(table, balance=1.0)
    assert "class shares drawn: other" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assembled(table, balance=0.0)
    assert not caplog.text
