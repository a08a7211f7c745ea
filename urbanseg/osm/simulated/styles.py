"""What a kind of city is made of: its arterials, its kinds of district, what stands there.

Tables only. Lengths are metres, areas hectares; weights are relative.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Weights = Mapping[str, float]
Tags = Mapping[str, str]


@dataclass(frozen=True)
class District:
    """How a kind of district is cut up and used.

    `block_ha` is the size of its blocks, `regular` whether its streets keep one direction,
    `street` the tags of its streets, `ground` the land use around everything else, and
    `uses` what its blocks are given to.
    """

    block_ha: float
    regular: bool
    street: Tags
    ground: Tags | None
    uses: Weights


@dataclass(frozen=True)
class Style:
    """A kind of city: its waters, its arterials, and where which districts lie.

    `zones` lists kinds of district by distance from the centre, as a share of the half
    diagonal: the first zone whose reach is above the distance counts.
    """

    river_width: float
    river_tags: Tags
    canal: bool
    lake_share: float
    lake_size: tuple[float, float]
    ring_radii: tuple[float, ...]
    radials: int
    arterial_spacing: float
    warp: float
    zones: tuple[tuple[float, Weights], ...]
    districts: Mapping[str, District]
    desert: bool = False
    outside: Tags = field(default_factory=dict)


def _street(highway: str, width: int, **more: str) -> dict[str, str]:
    return {"highway": highway, "width": str(width), **more}


RESIDENTIAL = {"landuse": "residential"}
INDUSTRIAL = {"landuse": "industrial"}

TOWN = {
    "old_town": District(
        0.9, False, _street("residential", 12, surface="sett"), RESIDENTIAL,
        {"perimeter": 66, "plaza": 7, "park": 8, "church": 4, "parking": 5, "building_site": 5, "school": 5},
    ),
    "perimeter": District(
        1.6, True, _street("residential", 14, surface="asphalt"), RESIDENTIAL,
        {"perimeter": 58, "slabs": 10, "park": 9, "plaza": 3, "school": 7, "parking": 5, "building_site": 8},
    ),
    "slabs": District(
        2.6, True, _street("residential", 13), RESIDENTIAL,
        {"slabs": 48, "towers": 8, "park": 10, "pitch": 7, "parking": 8, "building_site": 9, "pond": 4, "halls": 4,
         "school": 4},
    ),
    "terraces": District(
        1.7, True, _street("residential", 12), RESIDENTIAL,
        {"terraces": 62, "park": 9, "pitch": 5, "allotments": 6, "building_site": 8, "school": 6, "pond": 4},
    ),
    "detached": District(
        1.9, False, _street("residential", 12), RESIDENTIAL,
        {"detached": 58, "terraces": 12, "park": 8, "allotments": 6, "wood": 6, "building_site": 7, "pond": 4},
    ),
    "industry": District(
        4.2, True, _street("unclassified", 15), INDUSTRIAL,
        {"halls": 60, "parking": 11, "storage": 10, "building_site": 11, "pond": 4, "scrub": 4},
    ),
    "park": District(
        4.5, False, {"highway": "footway"}, {"leisure": "park"},
        {"park": 46, "wood": 24, "pitch": 10, "pond": 12, "garden": 8},
    ),
    "forest": District(
        12, False, {"highway": "track", "surface": "gravel"}, {"landuse": "forest"},
        {"wood": 74, "meadow": 10, "scrub": 8, "clearing": 5, "pond": 5},
    ),
    "fields": District(
        7, False, _street("unclassified", 8), None,
        {"farmland": 52, "meadow": 14, "orchard": 8, "fallow": 12, "farmstead": 6, "wood": 6, "pond": 2},
    ),
    "extraction": District(
        6, False, _street("service", 8, surface="gravel"), None,
        {"quarry": 56, "pond": 14, "scrub": 10, "storage": 8, "wood": 12},
    ),
}  # fmt: skip

RIVER = Style(
    river_width=125,
    river_tags={"natural": "water", "water": "river"},
    canal=True,
    lake_share=0.42,
    lake_size=(0.3, 0.72),
    ring_radii=(750, 3600),
    radials=7,
    arterial_spacing=1350,
    warp=230,
    zones=(
        (0.09, {"old_town": 1}),
        (0.22, {"old_town": 1, "perimeter": 6, "slabs": 1, "park": 1}),
        (0.5, {"perimeter": 2, "slabs": 4, "terraces": 4, "industry": 4, "park": 1.4, "detached": 1, "extraction": 0.7}),
        (0.8, {"slabs": 3, "terraces": 4, "industry": 4, "park": 1, "detached": 2.5, "forest": 1.6, "fields": 2,
               "extraction": 1.2}),
        (9.0, {"slabs": 1.5, "terraces": 3, "industry": 3, "detached": 2.5, "forest": 2.2, "fields": 4, "extraction": 1.5}),
    ),
    districts=TOWN,
)  # fmt: skip

OASIS = Style(
    river_width=70,
    river_tags={"natural": "water", "water": "canal"},
    canal=False,
    lake_share=0.3,
    lake_size=(0.25, 0.5),
    ring_radii=(),
    radials=3,
    arterial_spacing=900,
    warp=60,
    zones=(
        (0.16, {"souk": 1}),
        (0.55, {"souk": 1, "quarters": 4, "compounds": 2, "grove": 2.2, "industry": 1}),
        (0.85, {"quarters": 2, "compounds": 3, "grove": 2.6, "industry": 1.6, "desert": 1.4}),
        (9.0, {"quarters": 1, "compounds": 1.5, "grove": 2, "industry": 1, "desert": 2.5}),
    ),
    districts={
        "souk": District(
            0.7, False, _street("living_street", 10), RESIDENTIAL,
            {"perimeter": 74, "plaza": 8, "church": 4, "palms": 8, "building_site": 6},
        ),
        "quarters": District(
            1.1, True, _street("residential", 14), RESIDENTIAL,
            {"perimeter": 30, "slabs": 20, "terraces": 22, "palms": 8, "parking": 7, "building_site": 9, "school": 4},
        ),
        "compounds": District(
            1.8, True, _street("residential", 14), RESIDENTIAL,
            {"terraces": 34, "towers": 22, "detached": 12, "park": 9, "building_site": 13, "pitch": 4, "pond": 4},
        ),
        "industry": District(
            3.2, True, _street("unclassified", 15), INDUSTRIAL,
            {"halls": 56, "parking": 12, "storage": 14, "building_site": 18},
        ),
        "grove": District(
            3.5, True, _street("service", 8, surface="unpaved"), None,
            {"palms": 58, "farmland": 20, "pond": 9, "farmstead": 7, "fallow": 6},
        ),
        "desert": District(
            9, False, {"highway": "track", "surface": "sand"}, {"natural": "sand"},
            {"dunes": 74, "quarry": 12, "scrub": 8, "storage": 6},
        ),
    },
    desert=True,
)  # fmt: skip

STYLES = {"river": RIVER, "oasis": OASIS}
