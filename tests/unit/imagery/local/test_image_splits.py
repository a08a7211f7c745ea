from pathlib import Path

import pytest

from urbanseg.config.folder import SplitDraw, SplitLists, SplitTable
from urbanseg.errors import PipelineError
from urbanseg.imagery.local.image_splits import drawn, split

NAMES = [f"p{place}/2016{month:02}" for place in range(20) for month in (4, 5, 6)]
FIELDS = ("place", "date")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "meta.csv"
    rows = [f"p{place},{'fit' if place % 2 else 'check'},x" for place in range(20)]
    path.write_text("\n".join(["patch_id,use,more", *rows]) + "\n")
    return path


def test_the_rows_of_a_table_are_cut_in_their_order(table):
    rule = SplitTable(table=table, image="patch_id", rows={"train": 12, "val": 3, "test": 4})
    found = split(NAMES, FIELDS, rule)
    assert found["p0/201604"] == found["p11/201606"] == "train"
    assert found["p12/201605"] == found["p14/201605"] == "val"
    assert found["p18/201604"] == "test"
    assert "p19/201604" not in found


def test_a_column_of_a_table_says_the_split_in_the_words_of_the_data_set(table):
    rule = SplitTable(table=table, image="patch_id", split="use", train=["fit"], val=["x"], test=["check"])
    found = split(NAMES, FIELDS, rule)
    assert {found["p1/201604"], found["p3/201605"]} == {"train"}
    assert found["p2/201604"] == "test"


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"image": "id", "split": "use"}, "has no column id; it has patch_id, use, more"),
        (
            {"image": "patch_id", "rows": {"train": 20, "val": 1, "test": 0}},
            "has 20 rows, but splits.rows asks",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(table, about, sentence):
    with pytest.raises(PipelineError, match=sentence):
        split(NAMES, FIELDS, SplitTable.model_validate({"table": table} | about))


def test_a_table_has_one_rule():
    with pytest.raises(ValueError, match="give either split"):
        SplitTable(table=Path("a.csv"), image="id")


def test_validation_images_are_drawn_from_those_for_training_where_there_is_no_list():
    rule = SplitLists(train=None, val={"share": 0.25, "seed": 1}, test=["p1", "p2", "p3", "p4"])
    found = split(NAMES, FIELDS, rule)
    places = {name.split("/")[0]: split for name, split in found.items()}
    assert [list(places.values()).count(name) for name in ("train", "val", "test")] == [12, 4, 4]
    assert places["p3"] == "test"


@pytest.mark.parametrize("group", [None, "place"])
def test_groups_go_whole_to_a_split_in_the_shares_asked_for_and_by_the_seed(group):
    rule = SplitDraw(train=0.5, val=0.2, test=0.3, seed=3, group=group)
    found = drawn(NAMES, FIELDS, rule)
    assert found == drawn(NAMES[::-1], FIELDS, rule)
    by_place = {name.split("/")[0]: found[name] for name in NAMES}
    assert all(found[name] == by_place[name.split("/")[0]] for name in NAMES)
    assert [list(by_place.values()).count(name) for name in ("train", "val", "test")] == [10, 4, 6]
    assert found != drawn(NAMES, FIELDS, rule.model_copy(update={"seed": 4}))


def test_a_group_is_a_field_of_the_images():
    with pytest.raises(PipelineError, match=r"splits\.group is city, but the images have place, date"):
        drawn(NAMES, FIELDS, SplitDraw(train=1, val=0, test=0, seed=1, group="city"))
