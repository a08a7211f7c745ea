"""Surfaces of OpenStreetMap features, and the materials of surfaces.

Tables only, ordered from the ground up: later surfaces lie above earlier ones. They cover
common tags, not only those of the embedded city, so that any extract can be rendered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from urbanseg.config.labels import TagRule

Weights = Mapping[str, float]
Tags = Mapping[str, str]


@dataclass(frozen=True)
class Surface:
    """Features of like appearance: their rules, and the weights of their materials.

    Surfaces of a higher `order` lie above others; within one, smaller features lie above
    larger ones. `arid` are the materials in a dry climate. `tagged` replaces them for
    features with a tag ``key=value``.
    """

    order: int
    rules: tuple[TagRule, ...]
    materials: Weights
    arid: Weights | None = None
    tagged: Mapping[str, Weights] = field(default_factory=dict)


def _rule(geometry: Literal["area", "line", "coast"], tags: Mapping[str, str]) -> TagRule:
    split = {key: value if value == "*" else value.split() for key, value in tags.items()}
    return TagRule(geometry=geometry, tags=split)


def _area(**tags: str) -> TagRule:
    return _rule("area", tags)


def _line(**tags: str) -> TagRule:
    return _rule("line", tags)


ROADS = (
    "motorway motorway_link trunk trunk_link primary primary_link secondary secondary_link "
    "tertiary tertiary_link unclassified residential living_street service road pedestrian busway"
)

PITCHED: Weights = {"red roof": 5, "brown roof": 3, "gravel roof": 1}
FLAT: Weights = {
    "bitumen roof": 4, "gravel roof": 4, "concrete roof": 2, "red roof": 1.5, "metal roof": 1,
    "solar roof": 0.7, "green roof": 0.7,
}  # fmt: skip
ARID_ROOFS: Weights = {"concrete roof": 4, "mud roof": 4, "white roof": 2, "gravel roof": 2}

SURFACES: dict[str, Surface] = {
    "residential ground": Surface(
        0, (_area(landuse="residential"),),
        {"garden ground": 5, "leafy ground": 3, "paved ground": 2}, arid={"sandy ground": 3, "dusty yard": 1},
    ),
    "business ground": Surface(
        0, (_area(landuse="commercial retail institutional education religious"),),
        {"paved ground": 1}, arid={"dusty yard": 1, "paved ground": 1},
    ),
    "industrial ground": Surface(
        0, (_area(landuse="industrial port railway garages farmyard military"),),
        {"yard": 3, "gravel yard": 2, "paved ground": 2, "waste grass": 2},
        arid={"dusty yard": 2, "gravel yard": 1},
    ),
    "campus": Surface(
        1, (_area(amenity="school university college hospital kindergarten"),),
        {"turf": 3, "paved ground": 2, "leafy ground": 2}, arid={"sandy ground": 1},
    ),
    "forest": Surface(
        1, (_area(landuse="forest"), _area(natural="wood"), _area(landcover="trees")),
        {"broadleaved wood": 3, "coniferous wood": 2}, arid={"palm grove": 1},
        tagged={"leaf_type=needleleaved": {"coniferous wood": 1},
                "leaf_type=broadleaved": {"broadleaved wood": 1}},
    ),
    "scrub": Surface(1, (_area(natural="scrub heath shrubbery fell"),), {"scrub": 3, "dry meadow": 1}),
    "wetland": Surface(1, (_area(natural="wetland"),), {"wetland": 1}),
    "park": Surface(
        1,
        (_area(leisure="park nature_reserve golf_course"), _area(landuse="recreation_ground village_green")),
        {"park": 4, "turf": 2, "dry park": 2},
    ),
    "garden": Surface(
        1, (_area(leisure="garden"), _area(landuse="plant_nursery flowerbed")), {"garden": 1, "park": 1}
    ),
    "grass": Surface(
        1, (_area(landuse="grass meadow"), _area(natural="grassland"), _area(landcover="grass")),
        {"grass": 3, "meadow": 3, "dry meadow": 2},
    ),
    "allotments": Surface(1, (_area(landuse="allotments"),), {"allotments": 1}),
    "cemetery": Surface(1, (_area(landuse="cemetery"), _area(amenity="grave_yard")), {"cemetery": 1}),
    "orchard": Surface(
        1, (_area(landuse="orchard vineyard"),), {"orchard": 1},
        tagged={"landuse=vineyard": {"vineyard": 1}, "trees=date_palms": {"palm grove": 1}},
    ),
    "farmland": Surface(
        1, (_area(landuse="farmland"),), {"green crop": 3, "young crop": 3, "ripe crop": 3, "stubble": 2},
        tagged={"crop=wheat": {"ripe crop": 3, "green crop": 1}, "crop=maize": {"young crop": 1},
                "crop=sugar_beet": {"green crop": 1}},
    ),
    "site": Surface(
        1, (_area(landuse="construction brownfield landfill"),),
        {"building site": 3, "clay site": 2, "rubble": 2, "weedy soil": 1},
        arid={"building site": 2, "gravel plain": 1},
    ),
    "fallow": Surface(
        1, (_area(landuse="greenfield"), _area(natural="mud")),
        {"fallow": 3, "weedy soil": 1, "clay site": 1}, arid={"gravel plain": 1},
    ),
    "sand": Surface(
        1, (_area(natural="sand beach dune desert"),), {"sand": 1}, arid={"dunes": 3, "gravel plain": 1}
    ),
    "rock": Surface(
        1, (_area(natural="bare_rock scree shingle"), _area(landuse="quarry")),
        {"quarry": 3, "sand": 1}, arid={"gravel plain": 1},
    ),
    "yard": Surface(2, (_area(industrial="*"),), {"gravel yard": 2, "yard": 2}, arid={"dusty yard": 1}),
    "pitch": Surface(
        2, (_area(leisure="pitch track playground"),), {"turf": 3, "artificial turf": 1},
        tagged={"surface=artificial_turf": {"artificial turf": 1}},
    ),
    "parking": Surface(2, (_area(amenity="parking"),), {"parking": 3, "asphalt new": 1}),
    "stream": Surface(3, (_line(waterway="river canal stream"),), {"turbid water": 1}),
    "water": Surface(
        4, (_area(natural="water bay"), _area(waterway="riverbank dock"), _area(landuse="reservoir basin")),
        {"clear water": 3, "green water": 3, "algal water": 2, "silty water": 2, "turbid water": 1,
         "pit water": 1},
        arid={"turbid water": 1, "green water": 1},
        tagged={"water=river": {"brown water": 1}, "water=canal": {"turbid water": 1},
                "water=reservoir": {"clear water": 1}, "landuse=basin": {"silty water": 3, "pit water": 1},
                "water=pond": {"silty water": 3, "green water": 2, "algal water": 2, "clear water": 2}},
    ),
    "footway": Surface(
        5, (_line(highway="footway path cycleway bridleway steps track"),), {"gravel track": 1}
    ),
    "rail": Surface(5, (_line(railway="rail light_rail tram"),), {"ballast": 1}),
    "square": Surface(
        6, (_area(highway="pedestrian service", area="yes"), _area(**{"area:highway": "*"})),
        {"square": 2, "sett": 1},
    ),
    "road": Surface(
        6, (_line(highway=ROADS), _line(aeroway="runway taxiway")),
        {"asphalt": 4, "asphalt new": 2, "concrete road": 2, "sett": 1},
        tagged={"surface=sett": {"sett": 2, "asphalt": 1}, "surface=gravel": {"gravel track": 1},
                "surface=unpaved": {"gravel track": 1}, "surface=concrete": {"concrete road": 1}},
    ),
    "building": Surface(
        7, (_area(building="*"), _area(**{"building:part": "*"})), FLAT, arid=ARID_ROOFS,
        tagged={"roof:material=metal": {"metal roof": 1}, "building=house": PITCHED,
                "building=detached": PITCHED, "building=terrace": PITCHED, "building=church": PITCHED,
                "building=barn": PITCHED, "building=farm_auxiliary": PITCHED},
    ),
    "tree row": Surface(8, (_line(natural="tree_row"),), {"tree row": 1}, arid={"palm grove": 1}),
    "sea": Surface(4, (_rule("coast", {"natural": "coastline"}),), {"turbid water": 2, "clear water": 1}),
    "town block": Surface(0, (), {"garden ground": 4, "paved ground": 3, "yard": 1}),
    "plot": Surface(0, (), {"garden ground": 5, "leafy ground": 3, "paved ground": 2}),
    "apron": Surface(0, (), {"yard": 2, "paved ground": 2, "parking": 2, "gravel yard": 1}),
    "hedge": Surface(1, (), {"hedge": 1}),
    "tidal flat": Surface(4, (), {"tidal sand": 2, "mud flat": 1, "shingle": 1}),
    "shoal": Surface(4, (), {"shallow water": 1}),
    "surf": Surface(4, (), {"foam": 2, "kelp": 1}),
    "tree": Surface(8, (), {"tree": 1}),
}  # fmt: skip

BACKGROUND: dict[str, str] = {"temperate": "waste grass", "arid": "gravel plain"}
"""Material of unmapped ground, by climate."""

LINE_WIDTH_M: dict[str, float] = {
    "motorway": 24, "trunk": 20, "primary": 16, "secondary": 13, "tertiary": 10, "unclassified": 7,
    "residential": 8, "living_street": 6, "service": 4, "pedestrian": 6, "footway": 2.5, "path": 1.5,
    "cycleway": 2.5, "track": 3.5, "rail": 7, "tram": 5, "river": 30, "canal": 12, "stream": 3, "tree_row": 8,
    "runway": 45, "taxiway": 20,
}  # fmt: skip
"""Full width of lines without a width tag, by the value of their main tag."""

DEFAULT_LINE_WIDTH_M = 5.0
LANE_WIDTH_M = 3.5
STOREY_M = 3.2

LEVELS: dict[str, float] = {
    "house": 2, "detached": 2, "terrace": 2.5, "garage": 1, "garages": 1, "shed": 1, "industrial": 2.5,
    "warehouse": 3, "retail": 2, "church": 6, "apartments": 5,
}  # fmt: skip
"""Typical number of storeys of buildings without such a tag."""

DEFAULT_LEVELS = 3.0

RULES: dict[str, list[TagRule]] = {
    name: list(surface.rules) for name, surface in SURFACES.items() if surface.rules
}
"""How the renderer reads an OpenStreetMap file: a class is the name of a surface."""

FLAT_SURFACES = frozenset({"sea", "water", "stream", "surf", "shoal", "tidal flat"})
"""Surfaces that lie level whatever the relief."""

KEEP_TAGS = (
    "width", "lanes", "surface", "crop", "leaf_type", "trees", "water", "landuse", "layer", "roof:material",
    "height", "building", "building:levels",
)  # fmt: skip
"""Tags that the renderer reads besides those of the surface's rule."""

SKIP: list[dict[str, Literal["*"] | list[str]]] = [
    {"tunnel": ["yes", "building_passage", "culvert"]},
    {"location": ["underground"]},
]
"""Features that are not visible from above."""
