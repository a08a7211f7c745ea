"""Overlays hold only what differs, and leave the rest of params.yaml as it is written."""

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import load
from urbanseg.errors import PipelineError

BASE = (ROOT / "params.yaml").read_text()
OVERLAYS = sorted(
    path for folder in ("", "models", "datasets") for path in (ROOT / "params" / folder).glob("*.yaml")
)
IN_LINE = {"augment", "classes", "split"}
"""Sections that an overlay replaces as a whole, as params.yaml has them in one line."""


def leaves(value, place=()):
    if isinstance(value, dict) and value and not {*place} & IN_LINE:
        return {leaf for key, inner in value.items() for leaf in leaves(inner, (*place, key))}
    return {(place, str(value))}


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_the_overlays_hold_what_differs_and_no_more(path, tmp_path):
    yaml = YAML(typ="safe", pure=True)
    base, changes = yaml.load(BASE), yaml.load(path.read_text())
    merged = overlaid(BASE, path.read_text())
    (tmp_path / "params.yaml").write_text(merged)
    assert list(load(tmp_path / "params.yaml").cities) == list(changes.pop("cities", base["cities"]))
    new = yaml.load(merged)
    for section in (base, new):
        section.pop("cities")
    assert leaves(changes) == leaves(new) - leaves(base)


def test_classes_are_merged_unless_one_is_new():
    merged = YAML(typ="safe").load(overlaid(BASE, 'classes:\n  road: {id: 2, color: "#000000"}\n'))["classes"]
    assert list(merged) == list(YAML(typ="safe").load(BASE)["classes"])
    assert merged["road"]["color"] == "#000000"
    new = 'classes:\n  tree: {id: 10, color: "#000000"}\n  road: {id: 2, color: "#111111"}\n'
    assert list(YAML(typ="safe").load(overlaid(BASE, new))["classes"]) == ["tree", "road"]


def test_all_that_is_not_named_keeps_its_characters():
    changed = overlaid(BASE, "seed: 1234\nevaluate:\n  roads:\n    buffer_m: 4 # mine\n")
    lines = zip(BASE.splitlines(), changed.splitlines(), strict=True)
    assert [new for old, new in lines if old != new] == [
        "seed: 1234                  # of split, evaluation, and of training if it has none of its own",
        "    buffer_m: 4             # of completeness, correctness and quality, on each side of a road",
    ]


@pytest.mark.parametrize(
    ("overlay", "values"),
    [
        ("tiles: {size: 128}", "tiles must be written in the lines"),
        ("tiles:\n  sise: 128", r"tiles\.sise is no parameter"),
        ("cities: 3", "cities must be written in the lines"),
        ("- 1", "has no keys"),
        ("", "has no keys"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_what_is_no_overlay_is_refused(overlay, values):
    with pytest.raises(PipelineError, match=values):
        overlaid(BASE, overlay)


def test_the_first_and_the_last_section_can_be_replaced_too():
    last = overlaid("a: 1\ncities:\n  b: 2\n", "cities:\n  c: 3\n")
    first = overlaid("cities:\n  b: 2\nz: 1\n", "cities:\n  c: 3\n# end\n")
    assert YAML(typ="safe").load(last) == {"a": 1, "cities": {"c": 3}}
    assert YAML(typ="safe").load(first) == {"cities": {"c": 3}, "z": 1}
