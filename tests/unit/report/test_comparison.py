import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.report.comparison import Change, changes, drops, table

SHARE = st.floats(0, 1)


def only(base, new, paired=None):
    """The one change between two metrics files that have the mIoU alone."""
    (change,) = changes({"demo": base}, {"demo": new}, {"demo": paired or {}})
    return change


def test_a_drop_within_the_interval_of_the_base_is_noise_and_one_beyond_it_is_worse():
    base = {"miou": 0.5, "intervals": {"miou": [0.45, 0.56]}}
    assert only(base, {"miou": 0.46}).verdict == "noise"
    assert only(base, {"miou": 0.44}).verdict == "worse"
    assert only(base, {"miou": 0.55}).verdict == "noise"
    assert only(base, {"miou": 0.57}).verdict == "better"


@given(SHARE, SHARE, SHARE, SHARE)
def test_the_interval_of_the_base_holds_the_new_figure_exactly_where_the_change_is_noise(a, b, value, new):
    low, high = sorted((a, b))
    value = min(max(value, low), high)
    change = only({"miou": value, "intervals": {"miou": [low, high]}}, {"miou": new})
    expected = "worse" if new < low else "better" if new > high else "noise"
    assert change.verdict == expected
    assert change.interval[0] <= change.delta <= change.interval[1]


def test_paired_blocks_go_before_the_interval_of_the_base():
    base = {"miou": 0.5, "intervals": {"miou": [0.3, 0.7]}}
    change = only(base, {"miou": 0.48}, {"miou": (-0.03, -0.01)})
    assert (change.verdict, change.interval, change.source) == ("worse", (-0.03, -0.01), "paired blocks")
    undefined = only(base, {"miou": 0.48}, {"miou": (float("nan"), float("nan"))})
    assert (undefined.verdict, undefined.source) == ("noise", "base")


@pytest.mark.parametrize("base", [{"miou": 0.5}, {"miou": 0.5, "intervals": {"miou": None}}])
def test_without_an_interval_any_drop_is_worse_and_no_rise_is_better(base):
    assert only(base, {"miou": 0.499}).verdict == "worse"
    assert only(base, {"miou": 0.5}).verdict == "noise"
    assert only(base, {"miou": 0.9}).verdict == "noise"


@given(SHARE, st.tuples(SHARE, SHARE).map(sorted))
def test_nothing_changed_is_never_a_drop(value, ends):
    known = {"miou": value, "intervals": {"miou": [min(value, ends[0]), max(value, ends[1])]}}
    for metrics in ({"miou": value}, known):
        assert drops(changes({"demo": metrics}, {"demo": metrics}, {}), ["demo"]) == []


def test_a_drop_is_said_with_city_score_size_and_interval():
    base = {"miou": 0.5, "intervals": {"miou": [0.45, 0.56]}, "pixel_accuracy": 0.8}
    changed = changes({"demo": base}, {"demo": {"miou": 0.3, "pixel_accuracy": 0.79}}, {})
    assert drops(changed, ["demo"]) == [
        (
            "demo: mean IoU dropped by 0.2000, from 0.5000 to 0.3000; "
            "the 95 % interval of the change, −0.2600 to −0.1500, excludes zero"
        ),
        (
            "demo: pixel accuracy dropped by 0.0100, from 0.8000 to 0.7900; "
            "no interval is known, so any drop counts"
        ),
    ]


def test_a_score_that_is_gone_is_a_drop_unless_its_city_was_taken_out():
    base = {"demo": {"miou": 0.5, "road_connectivity": 0.4}, "oasis": {"miou": 0.3}}
    new = {"demo": {"miou": 0.5, "road_connectivity": None}, "delta": {"miou": 0.2}}
    changed = changes(base, new, {})
    assert [(c.city, c.label, c.verdict) for c in changed] == [
        ("demo", "mean IoU", "noise"),
        ("demo", "road connectivity", "gone"),
        ("oasis", "mean IoU", "gone"),
        ("delta", "mean IoU", "new"),
    ]
    assert drops(changed, new) == ["demo: road connectivity was 0.4000 and is undefined now"]


def test_the_table_has_a_row_for_each_change():
    shown = table(
        [
            Change("demo", "mean IoU", 0.5, 0.6, (0.02, 0.19), "paired blocks"),
            Change("demo", "road connectivity", None, 0.5),
        ]
    )
    assert shown.splitlines()[2:4] == [
        "| demo | mean IoU | 0.5000 | 0.6000 | +0.1000 | +0.0200 to +0.1900 | paired blocks | **better** |",
        "| demo | road connectivity | – | 0.5000 | – | – | – | new |",
    ]
