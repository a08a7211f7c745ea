"""Grades: a score against the values that count as acceptable and as good."""

from collections.abc import Mapping
from math import isnan
from typing import Literal, Protocol

Grade = Literal["good", "acceptable", "below"]

OVERALL = "overall"
"""Name of the mIoU's row in the table of targets."""


class Target(Protocol):
    """The least score that is acceptable, and the least that is good."""

    @property
    def acceptable(self) -> float:
        """Least acceptable score, 0–1."""
        ...

    @property
    def good(self) -> float:
        """Least good score, 0–1."""
        ...


def grade_score(score: float, name: str, targets: Mapping[str, Target]) -> Grade | None:
    """Compare a score with its target.

    Args:
        score: of 0–1; NaN if undefined.
        name: of a class, or `OVERALL`.
        targets: by class, and overall.

    Returns:
        The grade; None if the score is NaN or there is no target of that name.
    """
    if isnan(score) or name not in targets:
        return None
    if score >= targets[name].good:
        return "good"
    return "acceptable" if score >= targets[name].acceptable else "below"
