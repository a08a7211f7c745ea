"""Corrections are put on top of a city's labels in params.yaml, whose other characters stay."""

import pytest

from tests.conftest import ROOT
from urbanseg.config.layers import corrected
from urbanseg.config.params import parse
from urbanseg.errors import PipelineError

TEXT = (ROOT / "params.yaml").read_text()
BLOCK = "    labels:   # mine\n      source: osm\n      # why\n      background: ignore\n"


@pytest.mark.parametrize("city", ["demo", "oasis"])
def test_labels_in_one_line_become_the_second_layer(city):
    made = corrected(TEXT, city)
    labels = parse(made, "x").cities[city].labels
    assert labels.layers == ["corrections", "osm"]
    assert labels.sources["osm"].source == "osm"
    lines = made.splitlines()
    assert [line for line in TEXT.splitlines() if line not in lines] in ([], ["    labels: {source: osm}"])
    other = "oasis" if city == "demo" else "demo"
    assert parse(made, "x").cities[other] == parse(TEXT, "x").cities[other]


def test_labels_in_lines_of_their_own_keep_their_comments():
    text = TEXT.replace("    labels: {source: osm}\n", BLOCK)
    made = corrected(text, "demo")
    found = parse(made, "x").cities["demo"].labels
    assert found.layers == ["corrections", "osm"]
    assert found.sources["osm"].background == "ignore"
    assert "# why" in made
    assert "labels:   # mine" in made
    assert parse(corrected(made, "oasis"), "x").cities["oasis"].labels.sources["osm"].background == "ignore"


def test_a_comment_behind_the_labels_stays():
    made = corrected(TEXT.replace("labels: {source: osm}", "labels: {source: osm}   # of OSM"), "demo")
    assert parse(made, "x").cities["demo"].labels.layers == ["corrections", "osm"]
    assert made.count("# of OSM") == 2


def test_what_has_the_layer_stays_as_it_is():
    made = corrected(TEXT, "demo")
    assert corrected(made, "demo") == made


def test_labels_that_take_no_layer_are_refused():
    masks = TEXT.replace(
        "labels: {source: osm}", 'labels: {source: masks, masks: "a/{x}", remap: {1: water}}', 1
    )
    with pytest.raises(PipelineError, match="masks, on which no corrections can lie"):
        corrected(masks, "demo")
    with pytest.raises(PipelineError, match="there is no nowhere"):
        corrected(TEXT, "nowhere")
