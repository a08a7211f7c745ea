import pytest

from urbanseg.config.evaluate import Target
from urbanseg.metrics.targets import grade_score

TARGETS = {"road": Target(acceptable=0.6, good=0.75)}


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.0, "below"),
        (0.5999, "below"),
        (0.6, "acceptable"),
        (0.7499, "acceptable"),
        (0.75, "good"),
        (1, "good"),
    ],
)
def test_a_target_that_is_met_exactly_counts_as_met(score, expected):
    assert grade_score(score, "road", TARGETS) == expected


def test_there_is_no_grade_without_a_target_or_a_score():
    assert grade_score(0.9, "other", TARGETS) is None
    assert grade_score(float("nan"), "road", TARGETS) is None
