from math import hypot, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.metrics.bootstrap import Interval
from urbanseg.report.comparison import GATED, Change, changes, gate, table

SHARE = st.floats(0, 1)


def only(base, new, paired=None):
    """The one change between two metrics files that have the mIoU alone."""
    (change,) = changes({"demo": base}, {"demo": new}, {"demo": paired or {}})
    return change


def known(value, half):
    return {"miou": value, "intervals": {"miou": [value - half, value + half]}}


def pair(low, high, p_drop=nan):
    return Interval(low, high, 80, "cells", 30.4, p_drop)


def test_without_pairs_the_intervals_of_both_sides_add_up_in_squares():
    change = only(known(0.5, 0.03), known(0.46, 0.04))
    assert change.interval == pytest.approx((-0.04 - 0.05, -0.04 + 0.05))
    assert change.source == "both sides' own"
    assert change.verdict == "noise"
    assert only(known(0.5, 0.03), known(0.44, 0.04)).verdict == "worse"
    assert only(known(0.5, 0.03), known(0.56, 0.04)).verdict == "better"
    assert (
        only(known(0.5, 0.03), known(0.44, 0.04)).p_drop
        < 0.025
        < only(known(0.5, 0.03), known(0.46, 0.04)).p_drop
    )


def test_paired_blocks_go_before_the_intervals_of_both_sides():
    base = {"miou": 0.5, "intervals": {"miou": [0.3, 0.7]}}
    change = only(base, {"miou": 0.48}, {"miou": pair(-0.03, -0.01, 0.001)})
    assert (change.verdict, change.source) == ("worse", "paired 80 cells worth 30")
    assert change.interval == pytest.approx((-0.03, -0.01))
    assert change.p_drop == 0.001


@pytest.mark.parametrize("base", [{"miou": 0.5}, {"miou": 0.5, "intervals": {"miou": None}}])
@pytest.mark.parametrize("paired", [{}, {"miou": Interval(nan, nan, 5, "blocks")}])
@pytest.mark.parametrize("new", [0.1, 0.9])
def test_without_an_interval_there_is_no_verdict_and_the_reason_is_said(base, paired, new):
    change = only(base, {"miou": new}, paired)
    assert change.verdict == "unknown"
    assert change.source == (
        "none: 5 blocks, and 10 are needed" if paired else "none: not known on both sides"
    )


def test_scores_of_other_cities_are_not_compared():
    base, new = (
        {**known(value, 0.01), "cities": cities} for value, cities in ((0.5, ["a"]), (0.2, ["a", "b"]))
    )
    assert (only(base, new).verdict, only(base, new).source) == ("unknown", "none: other cities")


def test_a_known_spread_of_seeds_widens_the_interval_and_is_named():
    paired = {"demo": {"miou": pair(-0.03, -0.01, 0.0001)}}
    sides = {"demo": {"miou": 0.5}}, {"demo": {"miou": 0.48}}
    (change,) = changes(*sides, paired, {"demo": {"miou": 0.02}})
    half = hypot(0.01, 1.959964 * 2**0.5 * 0.02)
    assert change.interval == pytest.approx((-0.02 - half, -0.02 + half))
    assert change.verdict == "noise"
    assert change.p_drop > 0.2
    assert "| ± 0.0200 | noise |" in table([change])


@given(SHARE, st.floats(0, 0.5))
def test_nothing_changed_is_never_worse_nor_a_drop(value, half):
    for metrics in ({"miou": value}, known(value, half)):
        same = changes({"overall": metrics}, {"overall": metrics}, {})
        assert [change.verdict for change in same] == ["noise" if len(metrics) > 1 else "unknown"]
        assert gate(same, "overall").drops == []


def gated(miou, apls, city="overall", **sides):
    values = {"base": 0.5, "new": 0.4, "interval": (-0.2, 0.0), "source": "s"} | sides
    return [
        Change(city, key, key=key, p_drop=p, **values) for key, p in zip(GATED, (miou, apls), strict=True)
    ]


@pytest.mark.parametrize(
    ("miou", "apls", "dropped"),
    [
        (0.012, 0.3, ["miou"]),
        (0.013, 0.3, []),
        (0.3, 0.012, ["road_apls"]),
        (0.013, 0.02, []),  # each would do alone, but the gate looks twice
        (0.012, 0.024, ["miou", "road_apls"]),
        (0.02, nan, ["miou"]),  # the only one that is looked at
    ],
)
def test_the_gate_is_corrected_for_looking_twice(miou, apls, dropped):
    said = gate(gated(miou, apls), "overall").drops
    assert [one.split()[1] for one in said] == dropped


def test_the_gate_looks_at_two_figures_of_all_cities_alone():
    other = Change("overall", "mean F1", 0.5, 0.1, (-0.5, -0.3), "s", "mean_f1", 1e-9)
    assert gate([*gated(1e-9, 1e-9, city="demo"), other], "overall").drops == []


def test_a_drop_is_said_with_score_size_p_value_and_interval():
    (said,) = gate(gated(0.0012, 0.5), "overall").drops
    assert said == (
        "overall: miou dropped by 0.1000, from 0.5000 to 0.4000; "
        "one-sided p = 0.0012 on s, 95 % interval −0.2000 to +0.0000"
    )


def test_what_the_gate_can_not_judge_is_said():
    found = gate(gated(0.5, nan, source="none: 5 blocks, and 10 are needed"), "overall")
    assert found.drops == []
    assert found.not_judged == ["overall: road_apls changed by −0.1000; none: 5 blocks, and 10 are needed"]


def test_a_gated_score_that_is_gone_is_a_drop_and_other_cities_gone_are_not():
    base = {"overall": {"miou": 0.5, "road_apls": 0.4}, "oasis": {"miou": 0.3}}
    new = {"overall": {"miou": 0.5, "road_apls": None}, "delta": {"miou": 0.2}}
    changed = changes(base, new, {})
    assert [(c.city, c.label, c.verdict) for c in changed] == [
        ("overall", "mean IoU", "unknown"),
        ("overall", "road APLS", "gone"),
        ("oasis", "mean IoU", "gone"),
        ("delta", "mean IoU", "new"),
    ]
    assert gate(changed, "overall").drops == ["overall: road APLS was 0.4000 and is undefined now"]


def test_the_table_has_a_row_for_each_change():
    shown = table(
        [
            Change("demo", "mean IoU", 0.5, 0.6, (0.02, 0.19), "9 cells"),
            Change("demo", "road connectivity", None, 0.5),
        ]
    )
    assert shown.splitlines()[2:4] == [
        "| demo | mean IoU | 0.5000 | 0.6000 | +0.1000 | +0.0200 to +0.1900 | 9 cells | – | **better** |",
        "| demo | road connectivity | – | 0.5000 | – | – | – | – | new |",
    ]
