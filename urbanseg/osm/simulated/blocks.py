"""Land use of blocks: buildings with typical tags, greens, ponds, yards.

`USES` maps the name of a use (weighted in the tables of `styles`) to the function that
turns all blocks of that use into features.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import shapely

from urbanseg.osm.simulated.buildings import Polygons, Rows, perimeter, rows
from urbanseg.osm.simulated.plan import Feature, Rng

Use = Callable[[Polygons, Rng], list[Feature]]
Choices = Sequence[tuple[float, Mapping[str, str]]]

FLATS: Choices = [(6, {"building": "apartments"}), (2, {"building": "residential"}), (2, {"building": "yes"})]
HOUSES: Choices = [(5, {"building": "house"}), (3, {"building": "yes"}), (1, {"building": "detached"})]
TERRACES: Choices = [(6, {"building": "terrace"}), (2, {"building": "house"}), (1, {"building": "yes"})]
HALLS: Choices = [
    (4, {"building": "industrial"}),
    (3, {"building": "warehouse"}),
    (2, {"building": "retail"}),
    (1, {"building": "commercial"}),
    (1, {"building": "yes", "roof:material": "metal"}),
]
CIVIC: Choices = [(4, {"building": "school"}), (1, {"building": "public"})]
CROPS: Choices = [
    (3, {"landuse": "farmland", "crop": "wheat"}),
    (3, {"landuse": "farmland", "crop": "maize"}),
    (2, {"landuse": "farmland", "crop": "sugar_beet"}),
    (4, {"landuse": "farmland"}),
]
BARE_SITES: Choices = [
    (4, {"landuse": "construction"}),
    (3, {"landuse": "brownfield"}),
    (2, {"landuse": "greenfield"}),
]


def choose(count: int, choices: Choices, rng: Rng) -> list[dict[str, str]]:
    """Draw tags by weight.

    Args:
        count: number of features.
        choices: weights and tags.
        rng: draws.

    Returns:
        The tags of each feature.
    """
    weights = np.array([weight for weight, _ in choices], dtype=float)
    drawn = rng.choice(len(choices), size=count, p=weights / weights.sum())
    return [dict(choices[i][1]) for i in drawn]


def area(*choices: tuple[float, Mapping[str, str]], inset: float = 0.0) -> Use:
    """A use that gives the whole block one set of tags, drawn by weight."""

    def use(blocks: Polygons, rng: Rng) -> list[Feature]:
        shrunk = shapely.buffer(blocks, -inset, join_style="mitre") if inset else blocks
        pairs = zip(shrunk, choose(len(shrunk), choices, rng), strict=True)
        return [(shape, tags) for shape, tags in pairs if not shape.is_empty]

    return use


def built(
    choices: Choices,
    footprints: Callable[[Polygons, Rng], Polygons],
    levels: tuple[int, int],
    around: Use | None = None,
) -> Use:
    """A use with buildings on the block.

    Args:
        choices: weights and tags of the buildings.
        footprints: makes their footprints from the blocks.
        levels: smallest and largest number of storeys.
        around: use of the rest of the block, if any.

    Returns:
        The function that turns blocks into features.
    """

    def use(blocks: Polygons, rng: Rng) -> list[Feature]:
        ground = around(blocks, rng) if around else []
        return ground + buildings(footprints(blocks, rng), choices, levels, rng)

    return use


def buildings(footprints: Polygons, choices: Choices, levels: tuple[int, int], rng: Rng) -> list[Feature]:
    """Footprints with building tags: most with levels, few with a height, many with neither.

    Args:
        footprints: of the buildings.
        choices: weights and tags of the buildings.
        levels: smallest and largest number of storeys.
        rng: draws tags, storeys, and which of them are tagged.

    Returns:
        The footprints with their tags.
    """
    features: list[Feature] = []
    storeys = rng.integers(levels[0], levels[1] + 1, len(footprints))
    said = rng.random(len(footprints))
    tags = choose(len(footprints), choices, rng)
    for shape, tag, storey, how in zip(footprints, tags, storeys.tolist(), said, strict=True):
        if how < 0.55:
            tag["building:levels"] = str(storey)
        elif how < 0.65:
            tag["height"] = f"{3.2 * storey + 2:.1f}"
        features.append((shape, tag))
    return features


def in_rows(pattern: Rows) -> Callable[[Polygons, Rng], Polygons]:
    """Footprints in rows of this pattern."""
    return lambda blocks, rng: rows(blocks, pattern, rng)


def _slabs(blocks: Polygons, rng: Rng) -> list[Feature]:
    """Long flats in the open; in half of the blocks the green between them is mapped."""
    pattern = Rows(depth=(24, 31), gap=(34, 48), length=(75, 120), passage=(20, 30), setback=8)
    green = rng.random(len(blocks)) < 0.4
    inner = shapely.buffer(blocks[green], -6, join_style="mitre")
    lawn: list[Feature] = [(shape, {"landuse": "grass"}) for shape in inner if not shape.is_empty]
    return lawn + buildings(rows(blocks, pattern, rng), FLATS, (4, 9), rng)


def _perimeter(blocks: Polygons, rng: Rng) -> list[Feature]:
    """Closed blocks; in a third of them the courtyard is a mapped garden."""
    green = rng.random(len(blocks)) < 0.35
    court = shapely.buffer(blocks[green], -35, join_style="mitre")
    garden: list[Feature] = [(shape, {"leisure": "garden"}) for shape in court if shape.area > 600]
    return garden + buildings(perimeter(blocks, (24, 33), 3, rng), FLATS, (3, 6), rng)


def _park(blocks: Polygons, rng: Rng) -> list[Feature]:
    """A park with crossing footways, and in the larger ones a pond."""
    features = area((5, {"leisure": "park"}), (2, {"landuse": "grass"}), (1, {"leisure": "garden"}))(
        blocks, rng
    )
    features += _footways(blocks, rng)
    large = blocks[(shapely.area(blocks) > 18_000) & (rng.random(len(blocks)) < 0.4)]
    return features + [(shape, {"natural": "water", "water": "pond"}) for shape in _blobs(large, 0.5, rng)]


def _footways(blocks: Polygons, rng: Rng) -> list[Feature]:
    """Footways across blocks, corner to corner of the bounding box: two, one or none."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(blocks)).reshape(-1, 5, 2)
    diagonals = np.concatenate([corners[:, (0, 2)], corners[:, (1, 3)]])
    paths = shapely.get_parts(shapely.intersection(shapely.linestrings(diagonals), np.tile(blocks, 2)))
    paths = paths[rng.random(len(paths)) < 0.6]
    paths = paths[(shapely.get_dimensions(paths) == 1) & (shapely.length(paths) > 20)]
    return [(path, {"highway": "footway", "surface": "fine_gravel"}) for path in paths]


