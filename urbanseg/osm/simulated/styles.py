"""Styles of cities: their arterials, their kinds of district, and the uses of blocks.

Tables only. Lengths are metres, areas hectares; weights are relative.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Weights = Mapping[str, float]
Tags = Mapping[str, str]


@dataclass(frozen=True)
class District:
    """How a kind of district is divided and used.

    `block_ha` is the size of its blocks, `regular` whether its streets keep one direction,
    `street` the tags of its streets, and `uses` what its blocks are given to: neighbours
    in that table are neighbours in the city. `ground` is what the district as a whole is
    mapped as; without tags it isn't.
    """

    block_ha: float
    regular: bool
    street: Tags
    ground: Tags
    uses: Weights


@dataclass(frozen=True)
class Style:
    """A kind of city: its waters, its arterials, and where which districts lie.

    `lake_share` is the share of cells with a lake, `lake_size` its radius over that of
    the cell's inscribed circle, `warp` by how much arterials are bent. `zones` lists kinds
    of district by distance from the centre, as a share of the half diagonal: the first
    zone whose reach is above the distance counts. `tree_lined` is the share of streets
    with rows of trees.
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
    tree_lined: float


def _street(highway: str, width: int, **more: str) -> dict[str, str]:
    return {"highway": highway, "width": str(width), **more}


RESIDENTIAL = {"landuse": "residential"}
INDUSTRIAL = {"landuse": "industrial"}
UNMAPPED: Tags = {}

TOWN = {
    "old_town": District(
        1.2, False, _street("residential", 13, surface="sett"), RESIDENTIAL,
        {"perimeter": 66, "church": 3, "plaza": 6, "park": 9, "parking": 5, "building_site": 7, "school": 4},
    ),
    "perimeter": District(
        2.0, True, _street("residential", 15, surface="asphalt"), RESIDENTIAL,
        {"perimeter": 58, "slabs": 8, "plaza": 2, "school": 5, "parking": 5, "building_site": 9, "park": 13},
    ),
    "slabs": District(
        3.2, True, _street("residential", 15), RESIDENTIAL,
        {"slabs": 48, "towers": 8, "school": 4, "parking": 6, "building_site": 10, "halls": 3, "pitch": 6,
         "park": 12, "pond": 3},
    ),
    "terraces": District(
        2.2, True, _street("residential", 14), RESIDENTIAL,
        {"terraces": 58, "school": 4, "building_site": 9, "allotments": 8, "pitch": 5, "park": 12, "pond": 4},
    ),
    "detached": District(
        2.4, False, _street("residential", 14), RESIDENTIAL,
        {"detached": 50, "terraces": 14, "building_site": 9, "allotments": 7, "park": 9, "wood": 8,
         "pond": 3},
    ),
    "industry": District(
        5.2, True, _street("unclassified", 17), INDUSTRIAL,
        {"halls": 62, "parking": 9, "storage": 8, "building_site": 12, "scrub": 5, "pond": 4},
    ),
    "park": District(
        4.5, False, {"highway": "footway"}, {"leisure": "park"},
        {"park": 46, "garden": 8, "wood": 28, "pond": 18},
    ),
    "forest": District(
        12, False, {"highway": "track", "surface": "gravel"}, {"landuse": "forest"},
        {"wood": 76, "scrub": 8, "meadow": 8, "clearing": 4, "pond": 4},
    ),
    "fields": District(
        7, False, _street("unclassified", 11), UNMAPPED,
        {"farmland": 54, "orchard": 8, "meadow": 14, "farmstead": 5, "fallow": 13, "wood": 5, "pond": 2},
    ),
    "extraction": District(
        6, False, _street("service", 11, surface="gravel"), {"landuse": "quarry"},
        {"quarry": 62, "fallow": 10, "pond": 14, "scrub": 8, "wood": 6},
    ),
}  # fmt: skip

RIVER = Style(
    river_width=135,
    river_tags={"natural": "water", "water": "river"},
    canal=True,
    lake_share=0.36,
    lake_size=(0.3, 0.8),
    ring_radii=(750, 3600),
    radials=7,
    arterial_spacing=1350,
    warp=230,
    zones=(
        (0.09, {"old_town": 1}),
        (0.26, {"old_town": 1, "perimeter": 6, "slabs": 1.5, "park": 0.8}),
        (0.5, {"perimeter": 2, "slabs": 4, "terraces": 4, "industry": 4, "park": 1.2, "detached": 0.8,
               "extraction": 0.8}),
        (0.8, {"slabs": 3, "terraces": 4, "industry": 4.5, "park": 1, "detached": 1.5, "forest": 1.4,
               "fields": 2, "extraction": 1}),
        (9.0, {"slabs": 1.5, "terraces": 3, "industry": 3.5, "detached": 1.5, "forest": 2, "fields": 3.5,
               "extraction": 1.2}),
    ),
    districts=TOWN,
    tree_lined=0.22,
)  # fmt: skip

OASIS = Style(
    river_width=70,
    river_tags={"natural": "water", "water": "canal"},
    canal=False,
    lake_share=0.4,
    lake_size=(0.3, 0.6),
    ring_radii=(),
    radials=3,
    arterial_spacing=900,
    warp=60,
    zones=(
        (0.16, {"souk": 1}),
        (0.55, {"souk": 1, "quarters": 4, "compounds": 2, "grove": 2.4, "industry": 1}),
        (0.85, {"quarters": 2, "compounds": 3, "grove": 3, "industry": 1.2, "desert": 2.4}),
        (9.0, {"quarters": 1, "compounds": 1.5, "grove": 2, "industry": 0.8, "desert": 4}),
    ),
    districts={
        "souk": District(
            0.9, False, _street("living_street", 11), RESIDENTIAL,
            {"perimeter": 74, "church": 4, "plaza": 8, "building_site": 6, "palms": 8},
        ),
        "quarters": District(
            1.6, True, _street("residential", 15), RESIDENTIAL,
            {"perimeter": 34, "slabs": 18, "terraces": 20, "school": 4, "parking": 6, "building_site": 9,
             "palms": 9},
        ),
        "compounds": District(
            2.4, True, _street("residential", 15), RESIDENTIAL,
            {"terraces": 36, "towers": 20, "detached": 10, "building_site": 13, "pitch": 4, "park": 12,
             "pond": 5},
        ),
        "industry": District(
            4.2, True, _street("unclassified", 17), INDUSTRIAL,
            {"halls": 60, "parking": 10, "storage": 12, "building_site": 18},
        ),
        "grove": District(
            4.5, True, _street("service", 11, surface="unpaved"), UNMAPPED,
            {"palms": 58, "farmland": 20, "pond": 10, "farmstead": 6, "fallow": 6},
        ),
        "desert": District(
            9, False, {"highway": "track", "surface": "sand"}, {"natural": "sand"},
            {"dunes": 78, "quarry": 14, "scrub": 8},
        ),
    },
    tree_lined=0.1,
)  # fmt: skip

STYLES = {"river": RIVER, "oasis": OASIS}
