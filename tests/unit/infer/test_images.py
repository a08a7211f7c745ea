"""Images that belong to no city: names of their bands, units, colours of classes."""

import numpy as np
import pytest

from urbanseg.errors import PipelineError
from urbanseg.infer.images import class_table, other_units, parse_bands, select_bands
from urbanseg.model.spec import Spec

NAMES = ["other", "building", "road"]
REFLECTANCE = Spec(
    ["B02", "B03", "B04", "B08"],
    [1105.1, 1278.8, 1289.1, 2552.4],
    [588.6, 661.7, 848.8, 1140.7],
    NAMES, "Unet", "resnet18",
)  # fmt: skip
"""Bands of the embedded city as it was trained on."""


@pytest.mark.parametrize(
    ("medians", "spread"),
    [
        ((909, 1077, 1076, 2552), 0.3),  # the embedded city
        ((1615, 1796, 1970, 2726), 0.2),  # the oasis
        ((430, 770, 410, 4940), 0.3),  # Aberystwyth
        ((450, 300, 150, 80), 0.1),  # the open sea
        ((2200, 2900, 3800, 4600), 0.1),  # sand
        ((8200, 8000, 7900, 6500), 0.1),  # half of it snow
    ],
    ids=str,
)
def test_true_scenes_of_other_places_are_in_the_same_units(medians, spread):
    rng = np.random.default_rng(0)
    sample = [middle * rng.lognormal(0, spread, 4000) for middle in medians]
    assert other_units(sample, REFLECTANCE) is None
    for factor in (1e-4, 1e-1 if max(medians) < 5000 else 1e-2, 100):
        assert "in other units" in (other_units([band * factor for band in sample], REFLECTANCE) or "")


@pytest.mark.parametrize(
    "names", [["Blue", "GREEN", "red"], ["B2", "b03", "B04"], ["b02", "B3", "Red"], ["blue ", "Green", "B4"]]
)
def test_bands_are_selected_by_any_of_their_names(names):
    spec = Spec(["B04", "green", "BLUE"], [0] * 3, [1] * 3, NAMES, "Unet", "resnet18")
    assert select_bands(names, spec, "scene") == [3, 2, 1]


@pytest.mark.parametrize("text", ["red", "red=a", "=1", "red=1;green=2"])
def test_bands_that_do_not_read_are_refused(text):
    with pytest.raises(PipelineError, match="--bands must read like red=1"):
        parse_bands(text)


def test_classes_without_colours_get_distinct_ones():
    table = class_table([f"class{i}" for i in range(12)], None)
    assert len({c.color for c in table}) == 12
    assert class_table(table.names, table) is table
