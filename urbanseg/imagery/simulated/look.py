"""What things are made of in a scene: the materials of surfaces and the spectra of materials."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from urbanseg.imagery.simulated.materials import SPECTRA
from urbanseg.imagery.simulated.surfaces import BACKGROUND, SURFACES, Tags, Weights

Spectrum = tuple[float, ...]

HOUSES = frozenset(
    {"house", "detached", "terrace", "semidetached_house", "bungalow", "farm", "farm_auxiliary"}
)
"""Values of the tag building that stand for pitched roofs."""
MARKED = frozenset({"road", "pitch"})
"""Surfaces whose tags tell their material in every climate."""


@dataclass(frozen=True)
class Look:
    """What things are made of.

    Attributes:
        background: material of ground that nothing covers.
        arid: whether surfaces have their materials of a dry climate.
        spectra: reflectance by name, as `materials.SPECTRA`.
        weights: of materials by surface, in place of those of `surfaces.SURFACES`; empty for these.
        pitched: weights of the roofs of houses, where `weights` are given.
    """

    background: str
    arid: bool = False
    spectra: Mapping[str, Spectrum] = field(default_factory=lambda: SPECTRA)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    pitched: Weights = field(default_factory=dict)

    def material(self, surface: str, tags: Tags, draw: float) -> str:
        """Choose the material of a feature.

        Args:
            surface: of the feature.
            tags: of the feature.
            draw: in [0, 1), chooses by weight.

        Returns:
            The name of the material.
        """
        weights = self._own(surface, tags) if self.weights else self._of_table(surface, tags)
        steps = np.cumsum(list(weights.values()))
        return list(weights)[int(np.searchsorted(steps, draw * steps[-1], side="right"))]

    def _of_table(self, surface: str, tags: Tags) -> Weights:
        table = SURFACES[surface]
        weights: Weights = table.arid if self.arid and table.arid else table.materials
        narrower = () if self.arid and surface == "building" else table.tagged.items()
        return next((some for tag, some in narrower if _has(tags, tag)), weights)

    def _own(self, surface: str, tags: Tags) -> Weights:
        if surface == "building" and tags.get("building") in HOUSES:
            return self.pitched
        narrower = SURFACES[surface].tagged.items() if surface in MARKED else ()
        return next((some for tag, some in narrower if _has(tags, tag)), self.weights[surface])


def plain(climate: str) -> Look:
    """The look of a climate of `surfaces.BACKGROUND`, with the tables as they are."""
    return Look(background=BACKGROUND[climate], arid=climate == "arid")


def _has(tags: Tags, tag: str) -> bool:
    key, value = tag.split("=")
    return tags.get(key) == value
