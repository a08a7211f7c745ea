"""Comparison of two evaluations: the changes, whether they are significant, and the gate.

A change is significant if its 95 % interval excludes zero. Best is the interval of the paired
difference, from the same test blocks on both sides (`metrics.bootstrap`); else that of
two independent samples is made from both sides' own. Where neither is known, there is no verdict.
Another seed of the training changes the scores, too: a known spread of the seeds widens
the interval.

The gate looks at two figures of all cities together, at the level of the verdicts, and is corrected for
looking twice (Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure"): what the
table calls noise never fails. All other figures inform.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isnan, nan, sqrt
from typing import Any, Literal

from scipy.special import ndtr, ndtri

from urbanseg.metrics.bootstrap import Interval
from urbanseg.report.scores import DASH, HEADLINE

Ends = tuple[float, float]
Verdict = Literal["better", "worse", "noise", "unknown", "new", "gone"]

GATED = ("miou", "road_apls")
"""Figures that the gate looks at, of all cities together."""

ALPHA = 0.05
"""Of the gate, two-sided like the verdicts: half of it are drops."""

LEGEND = (
    "A change is noise while its 95 % interval holds zero; without an interval there is no verdict. "
    "Of many rows at 95 %, one in forty looks worse by chance alone."
)
_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Change:
    """One headline figure of one city on both sides; None where a side does not have it.

    `interval` is the 95 % interval of ``new - base``, None if none is known; `source` says
    what it rests on. `p_drop` is the one-sided p-value of a drop, NaN if unknown, and `seeds` the
    standard deviation between trainings of different seeds, where known.
    """

    city: str
    label: str
    base: float | None
    new: float | None
    interval: Ends | None = None
    source: str = DASH
    key: str = ""
    p_drop: float = nan
    seeds: float | None = None

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
            return "unknown"
        low, high = self.interval
        if high < 0:
            return "worse"
        return "better" if low > 0 else "noise"


@dataclass(frozen=True)
class Gate:
    """What the gate says: a sentence for each drop, and for each figure that it could not judge."""

    drops: list[str]
    not_judged: list[str]


def changes(
    base: Mapping[str, Mapping[str, Any]],
    new: Mapping[str, Mapping[str, Any]],
    paired: Mapping[str, Mapping[str, Interval]],
    seeds: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Change]:
    """Every headline figure of every city, as far as either side has it.

    Args:
        base: metrics of each city on the side compared with, as the evaluate stage writes them.
        new: same, of the new side.
        paired: intervals of ``new - base`` by city and figure, from the same test blocks.
        seeds: standard deviation of a figure between trainings of different seeds, by city and figure.

    Returns:
        Changes by city, base first, in the order of `HEADLINE`.
    """
    found = []
    for city in [*base, *(city for city in new if city not in base)]:
        sides = base.get(city, {}), new.get(city, {})
        for key, label, _ in HEADLINE:
            before, after = (side.get(key) for side in sides)
            if before is not None or after is not None:
                spread = (seeds or {}).get(city, {}).get(key)
                interval, source, p_drop = _interval(key, *sides, paired.get(city, {}), spread)
                found.append(Change(city, label, before, after, interval, source, key, p_drop, spread))
    return found


def gate(changed: Iterable[Change], overall: str) -> Gate:
    """Judge the figures `GATED` of all cities together.

    Args:
        changed: from `changes`.
        overall: the name that stands for all cities together.

    Returns:
        Sentences for figures that drop, or are gone although all cities together are still scored;
        and for those that could not be judged.
    """
    looked = [change for change in changed if change.city == overall and change.key in GATED]
    still = any(change.new is not None for change in looked)
    gone = [change for change in looked if change.verdict == "gone"]
    compared = [change for change in looked if not isnan(change.delta)]
    judged = sorted((c for c in compared if not isnan(c.p_drop)), key=lambda change: change.p_drop)
    dropped = []
    for rank, change in enumerate(judged):
        if change.p_drop > ALPHA / 2 / (len(judged) - rank):
            break
        dropped.append(change)
    return Gate(
        [_sentence(change) for change in [*dropped, *gone] if still],
        [
            f"{change.city}: {change.label} changed by {_signed(change.delta)}; {change.source}"
            for change in compared
            if isnan(change.p_drop)
        ],
    )


def table(changed: Sequence[Change]) -> str:
    """The changes as a Markdown table, and a line on how to read it."""
    rows = [
        ("city", "score", "base", "new", "change", "its 95 % interval", "from", "seeds", "verdict"),
        ("---", "---", "---:", "---:", "---:", ":---:", "---", "---:", "---"),
        *(_row(change) for change in changed),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + f"\n\n{LEGEND}"


def _interval(
    key: str,
    base: Mapping[str, Any],
    new: Mapping[str, Any],
    paired: Mapping[str, Interval],
    seeds: float | None,
) -> tuple[Ends | None, str, float]:
    """Interval of the change of a figure, what it rests on, and the p-value of a drop."""
    before, after = base.get(key), new.get(key)
    if before is None or after is None:
        return None, DASH, nan
    if base.get("cities") != new.get("cities"):
        return None, "none: other cities", nan
    delta = after - before
    if (known := paired.get(key)) is not None:
        if isnan(known.low):
            return None, known.basis, nan
        return _widened(delta, (known.high - known.low) / 2, known.p_drop, seeds, f"paired {known.basis}")
    ends = [side.get("intervals", {}).get(key) for side in (base, new)]
    if None in ends:
        return None, "none: not known on both sides", nan
    # Clipped ends are nearer to the figure than the interval reaches; the other end tells.
    half = hypot(*(max(high - at, at - low) for (low, high), at in zip(ends, (before, after), strict=True)))
    p_drop = float(ndtr(delta / (half / _Z))) if half else nan
    return _widened(delta, half, p_drop, seeds, "both sides' own")


def _widened(
    delta: float, half: float, p_drop: float, seeds: float | None, source: str
) -> tuple[Ends, str, float]:
    """The interval, wider by the spread of two trainings' seeds, where that is known."""
    if not seeds:
        return (delta - half, delta + half), source, p_drop
    error = hypot(half / _Z, seeds * sqrt(2))
    wide = _Z * error
    return (delta - wide, delta + wide), source, max(p_drop, float(ndtr(delta / error)))


def _row(change: Change) -> tuple[str, ...]:
    return (
        change.city,
        change.label,
        _figure(change.base),
        _figure(change.new),
        DASH if isnan(change.delta) else _signed(change.delta),
        _ends(change.interval),
        change.source,
        DASH if change.seeds is None else f"± {change.seeds:.4f}",
        f"**{change.verdict}**" if change.verdict in {"worse", "better"} else change.verdict,
    )


def _sentence(change: Change) -> str:
    if change.new is None:
        return f"{change.city}: {change.label} was {_figure(change.base)} and is undefined now"
    why = f"one-sided p = {change.p_drop:.4f} on {change.source}, 95 % interval {_ends(change.interval)}"
    return (
        f"{change.city}: {change.label} dropped by {-change.delta:.4f}, "
        f"from {_figure(change.base)} to {_figure(change.new)}; {why}"
    )


def _figure(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _ends(interval: Ends | None) -> str:
    return DASH if interval is None else " to ".join(map(_signed, interval))
