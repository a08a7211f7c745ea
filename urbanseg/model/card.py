"""The model card: README.md in a model's folder.

After Mitchell et al. 2019, "Model Cards for Model Reporting": what the model is, what it
learnt from, how well it does on what it didn't, and what it must not be trusted with. The
same model has the same card, to the byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LIMITS = """\
- The validation scores choose the best epoch, so they are a little too good; scores on test blocks,
  and on cities the model never saw, are in `metrics/<city>.json`.
- It knows the sensor, the resolution and the kind of city it was trained on; elsewhere, score it on
  some labelled blocks first.
- Labels are made from maps or drawn by hand; where those are wrong, it learnt and was scored on the
  wrong answer.
- Clouds, shadows and nodata are no class: mask them, as the predict stage does."""


@dataclass(frozen=True)
class Card:
    """What the card says beyond the spec."""

    cities: Sequence[str]
    """Cities that the model was trained on."""
    tiles: Mapping[str, int] = field(default_factory=dict)
    """Number of tiles by split."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Share of each class among the labelled pixels of the training tiles, 0–1."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Validation scores of the best epoch by name."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The `train` section of params.yaml."""
    start: str | None = None
    """The earlier model, or weights, that training started from."""


def markdown(
    card: Card,
    *,
    make: str,
    bands: Sequence[str],
    classes: Sequence[str],
    normalisation: Sequence[tuple[float, float]],
    made_with: Mapping[str, str],
) -> str:
    """The card as Markdown.

    Args:
        card: what the training says.
        make: one sentence that says what network it is.
        bands: names of the bands, in order.
        classes: names of the classes, in order.
        normalisation: mean and standard deviation of each band.
        made_with: versions of the libraries.
    """
    parts = [
        f"# Land-cover segmenter\n\n{make}",
        "## Input\n\nEach band is normalised, (x - mean) / std, by its statistics over the labelled training "
        "pixels, then clipped; `segmenter.json` holds them in full.\n\n"
        + _table(
            ("band", "mean", "std"),
            [(band, f"{mean:g}", f"{std:g}") for band, (mean, std) in zip(bands, normalisation, strict=True)],
        ),
        "## Classes\n\n"
        + _table(
            ("value", "class", "share of the training pixels"),
            [
                (str(index), name, f"{card.shares[name]:.1%}" if name in card.shares else "–")
                for index, name in enumerate(classes)
            ],
        ),
        "## Data\n\n" + _bullets(_data(card)),
        *(["## Validation\n\n" + _scores(card.scores)] if card.scores else []),
        "## Limits\n\n" + LIMITS,
        *(["## Recipe\n\n" + _table(("parameter", "value"), _flat(card.recipe))] if card.recipe else []),
        "## Made with\n\n" + _bullets(f"{name} {version}" for name, version in made_with.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _data(card: Card) -> list[str]:
    lines = [f"trained on {', '.join(card.cities)}"]
    if card.tiles:
        counts = ", ".join(f"{count} for {split}" for split, count in card.tiles.items())
        lines.append(f"tiles: {counts}; blocks go whole to one split, so no pixel is in two of them")
    if card.start:
        lines.append(f"training started from {card.start}")
    return lines


def _scores(scores: Mapping[str, float]) -> str:
    return "Of the best epoch, on the validation tiles.\n\n" + _table(
        ("score", "value"), [(name, f"{value:.4f}") for name, value in scores.items()]
    )


def _flat(section: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in section.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, "–" if value is None else str(value)))
    return rows


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell for cell in line)} |" for line in lines)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
