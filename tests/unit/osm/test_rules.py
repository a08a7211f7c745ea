"""Features that a satellite cannot see belong to no class."""

import pytest

from tests.conftest import shipped_params
from urbanseg.osm import rules
from urbanseg.osm.rules import classify, matches

OSM = shipped_params().osm
HOUSE, STREET, POND = {"building": "yes"}, {"highway": "primary"}, {"natural": "water"}


def classes(tags: dict[str, str]) -> list[str]:
    """The classes by the rules of params.yaml, whatever the geometry."""
    if any(matches(tags, unwanted) for unwanted in OSM.skip):
        return []
    return list(classify(tags, ["area", "line"], OSM.rules))


STATES = sorted(rules.STATES)


@pytest.mark.parametrize(
    "tags",
    [
        *({"building": state} for state in STATES),
        *({"building:part": state} for state in STATES),
        *({"building": "yes", f"{state}:building": "yes"} for state in STATES),
        *({f"{state}:building": "yes"} for state in STATES),
        *({**HOUSE, state: "yes"} for state in STATES if state not in ("disused", "abandoned")),
        {**STREET, "demolished": "yes"},
        {**STREET, "abandoned:highway": "primary"},
        *({**HOUSE, "layer": layer} for layer in ("-1", "-2", "-0.5", " -1", "-2;-1")),
        {"building:part": "yes", "layer": "-1"},
        {**HOUSE, "level": "-1"},
        {**HOUSE, "location": "underground"},
        {**HOUSE, "indoor": "yes"},
        {**STREET, "indoor": "corridor"},
        *({**STREET, "covered": how} for how in ("yes", "arcade", "colonnade")),
        {**POND, "covered": "yes"},
        {**STREET, "tunnel": "yes"},
        {**HOUSE, "tunnel": "building_passage"},
    ],
)
def test_what_is_not_there_or_lies_below_something_is_skipped(tags: dict[str, str]) -> None:
    assert classes(tags) == []


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ({**HOUSE, "layer": "1"}, ["building"]),
        ({**HOUSE, "layer": "0"}, ["building"]),
        ({**HOUSE, "layer": "-0"}, ["building"]),
        ({**HOUSE, "layer": "-1;1"}, ["building"]),
        ({**HOUSE, "layer": "below"}, ["building"]),
        ({**HOUSE, "disused": "yes"}, ["building"]),  # empty, and still there
        ({**HOUSE, "abandoned": "yes", "demolished": "no"}, ["building"]),
        ({**HOUSE, "covered": "yes"}, ["building"]),  # its roof is what is seen
        ({"building": "apartments", "demolished:building": "house"}, ["building"]),  # its successor
        ({"highway": "service", "disused:highway": "primary"}, ["road"]),
        ({**STREET, "layer": "-1"}, ["road"]),  # a cutting
        ({**STREET, "covered": "no", "indoor": "no"}, ["road"]),
        ({**STREET, "construction": "minor"}, ["road"]),
        ({"landuse": "construction", "construction": "residential"}, ["bare_soil"]),
        ({"landuse": "grass", "demolished:building": "yes"}, ["vegetation"]),
        ({"waterway": "river", "layer": "-1"}, ["water"]),
    ],
)
def test_what_is_there_keeps_its_class(tags: dict[str, str], names: list[str]) -> None:
    assert classes(tags) == names
