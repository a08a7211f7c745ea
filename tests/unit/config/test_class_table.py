import copy
import logging

import pytest

from tests.conftest import whole_params
from urbanseg.config.params import validated
from urbanseg.errors import PipelineError

WORLD = {
    "water": {"id": 80, "color": "#0064c8"},
    "tree_cover": {"id": 10, "color": "#006400", "kind": "vegetation"},
    "built_up": {"id": 50, "color": "#fa0000", "title": "Built-up", "kind": "building"},
    "snow": {"id": 70, "color": "#f0f0f0"},
}


@pytest.fixture
def raw():
    return whole_params()


def with_classes(raw, classes):
    return validated({**copy.deepcopy(raw), "classes": classes}, "params.yaml")


def test_classes_come_in_order_of_their_ids_whatever_the_order_of_the_file(raw):
    params = with_classes(raw, WORLD)
    assert list(params.classes) == params.class_table.names == ["tree_cover", "built_up", "snow", "water"]
    assert params.class_table.ids == [10, 50, 70, 80]


def test_rules_priorities_shares_and_targets_are_bound_by_the_kind_of_a_class(raw, caplog):
    with caplog.at_level(logging.INFO):
        params = with_classes(raw, WORLD)
    names = {"built_up", "tree_cover", "water"}
    assert set(params.osm.rules) == set(params.labels.min_share) == names
    assert params.labels.priority == ["built_up", "water", "tree_cover"]
    assert set(params.evaluate.targets) == names | {"overall"}
    assert params.evaluate.targets["built_up"].good == raw["evaluate"]["targets"]["building"]["good"]
    assert "evaluate.targets: road, bare_soil left out, as not one class is of that kind" in caplog.text


def test_what_no_feature_covers_is_unknown_where_no_class_is_the_rest(raw):
    assert with_classes(raw, WORLD).cities["demo"].labels.background == "ignore"
    rest = {"id": 0, "color": "#000000", "kind": "other"}
    assert with_classes(raw, WORLD | {"background": rest}).cities["demo"].labels.background == "background"


def test_a_table_of_values_is_bound_by_kinds_too(raw):
    raw["cities"]["demo"]["labels"] = {"source": "raster", "path": "a.tif", "remap": "worldcover"}
    classes = WORLD | {"rest": {"id": 0, "color": "#000000", "kind": "other"}}
    with pytest.raises(PipelineError, match=r"remap names the class 'bare_soil'"):
        with_classes(raw, classes)
    sand = {"sand": {"id": 60, "color": "#b4b4b4", "kind": "bare_soil"}}
    assert set(with_classes(raw, classes | sand).cities["demo"].labels.remap.values()) == {
        "ignore", "tree_cover", "rest", "sand", "water"
    }  # fmt: skip


def test_the_usual_table_changes_nothing(raw):
    assert validated(copy.deepcopy(raw), "p").model_dump() == with_classes(raw, raw["classes"]).model_dump()
    assert list(validated(raw, "p").osm.rules) == list(raw["osm"]["rules"])


def test_a_name_that_is_neither_usual_nor_a_class_is_still_a_mistake(raw):
    raw["evaluate"]["targets"]["buildings"] = {"acceptable": 0.5, "good": 0.6}
    with pytest.raises(PipelineError, match=r"evaluate\.targets names the class 'buildings'"):
        with_classes(raw, WORLD)


@pytest.mark.parametrize("count", [2, 24, 100])
def test_tables_of_two_to_a_hundred_classes_need_no_other_change_but_labels(raw, count):
    classes = {f"c{i}": {"id": 2 * i + 1, "color": "#112233"} for i in range(count)}
    for city in raw["cities"].values():
        city["labels"] = {"source": "raster", "path": "a.tif", "remap": {1: "c0", 3: "c1"}}
    params = with_classes(raw, classes)
    assert params.osm.rules == {}
    assert params.sampling.of_each(count) * count <= params.sampling.points


def test_openstreetmap_labels_nothing_without_a_rule(raw):
    with pytest.raises(PipelineError, match=r"osm\.rules makes none of the classes"):
        with_classes(raw, {name: WORLD[name] | {"kind": "none"} for name in ("snow", "tree_cover")})


def test_one_class_against_the_rest_needs_a_rest(raw):
    raw["train"]["only_class"] = "water"
    with pytest.raises(PipelineError, match=r"only_class needs a class of the kind other"):
        with_classes(raw, WORLD)
