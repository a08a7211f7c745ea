"""Comparison of two evaluations: the changes, and whether they are significant.

A change is real if its 95 % interval excludes zero. Best is the interval of the paired
difference, from the same test blocks on both sides (`metrics.bootstrap`); else the base's
own interval is taken for it. Where neither is known, any drop counts as
worse and no rise as better.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, Literal

from urbanseg.report.scores import DASH, HEADLINE

Interval = tuple[float, float]
Verdict = Literal["better", "worse", "noise", "new", "gone"]

LEGEND = (
    "A change is noise while its 95 % interval holds zero. Where none is known, any drop is worse and no "
    "rise is better."
)


@dataclass(frozen=True)
class Change:
    """One headline figure of one city on both sides; None where a side does not have it.

    `interval` is the 95 % interval of ``new - base``, None if none is known; `source` says
    where it comes from.
    """

    city: str
    label: str
    base: float | None
    new: float | None
    interval: Interval | None = None
    source: str = DASH

    @property
    def delta(self) -> float:
        """How much higher the new side scores; NaN where a side has no score."""
        return nan if self.base is None or self.new is None else self.new - self.base

    @property
    def verdict(self) -> Verdict:
        """Significance of the change; see the module."""
        if self.base is None:
            return "new"
        if self.new is None:
            return "gone"
        if self.interval is None:
            return "worse" if self.delta < 0 else "noise"
        low, high = self.interval
        if high < 0:
            return "worse"
        return "better" if low > 0 else "noise"


def changes(
    base: Mapping[str, Mapping[str, Any]],
    new: Mapping[str, Mapping[str, Any]],
    paired: Mapping[str, Mapping[str, Interval]],
) -> list[Change]:
    """Every headline figure of every city, as far as either side has it.

    Args:
        base: metrics of each city on the side compared with, as the evaluate stage writes them.
        new: same, of the new side.
        paired: 95 % intervals of ``new - base`` by city and figure, from the same test blocks.

    Returns:
        Changes by city, base first, in the order of `HEADLINE`.
    """
    found = []
    for city in [*base, *(city for city in new if city not in base)]:
        sides = base.get(city, {}), new.get(city, {})
        for key, label, _ in HEADLINE:
            before, after = (side.get(key) for side in sides)
            if before is not None or after is not None:
                interval, source = _interval(key, *sides, paired.get(city, {}))
                found.append(Change(city, label, before, after, interval, source))
    return found


def drops(changed: Iterable[Change], cities: Iterable[str]) -> list[str]:
    """A sentence for each figure that is worse, or gone although its city is still there.

    Args:
        changed: from `changes`.
        cities: the cities of the new side. A city that was taken out on purpose is no drop.
    """
    still = set(cities)
    return [
        _sentence(change)
        for change in changed
        if change.verdict == "worse" or (change.verdict == "gone" and change.city in still)
    ]


def table(changed: Sequence[Change]) -> str:
    """The changes as a Markdown table, and a line on how to read it."""
    rows = [
        ("city", "score", "base", "new", "change", "its 95 % interval", "from", "verdict"),
        ("---", "---", "---:", "---:", "---:", ":---:", "---", "---"),
        *(_row(change) for change in changed),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + f"\n\n{LEGEND}"


def _interval(
    key: str, base: Mapping[str, Any], new: Mapping[str, Any], paired: Mapping[str, Interval]
) -> tuple[Interval | None, str]:
    """Interval of the change of a figure, and where it comes from."""
    before, after = base.get(key), new.get(key)
    if before is None or after is None:
        return None, DASH
    if key in paired and not any(isnan(end) for end in paired[key]):
        return paired[key], "paired blocks"
    if (known := base.get("intervals", {}).get(key)) is not None:
        # Zero is within these ends exactly while the new figure is within the base's interval.
        low, high = known
        return (after - max(high, before), after - min(low, before)), "base"
    return None, "unknown"


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.city,
        change.label,
        _figure(change.base),
        _figure(change.new),
        DASH if isnan(change.delta) else _signed(change.delta),
        _ends(change.interval),
        change.source,
        f"**{change.verdict}**" if change.verdict in {"worse", "better"} else change.verdict,
    )


def _sentence(change: Change) -> str:
    if change.new is None:
        return f"{change.city}: {change.label} was {_figure(change.base)} and is undefined now"
    why = (
        f"the 95 % interval of the change, {_ends(change.interval)}, excludes zero"
        if change.interval
        else "no interval is known, so any drop counts"
    )
    return (
        f"{change.city}: {change.label} dropped by {-change.delta:.4f}, "
        f"from {_figure(change.base)} to {_figure(change.new)}; {why}"
    )


def _figure(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _ends(interval: Interval | None) -> str:
    return DASH if interval is None else " to ".join(map(_signed, interval))