def _blobs(blocks: Polygons, share: float, rng: Rng) -> list[shapely.Polygon]:
    """Rounded shapes in the middle of each block, as wide as `share` of its inscribed circle."""
    if not len(blocks):
        return []
    rays = shapely.get_coordinates(shapely.maximum_inscribed_circle(blocks, tolerance=2)).reshape(-1, 2, 2)
    radius = np.hypot(*(rays[:, 1] - rays[:, 0]).T) * share
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    wobble = 1 + 0.22 * np.cos(2 * turn + rng.uniform(0, 6, (len(blocks), 1)))
    wobble += 0.12 * np.cos(3 * turn + rng.uniform(0, 6, (len(blocks), 1)))
    shore = radius[:, None] * wobble
    x = rays[:, 0, :1] + shore * np.cos(turn)
    y = rays[:, 0, 1:] + shore * np.sin(turn)
    return [shapely.Polygon(ring) for ring in np.stack([x, y], axis=2)]


def _pond(blocks: Polygons, rng: Rng) -> list[Feature]:
    """A pond in rough grass; the grass around it is mapped."""
    shores = _blobs(blocks, 0.85, rng)
    verge = shapely.difference(blocks, np.array(shores, dtype=object)) if len(blocks) else blocks
    tags = choose(len(shores), [(2, {"natural": "water", "water": "pond"}), (1, {"landuse": "basin"})], rng)
    greens = choose(len(shores), [(2, {"landuse": "grass"}), (1, {"natural": "scrub"})], rng)
    return [*zip(verge, greens, strict=True), *zip(shores, tags, strict=True)]


