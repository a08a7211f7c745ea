"""Climates of simulated worlds: what fields, woods, roofs and gardens are made of, by season.

Tables only. Weights are of materials or surfaces; a world draws its own around them. Crop
calendars follow those of FAO's GIEWS country briefs in broad lines: sown in spring or autumn,
green before summer, ripe and stubble after, earlier where summers are dry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from urbanseg.imagery.simulated.surfaces import Weights

Season = Literal["spring", "summer", "autumn", "winter"]
SEASONS: tuple[Season, ...] = ("winter", "spring", "summer", "autumn")


@dataclass(frozen=True)
class Climate:
    """What a landscape looks like.

    Attributes:
        land: weights of the surfaces of the countryside that no map shows.
        crops: weights of the materials of fields, by season.
        lush: how green grass is, 0 to 1: lowest and highest, by season.
        bare: months (of the northern hemisphere) in which broadleaved trees have no leaves.
        materials: weights of materials by surface, in place of those of `surfaces.SURFACES`.
        pitched: roofs of houses; other buildings have `flat`.
        flat: roofs of other buildings.
        soils: spectra that soil may have.
        hedges: share of the field borders with a hedge: lowest and highest.
        background: material of ground between everything else.
    """

    land: Weights
    crops: Mapping[Season, Weights]
    lush: Mapping[Season, tuple[float, float]]
    pitched: Weights
    flat: Weights
    soils: tuple[str, ...]
    hedges: tuple[float, float]
    background: str
    bare: frozenset[int] = frozenset()
    materials: Mapping[str, Weights] = field(default_factory=dict)


TEMPERATE = Climate(
    land={"farmland": 5, "grass": 4, "forest": 2.5, "scrub": 0.6, "orchard": 0.3},
    crops={
        "winter": {"sown": 3, "ploughed": 3, "dark ploughed": 1, "stubble": 1, "grazed pasture": 4},
        "spring": {"green crop": 4, "young crop": 2, "ploughed": 2, "rape crop": 1.5, "pasture": 4},
        "summer": {"ripe crop": 4, "green crop": 3, "young crop": 2, "stubble": 1.5, "grazed pasture": 3},
        "autumn": {"stubble": 3, "ploughed": 3, "dark ploughed": 1, "young crop": 2, "pasture": 3},
    },
    lush={"winter": (0.3, 0.8), "spring": (0.6, 1.0), "summer": (0.3, 1.0), "autumn": (0.4, 0.9)},
    pitched={"red roof": 4, "brown roof": 3, "slate roof": 4, "gravel roof": 0.5},
    flat={"bitumen roof": 4, "gravel roof": 4, "concrete roof": 2, "metal roof": 2, "bright roof": 1,
          "slate roof": 1, "blue roof": 0.3, "green roof": 0.4, "solar roof": 0.4},
    soils=("soil", "soil brown", "soil dark", "soil pale", "clay"),
    hedges=(0.0, 0.9),
    background="rough grass",
    bare=frozenset({11, 12, 1, 2, 3}),
    materials={
        "forest": {"wood": 4, "mixed wood": 2, "dark wood": 2},
        "scrub": {"scrub": 3, "moor": 2, "rough grass": 2},
        "grass": {"pasture": 5, "grazed pasture": 4, "meadow": 2, "rough grass": 0.7},
        "rock": {"quarry": 2, "dark rock": 1, "limestone": 1},
    },
)  # fmt: skip
MEDITERRANEAN = Climate(
    land={"farmland": 4, "orchard": 3, "scrub": 3, "forest": 1.5, "grass": 1, "rock": 0.2},
    crops={
        "winter": {"young crop": 3, "green crop": 2, "ploughed": 3, "grazed pasture": 1},
        "spring": {"green crop": 5, "ripe crop": 1, "young crop": 1, "ploughed": 1, "pasture": 1},
        "summer": {"stubble": 4, "ripe crop": 2, "ploughed": 2, "green crop": 1, "dry meadow": 2},
        "autumn": {"ploughed": 4, "stubble": 2, "sown": 2, "dry meadow": 2},
    },
    lush={"winter": (0.4, 0.9), "spring": (0.4, 1.0), "summer": (0.0, 0.5), "autumn": (0.0, 0.6)},
    pitched={"red roof": 7, "brown roof": 2, "gravel roof": 1},
    flat={"concrete roof": 3, "red roof": 4, "gravel roof": 3, "white roof": 1, "metal roof": 1,
          "bright roof": 0.5},
    soils=("soil", "terra rossa", "soil pale", "soil dry", "clay"),
    hedges=(0.0, 0.3),
    background="dry meadow",
    materials={
        "forest": {"wood": 2, "mixed wood": 2, "dark wood": 1, "garrigue": 1},
        "orchard": {"olive grove": 3, "orchard": 1, "vineyard": 2},
        "scrub": {"garrigue": 3, "scrub": 1},
        "rock": {"limestone": 3, "quarry": 1},
        "plot": {"garden ground": 3, "paved ground": 3, "waste grass": 1},
    },
)  # fmt: skip
ARID = Climate(
    land={"sand": 6, "scrub": 1, "rock": 1, "farmland": 1},
    crops={season: {"green crop": 3, "young crop": 2, "stubble": 2, "ploughed": 3} for season in SEASONS},
    lush=dict.fromkeys(SEASONS, (0.0, 0.7)),
    pitched={"concrete roof": 3, "mud roof": 3, "white roof": 2, "red roof": 1},
    flat={"concrete roof": 4, "mud roof": 3, "white roof": 2, "gravel roof": 2, "bright roof": 0.5},
    soils=("soil dry", "soil pale", "terra rossa", "desert sand"),
    hedges=(0.0, 0.1),
    background="gravel plain",
    materials={
        "sand": {"dunes": 2, "gravel plain": 3},
        "forest": {"palm grove": 2, "garrigue": 1},
        "scrub": {"garrigue": 1, "savanna": 1},
        "orchard": {"palm grove": 1, "olive grove": 1},
        "rock": {"quarry": 2, "dark rock": 1, "gravel plain": 2},
        "residential ground": {"sandy ground": 3, "dusty yard": 1, "garden ground": 1},
        "town block": {"sandy ground": 3, "dusty yard": 2, "paved ground": 1},
        "plot": {"sandy ground": 3, "dusty yard": 1, "garden ground": 1},
        "apron": {"dusty yard": 2, "parking": 1, "gravel yard": 1},
        "tree": {"palm grove": 1},
        "hedge": {"palm grove": 1},
    },
)  # fmt: skip
TROPICAL = Climate(
    land={"farmland": 3, "forest": 4, "orchard": 2, "grass": 1, "scrub": 1.5},
    crops={season: {"green crop": 4, "young crop": 2, "ripe crop": 1, "ploughed": 2, "savanna": 1,
                    "stubble": 1} for season in SEASONS},
    lush=dict.fromkeys(SEASONS, (0.2, 1.0)),
    pitched={"rust roof": 4, "metal roof": 2, "red roof": 2, "blue roof": 1, "brown roof": 1},
    flat={"concrete roof": 3, "metal roof": 3, "rust roof": 2, "bright roof": 1, "blue roof": 0.7,
          "gravel roof": 1},
    soils=("laterite", "soil brown", "terra rossa", "clay"),
    hedges=(0.0, 0.5),
    background="savanna",
    materials={
        "forest": {"rainforest": 3, "plantation": 1},
        "orchard": {"plantation": 3, "orchard": 1},
        "scrub": {"savanna": 2, "scrub": 2},
        "plot": {"garden ground": 3, "leafy ground": 4, "dusty yard": 1},
        "tree": {"plantation": 1, "tree": 2},
        "water": {"sediment water": 2, "stained water": 2, "green water": 2, "silty water": 1},
    },
)  # fmt: skip
BOREAL = Climate(
    land={"forest": 7, "wetland": 1.5, "scrub": 1, "farmland": 1.2, "grass": 0.8, "rock": 0.3},
    crops={
        "winter": {"stubble": 2, "ploughed": 2, "grazed pasture": 1},
        "spring": {"ploughed": 3, "sown": 2, "young crop": 1, "stubble": 1, "grazed pasture": 2},
        "summer": {"green crop": 4, "young crop": 1, "ripe crop": 1, "pasture": 3},
        "autumn": {"stubble": 3, "ploughed": 3, "ripe crop": 1, "grazed pasture": 2},
    },
    lush={"winter": (0.0, 0.4), "spring": (0.1, 0.8), "summer": (0.4, 1.0), "autumn": (0.1, 0.7)},
    pitched={"red roof": 2, "slate roof": 3, "metal roof": 2, "brown roof": 1},
    flat={"bitumen roof": 4, "metal roof": 2, "gravel roof": 2, "bright roof": 1, "concrete roof": 1},
    soils=("soil brown", "soil dark", "soil", "soil pale"),
    hedges=(0.0, 0.3),
    background="rough grass",
    bare=frozenset({10, 11, 12, 1, 2, 3, 4}),
    materials={
        "forest": {"dark wood": 4, "mixed wood": 2, "wood": 1, "open taiga": 2},
        "wetland": {"bog": 3, "wetland": 1},
        "scrub": {"moor": 2, "open taiga": 1, "scrub": 1},
        "rock": {"dark rock": 2, "quarry": 1},
        "grass": {"meadow": 3, "pasture": 2, "rough grass": 2},
        "water": {"deep water": 4, "calm water": 2, "stained water": 1},
    },
)  # fmt: skip

CLIMATES: dict[str, Climate] = {
    "temperate": TEMPERATE, "mediterranean": MEDITERRANEAN, "arid": ARID, "tropical": TROPICAL,
    "boreal": BOREAL,
}  # fmt: skip

WATERS: dict[str, Weights] = {
    "sea": {"deep water": 2, "calm water": 2, "murky water": 3, "sediment water": 2, "shallow water": 1},
    "water": {"deep water": 2, "calm water": 3, "green water": 2, "silty water": 1, "sediment water": 1,
              "murky water": 1, "algal water": 1, "stained water": 1},
    "stream": {"calm water": 2, "murky water": 2, "stained water": 2, "deep water": 1, "green water": 1},
}  # fmt: skip
"""Weights of the materials of waters where the climate has none of its own."""

LEAVES = ("broadleaf", "understorey")
"""Spectra that change when leaves have fallen …"""
FALLEN = ("bare crown", "litter")
"""… and what they become."""
GRASSES = ("lawn", "pasture", "crop green", "bracken")
"""Spectra that fade to `FADED` where it is dry …"""
FADED = {"lawn": "lawn dry", "pasture": "lawn dry", "bracken": "lawn dry", "crop green": "crop green"}
SOILS = ("soil", "soil brown", "soil dry")
"""Spectra that take the colour of the local soil."""
MADE = (
    "asphalt new", "asphalt", "asphalt old", "concrete", "paving", "gravel", "ballast", "bitumen", "metal",
    "white coat", "slate", "bright metal",
)  # fmt: skip
"""Spectra of what people build, which is greyer in some places than in others."""
WATER_SPECTRA = (
    "water clear", "water turbid", "water green", "silt", "water deep", "water shallow", "water sediment",
    "water brown", "pit water", "kelp",
)  # fmt: skip
"""Spectra that glint when the sun is mirrored."""
