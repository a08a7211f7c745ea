"""What surfaces are made of: reflectance spectra, and which OpenStreetMap tags show which.

Tables only. Reflectances are bottom-of-atmosphere means for the Sentinel-2 bands B02,
B03, B04 and B08, rounded from the classes of the ECOSTRESS spectral library (Meerdink et
al. 2019), the USGS library version 7 (Kokaly et al. 2017) and, for urban materials,
Herold et al. 2004, "Spectrometry for urban area remote sensing". Roofs, roads, yards and
bare soils overlap in these bands, and so do lawns, pitches and parks; this is so in
nature, and it is why a map of land cover needs shape and context.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from urbanseg.params import TagRule

BANDS = ("B02", "B03", "B04", "B08")

SPECTRA: dict[str, tuple[float, float, float, float]] = {
    "asphalt new": (0.060, 0.068, 0.074, 0.090),
    "asphalt": (0.095, 0.108, 0.120, 0.150),
    "asphalt old": (0.125, 0.145, 0.160, 0.200),
    "concrete": (0.200, 0.225, 0.245, 0.285),
    "paving": (0.150, 0.170, 0.190, 0.230),
    "gravel": (0.140, 0.165, 0.185, 0.225),
    "ballast": (0.105, 0.118, 0.132, 0.165),
    "bitumen": (0.070, 0.078, 0.085, 0.105),
    "tile red": (0.075, 0.100, 0.180, 0.260),
    "tile brown": (0.065, 0.082, 0.115, 0.175),
    "metal": (0.270, 0.290, 0.305, 0.330),
    "white coat": (0.400, 0.430, 0.450, 0.480),
    "mud brick": (0.180, 0.230, 0.280, 0.340),
    "soil": (0.085, 0.115, 0.155, 0.235),
    "soil dry": (0.130, 0.170, 0.220, 0.300),
    "clay": (0.075, 0.110, 0.190, 0.275),
    "sand": (0.190, 0.250, 0.310, 0.390),
    "desert sand": (0.170, 0.240, 0.330, 0.430),
    "rock": (0.150, 0.170, 0.185, 0.220),
    "lawn": (0.036, 0.070, 0.046, 0.370),
    "lawn dry": (0.070, 0.098, 0.100, 0.290),
    "broadleaf": (0.022, 0.046, 0.026, 0.400),
    "conifer": (0.016, 0.030, 0.020, 0.240),
    "understorey": (0.014, 0.024, 0.016, 0.160),
    "palm": (0.035, 0.055, 0.045, 0.300),
    "crop green": (0.030, 0.064, 0.036, 0.460),
    "crop ripe": (0.085, 0.130, 0.165, 0.310),
    "stubble": (0.110, 0.145, 0.190, 0.290),
    "reed": (0.040, 0.062, 0.050, 0.260),
    "water clear": (0.030, 0.030, 0.020, 0.012),
    "water turbid": (0.065, 0.085, 0.075, 0.040),
    "water green": (0.036, 0.056, 0.038, 0.055),
    "silt": (0.085, 0.110, 0.125, 0.105),
    "algae": (0.034, 0.064, 0.040, 0.170),
    "pit water": (0.090, 0.125, 0.095, 0.050),
    "solar": (0.055, 0.048, 0.046, 0.052),
}


GRAINS: dict[str, float] = {"fine": 3.0, "coarse": 9.0, "wide": 60.0}
"""Size of the patches of a mosaic, in pixels of the fine grid."""


@dataclass(frozen=True)
class Material:
    """A surface as a mosaic of two spectra.

    `share` of it is `other`, in patches whose size `grain` names; objects differ from
    each other by the relative deviation `vary`, points within one by `texture`. Where
    `crown` is above 0, `main` are tree crowns of that height in metres.
    """

    main: str
    other: str
    share: float = 0.3
    grain: str = "fine"
    vary: float = 0.12
    texture: float = 0.06
    crown: float = 0.0


MATERIALS: dict[str, Material] = {
    "asphalt": Material("asphalt", "asphalt old", 0.45, "coarse", 0.15, 0.08),
    "asphalt new": Material("asphalt new", "asphalt", 0.25, "coarse", 0.12, 0.08),
    "concrete road": Material("asphalt old", "concrete", 0.4, "coarse", 0.12, 0.08),
    "sett": Material("paving", "asphalt old", 0.45, "coarse", 0.14, 0.08),
    "gravel track": Material("gravel", "soil dry", 0.4, "fine", 0.15, 0.08),
    "square": Material("paving", "concrete", 0.35, "coarse", 0.14, 0.08),
    "parking": Material("asphalt", "metal", 0.14, "fine", 0.18, 0.10),
    "ballast": Material("ballast", "asphalt old", 0.3, "fine", 0.10, 0.08),
    "garden ground": Material("lawn", "paving", 0.33, "coarse", 0.16, 0.12),
    "leafy ground": Material("lawn", "broadleaf", 0.35, "coarse", 0.14, 0.12, 0.0),
    "paved ground": Material("asphalt old", "lawn dry", 0.30, "coarse", 0.18, 0.12),
    "yard": Material("asphalt old", "soil dry", 0.38, "coarse", 0.20, 0.12),
    "gravel yard": Material("gravel", "concrete", 0.40, "coarse", 0.20, 0.12),
    "sandy ground": Material("desert sand", "paving", 0.48, "coarse", 0.12, 0.10),
    "dusty yard": Material("soil dry", "concrete", 0.45, "coarse", 0.15, 0.12),
    "waste grass": Material("lawn dry", "soil dry", 0.35, "coarse", 0.18, 0.12),
    "turf": Material("lawn", "lawn dry", 0.25, "coarse", 0.14, 0.08),
    "artificial turf": Material("lawn dry", "broadleaf", 0.35, "fine", 0.10, 0.05),
    "park": Material("lawn", "broadleaf", 0.35, "coarse", 0.14, 0.10),
    "dry park": Material("lawn dry", "broadleaf", 0.35, "coarse", 0.16, 0.10),
    "grass": Material("lawn", "lawn dry", 0.35, "coarse", 0.18, 0.10),
    "meadow": Material("lawn", "lawn dry", 0.50, "coarse", 0.18, 0.10),
    "dry meadow": Material("lawn dry", "stubble", 0.40, "coarse", 0.16, 0.10),
    "garden": Material("broadleaf", "lawn", 0.45, "coarse", 0.14, 0.10),
    "allotments": Material("lawn", "soil", 0.35, "fine", 0.12, 0.12),
    "cemetery": Material("broadleaf", "gravel", 0.35, "fine", 0.12, 0.10),
    "broadleaved wood": Material("broadleaf", "understorey", 0.30, "fine", 0.12, 0.08, 16),
    "coniferous wood": Material("conifer", "understorey", 0.30, "fine", 0.12, 0.08, 18),
    "scrub": Material("broadleaf", "lawn dry", 0.45, "fine", 0.16, 0.12, 4),
    "wetland": Material("reed", "water green", 0.30, "coarse", 0.14, 0.10),
    "orchard": Material("broadleaf", "lawn", 0.50, "fine", 0.12, 0.10, 5),
    "vineyard": Material("broadleaf", "soil dry", 0.40, "fine", 0.12, 0.10, 2),
    "palm grove": Material("palm", "soil dry", 0.35, "fine", 0.14, 0.10, 9),
    "green crop": Material("crop green", "lawn", 0.20, "coarse", 0.16, 0.06),
    "young crop": Material("crop green", "soil", 0.40, "coarse", 0.16, 0.06),
    "ripe crop": Material("crop ripe", "lawn dry", 0.30, "coarse", 0.14, 0.06),
    "stubble": Material("stubble", "soil dry", 0.35, "coarse", 0.14, 0.07),
    "building site": Material("soil dry", "concrete", 0.35, "coarse", 0.20, 0.16),
    "clay site": Material("clay", "soil", 0.35, "coarse", 0.20, 0.14),
    "rubble": Material("gravel", "soil", 0.45, "coarse", 0.20, 0.16),
    "fallow": Material("soil", "soil dry", 0.40, "coarse", 0.18, 0.08),
    "weedy soil": Material("soil", "lawn dry", 0.28, "coarse", 0.18, 0.12),
    "quarry": Material("rock", "sand", 0.40, "coarse", 0.20, 0.16),
    "sand": Material("sand", "soil dry", 0.30, "coarse", 0.14, 0.10),
    "dunes": Material("desert sand", "sand", 0.40, "coarse", 0.10, 0.08),
    "gravel plain": Material("soil dry", "rock", 0.40, "coarse", 0.12, 0.10),
    "clear water": Material("water clear", "water turbid", 0.20, "wide", 0.20, 0.04),
    "turbid water": Material("water turbid", "water clear", 0.35, "wide", 0.16, 0.04),
    "green water": Material("water green", "algae", 0.35, "wide", 0.20, 0.06),
    "brown water": Material("silt", "water turbid", 0.50, "wide", 0.10, 0.04),
    "silty water": Material("silt", "water turbid", 0.35, "wide", 0.18, 0.05),
    "algal water": Material("algae", "water green", 0.35, "wide", 0.20, 0.06),
    "pit water": Material("pit water", "silt", 0.30, "wide", 0.16, 0.04),
    "bitumen roof": Material("bitumen", "asphalt", 0.30, "fine", 0.22, 0.08),
    "solar roof": Material("solar", "bitumen", 0.35, "fine", 0.18, 0.06),
    "green roof": Material("lawn dry", "gravel", 0.45, "fine", 0.18, 0.10),
    "gravel roof": Material("gravel", "asphalt old", 0.35, "fine", 0.18, 0.08),
    "concrete roof": Material("concrete", "gravel", 0.35, "fine", 0.18, 0.08),
    "red roof": Material("tile red", "tile brown", 0.35, "fine", 0.18, 0.10),
    "brown roof": Material("tile brown", "tile red", 0.25, "fine", 0.18, 0.10),
    "metal roof": Material("metal", "concrete", 0.30, "fine", 0.22, 0.08),
    "white roof": Material("white coat", "concrete", 0.40, "fine", 0.18, 0.08),
    "mud roof": Material("mud brick", "desert sand", 0.30, "fine", 0.14, 0.08),
    "tree row": Material("broadleaf", "understorey", 0.35, "fine", 0.12, 0.08, 9),
}

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Surface:
    """Features that look alike: their rules, and the materials they are drawn from.

    Surfaces of a higher `order` lie above others; within one, smaller features lie above
    larger ones. `tagged` narrows the materials where a feature says more; `arid` are the
    materials in a dry climate.
    """

    order: int
    rules: tuple[TagRule, ...]
    materials: Weights
    arid: Weights | None = None
    tagged: Mapping[tuple[str, str], Weights] = field(default_factory=dict)


def _area(**tags: str) -> TagRule:
    return TagRule(
        geometry="area", tags={key: value if value == "*" else value.split() for key, value in tags.items()}
    )


def _line(**tags: str) -> TagRule:
    return TagRule(
        geometry="line", tags={key: value if value == "*" else value.split() for key, value in tags.items()}
    )


PITCHED: Weights = {"red roof": 5, "brown roof": 3, "gravel roof": 1}
FLAT: Weights = {
    "bitumen roof": 4, "gravel roof": 4, "concrete roof": 2, "metal roof": 1, "red roof": 1.5, "solar roof": 0.7,
    "green roof": 0.7,
}  # fmt: skip
ARID_ROOFS: Weights = {"concrete roof": 4, "white roof": 2, "mud roof": 4, "gravel roof": 2}
ROADS = (
    "motorway motorway_link trunk trunk_link primary primary_link secondary secondary_link tertiary tertiary_link "
    "unclassified residential living_street service road pedestrian busway"
)

SURFACES: dict[str, Surface] = {
    "residential ground": Surface(
        0, (_area(landuse="residential"),), {"garden ground": 5, "leafy ground": 3, "paved ground": 2},
        arid={"sandy ground": 3, "dusty yard": 1},
    ),
    "business ground": Surface(
        0, (_area(landuse="commercial retail institutional education"), _area(landuse="religious")),
        {"paved ground": 1}, arid={"dusty yard": 1, "paved ground": 1},
    ),
    "industrial ground": Surface(
        0, (_area(landuse="industrial port railway garages farmyard military"),),
        {"yard": 3, "gravel yard": 2, "paved ground": 2, "waste grass": 2}, arid={"dusty yard": 2, "gravel yard": 1},
    ),
    "campus": Surface(
        1, (_area(amenity="school university college hospital kindergarten"),),
        {"turf": 3, "paved ground": 2, "leafy ground": 2}, arid={"sandy ground": 1},
    ),
    "forest": Surface(
        1, (_area(landuse="forest"), _area(natural="wood")), {"broadleaved wood": 3, "coniferous wood": 2},
        arid={"palm grove": 1},
        tagged={("leaf_type", "needleleaved"): {"coniferous wood": 1}, ("leaf_type", "broadleaved"): {"broadleaved wood": 1}},
    ),
    "scrub": Surface(1, (_area(natural="scrub heath shrubbery fell"),), {"scrub": 3, "dry meadow": 1}),
    "wetland": Surface(1, (_area(natural="wetland"),), {"wetland": 1}),
    "park": Surface(
        1, (_area(leisure="park nature_reserve golf_course"), _area(landuse="recreation_ground village_green")),
        {"park": 4, "turf": 2, "dry park": 2},
    ),
    "garden": Surface(1, (_area(leisure="garden"), _area(landuse="plant_nursery flowerbed")), {"garden": 1, "park": 1}),
    "grass": Surface(
        1, (_area(landuse="grass meadow"), _area(natural="grassland"), _area(landcover="grass")),
        {"grass": 3, "meadow": 3, "dry meadow": 2},
    ),
    "allotments": Surface(1, (_area(landuse="allotments"),), {"allotments": 1}),
    "cemetery": Surface(1, (_area(landuse="cemetery"), _area(amenity="grave_yard")), {"cemetery": 1}),
    "orchard": Surface(
        1, (_area(landuse="orchard vineyard"),), {"orchard": 1},
        tagged={("landuse", "vineyard"): {"vineyard": 1}, ("trees", "date_palms"): {"palm grove": 1}},
    ),
    "farmland": Surface(
        1, (_area(landuse="farmland"),), {"green crop": 3, "young crop": 3, "ripe crop": 3, "stubble": 2},
        tagged={("crop", "wheat"): {"ripe crop": 3, "green crop": 1}, ("crop", "maize"): {"young crop": 1},
                ("crop", "sugar_beet"): {"green crop": 1}},
    ),
    "site": Surface(
        1, (_area(landuse="construction brownfield landfill"),),
        {"building site": 3, "clay site": 2, "rubble": 2, "weedy soil": 1}, arid={"building site": 2, "gravel plain": 1},
    ),
    "fallow": Surface(
        1, (_area(landuse="greenfield"), _area(natural="mud")), {"fallow": 3, "weedy soil": 1, "clay site": 1},
        arid={"gravel plain": 1},
    ),
    "sand": Surface(
        1, (_area(natural="sand beach dune desert"),), {"sand": 1}, arid={"dunes": 3, "gravel plain": 1}
    ),
    "rock": Surface(
        1, (_area(natural="bare_rock scree shingle"), _area(landuse="quarry")), {"quarry": 3, "sand": 1},
        arid={"gravel plain": 1},
    ),
    "yard": Surface(2, (_area(industrial="*"),), {"gravel yard": 2, "yard": 2}, arid={"dusty yard": 1}),
    "pitch": Surface(
        2, (_area(leisure="pitch track playground"),), {"turf": 3, "artificial turf": 1},
        tagged={("surface", "artificial_turf"): {"artificial turf": 1}},
    ),
    "parking": Surface(2, (_area(amenity="parking"),), {"parking": 3, "asphalt new": 1}),
    "water": Surface(
        3, (_area(natural="water bay"), _area(waterway="riverbank dock"), _area(landuse="reservoir basin")),
        {"clear water": 3, "green water": 3, "algal water": 2, "turbid water": 1, "silty water": 2, "pit water": 1},
        arid={"turbid water": 1, "green water": 1},
        tagged={("water", "river"): {"brown water": 1}, ("water", "canal"): {"turbid water": 1},
                ("landuse", "basin"): {"silty water": 3, "pit water": 1}, ("water", "reservoir"): {"clear water": 1},
                ("water", "pond"): {"green water": 2, "algal water": 2, "silty water": 3, "clear water": 2}},
    ),
    "stream": Surface(3, (_line(waterway="river canal stream"),), {"turbid water": 1}),
    "footway": Surface(
        4, (_line(highway="footway path cycleway bridleway steps track"),), {"gravel track": 1},
    ),
    "rail": Surface(4, (_line(railway="rail light_rail tram"),), {"ballast": 1}),
    "square": Surface(
        5, (_area(highway="pedestrian service", area="yes"), _area(**{"area:highway": "*"})), {"square": 2, "sett": 1}
    ),
    "road": Surface(
        5, (_line(highway=ROADS), _line(aeroway="runway taxiway")), {"asphalt": 4, "asphalt new": 2, "concrete road": 2, "sett": 1},
        tagged={("surface", "sett"): {"sett": 2, "asphalt": 1}, ("surface", "gravel"): {"gravel track": 1},
                ("surface", "unpaved"): {"gravel track": 1}, ("surface", "concrete"): {"concrete road": 1}},
    ),
    "building": Surface(
        6, (_area(building="*"), _area(**{"building:part": "*"})), FLAT, arid=ARID_ROOFS,
        tagged={("roof:material", "metal"): {"metal roof": 1}, ("building", "house"): PITCHED,
                ("building", "detached"): PITCHED, ("building", "terrace"): PITCHED, ("building", "church"): PITCHED,
                ("building", "farm_auxiliary"): PITCHED, ("building", "barn"): PITCHED},
    ),
    "tree row": Surface(7, (_line(natural="tree_row"),), {"tree row": 1}, arid={"palm grove": 1}),
}  # fmt: skip

BACKGROUND: dict[str, str] = {"temperate": "waste grass", "arid": "gravel plain"}
"""Material of ground that nobody has mapped, by climate."""

LINE_WIDTH_M: dict[str, float] = {
    "motorway": 24, "trunk": 20, "primary": 16, "secondary": 13, "tertiary": 10, "unclassified": 7, "residential": 8,
    "living_street": 6, "service": 4, "pedestrian": 6, "footway": 2.5, "path": 1.5, "cycleway": 2.5, "track": 3.5,
    "rail": 7, "tram": 5, "river": 30, "canal": 12, "stream": 3, "tree_row": 8, "runway": 45, "taxiway": 20,
}  # fmt: skip
"""Full width of lines that do not say their own, by the value of their main tag."""

STOREY_M = 3.2
"""Height of a storey, in metres."""

LEVELS: dict[str, float] = {
    "house": 2, "detached": 2, "terrace": 2.5, "garage": 1, "garages": 1, "shed": 1, "industrial": 2.5, "warehouse": 3,
    "retail": 2, "church": 6, "apartments": 5,
}  # fmt: skip
"""Typical number of storeys of buildings that do not say their own."""
DEFAULT_LEVELS = 3.0

KEEP_TAGS = ("width", "lanes", "surface", "crop", "leaf_type", "trees", "water", "roof:material", "height",
             "building", "building:levels", "layer", "landuse")  # fmt: skip
"""Tags that the renderer looks at beside those that chose the surface."""

RULES: dict[str, list[TagRule]] = {name: list(surface.rules) for name, surface in SURFACES.items()}
SKIP: list[dict[str, list[str]]] = [
    {"tunnel": ["yes", "building_passage", "culvert"]},
    {"location": ["underground"]},
]