def _wood(blocks: Polygons, rng: Rng) -> list[Feature]:
    """Woodland; every fourth has a clearing, which makes it a relation with a hole."""
    tags = choose(
        len(blocks),
        [
            (3, {"landuse": "forest", "leaf_type": "broadleaved"}),
            (2, {"landuse": "forest", "leaf_type": "needleleaved"}),
            (2, {"natural": "wood"}),
        ],
        rng,
    )
    holed = rng.random(len(blocks)) < 0.25
    shapes = blocks.copy()
    clearings = _blobs(blocks[holed], 0.45, rng)
    if clearings:
        shapes[holed] = shapely.difference(blocks[holed], np.array(clearings, dtype=object))
    meadows = [(shape, {"natural": "grassland"}) for shape in clearings]
    return [*zip(shapes, tags, strict=True), *meadows]


def _storage(blocks: Polygons, rng: Rng) -> list[Feature]:
    """A yard with one or two sheds."""
    features = area((1, {"landuse": "industrial", "industrial": "depot"}), inset=3)(blocks, rng)
    pattern = Rows(depth=(24, 34), gap=(60, 80), length=(50, 80), passage=(50, 90), setback=12)
    return features + buildings(rows(blocks, pattern, rng), HALLS, (1, 2), rng)


SCHOOLYARD = area((1, {"amenity": "school"}), inset=2)
FARMYARD = area((1, {"landuse": "farmyard"}), inset=1)

USES: dict[str, Use] = {
    "perimeter": _perimeter,
    "slabs": _slabs,
    "towers": built(FLATS, in_rows(Rows((32, 40), (36, 48), (32, 40), (36, 48), 9)), (9, 16)),
    "terraces": built(TERRACES, in_rows(Rows((21, 26), (25, 34), (60, 110), (12, 20), 5)), (2, 3)),
    "detached": built(HOUSES, in_rows(Rows((16, 19), (20, 27), (18, 24), (13, 20), 6, (0.85, 1.1))), (1, 2)),
    "halls": built(HALLS, in_rows(Rows((50, 85), (26, 38), (80, 150), (26, 38), 10, (0.75, 1.0))), (2, 4)),
    "school": built(CIVIC, in_rows(Rows((28, 36), (40, 56), (55, 90), (24, 34), 12)), (2, 4), SCHOOLYARD),
    "church": built([(1, {"building": "church", "amenity": "place_of_worship"})],
                    in_rows(Rows((26, 32), (200, 300), (50, 64), (200, 300), 8)), (5, 7)),
    "farmstead": built([(2, {"building": "farm_auxiliary"}), (1, {"building": "barn"})],
                       in_rows(Rows((20, 26), (26, 40), (40, 60), (22, 40), 25)), (2, 3), FARMYARD),
    "park": _park,
    "garden": area((1, {"leisure": "garden"}), (1, {"landuse": "cemetery"})),
    "wood": _wood,
    "pond": _pond,
    "meadow": area((3, {"landuse": "meadow"}), (2, {"natural": "grassland"}), (1, {"natural": "heath"})),
    "scrub": area((1, {"natural": "scrub"})),
    "clearing": area((1, {"natural": "grassland"}), (1, {"natural": "wetland", "wetland": "marsh"})),
    "farmland": area(*CROPS, inset=2.5),
    "orchard": area((2, {"landuse": "orchard"}), (2, {"landuse": "vineyard"}), inset=3),
    "palms": area((2, {"landuse": "orchard", "trees": "date_palms"}), (1, {"leisure": "park"}), inset=3),
    "allotments": area((1, {"landuse": "allotments"}), inset=1),
    "fallow": area((2, {"landuse": "greenfield"}), (1, {"natural": "mud"}), (1, {"natural": "bare_rock"}),
                   inset=2),
    "building_site": area(*BARE_SITES, inset=1),
    "quarry": area((3, {"landuse": "quarry"}), (1, {"natural": "sand"}), (1, {"landuse": "landfill"}),
                   inset=2),
    "dunes": area((3, {"natural": "sand"}), (1, {"natural": "desert"}), (1, {"natural": "bare_rock"})),
    "pitch": area((2, {"leisure": "pitch", "sport": "soccer"}),
                  (1, {"leisure": "pitch", "surface": "artificial_turf"}), inset=6),
    "parking": area((1, {"amenity": "parking"}), inset=3),
    "plaza": area((1, {"highway": "pedestrian", "area": "yes", "surface": "paving_stones"})),
    "storage": _storage,
}  # fmt: skip
