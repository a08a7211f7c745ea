"""Scores of the delivered building polygons against reference footprints, one by one.

A pair counts at an IoU of the threshold or more (an IoU of just 0.5 counts), each polygon in one
pair at most, the pairs of greatest IoU first (SpaceNet: Van Etten et al. 2018, "SpaceNet: A Remote
Sensing Dataset and Challenge Series"). Of matched pairs the shapes are compared: C-IoU and the ratio
of vertices of Zorzi et al. 2022, "PolyWorld: Polygonal Building Extraction with Graph Neural
Networks in Satellite Images", and the Hausdorff distance of the outlines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS

Polygons = NDArray[np.object_]
Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUNDING = 1e-9
"""Relative error of areas below which an IoU is taken for the threshold."""

BUILDING_COUNTS = (
    "delivered",
    "delivered_matched",
    "reference",
    "reference_matched",
    "c_iou",
    "reference_vertices",
    "delivered_vertices",
)
"""What is kept of a cell: objects on both sides, those matched, and sums over the matched footprints."""

BUILDING_FIGURES = ("precision", "recall", "f1", "c_iou", "vertex_ratio")
"""Figures of the buildings, as `building_figures` gives them."""


class Objects(NamedTuple):
    """Objects that are scored: their ids, and the cell that each belongs to."""

    ids: Ids
    cells: Ids


@dataclass(frozen=True)
class BlockBuildings:
    """The objects that belong to a block, and all pairs in which one of them is.

    Attributes:
        cells: number of cells in the block.
        reference: scored footprints.
        delivered: scored polygons of the map.
        pairs: as `overlapping_pairs` gives them, with ids instead of positions.
    """

    cells: int
    reference: Objects
    delivered: Objects
    pairs: pd.DataFrame


def footprints(features: gpd.GeoDataFrame, names: Sequence[str], crs: CRS) -> Polygons:
    """The polygons of some classes, each part of several by itself.

    One that lies in a larger one, as a part of a building does in its outline, is left out.

    Args:
        features: `class` and `geometry`, of any kind and in any CRS.
        names: of the classes.
        crs: a CRS in metres.

    Returns:
        ``(n,)`` valid polygons in `crs`; what cannot be projected to it is left out.
    """
    shapes = features.geometry[features["class"].isin(names)]
    areas = shapes[shapely.get_dimensions(shapes.to_numpy()) == 2].to_crs(crs).to_numpy()
    known = shapely.force_2d(areas[np.isfinite(shapely.bounds(areas)).all(axis=1)])
    parts = shapely.get_parts(shapely.make_valid(known, method="structure", keep_collapsed=False))
    polygons = np.asarray(parts[shapely.area(parts) > 0])
    return polygons[~_are_inside_larger(polygons)]


def _are_inside_larger(polygons: Polygons) -> NDArray[np.bool_]:
    """Whether a point inside each lies in a larger one, or in one of the same size that comes first."""
    inner, outer = shapely.STRtree(polygons).query(shapely.point_on_surface(polygons), predicate="within")
    size = shapely.area(polygons)
    gone = (size[inner] < size[outer]) | ((size[inner] == size[outer]) & (inner > outer))
    inside = np.zeros(len(polygons), bool)
    inside[inner[gone]] = True
    return inside


def overlapping_pairs(reference: Polygons, delivered: Polygons, min_iou: float, step: float) -> pd.DataFrame:
    """All pairs that overlap enough, and how alike they are.

    Args:
        reference: ``(n,)`` valid polygons.
        delivered: ``(m,)`` valid polygons, coordinates in metres as well.
        min_iou: least IoU of a pair.
        step: largest distance, in metres, of the points of an outline that the Hausdorff distance looks at.

    Returns:
        A row for each pair: positions `reference` and `delivered`, `iou`, `c_iou`, `hausdorff_m`,
        `reference_vertices`, `delivered_vertices`.
    """
    theirs, ours = shapely.STRtree(reference).query(delivered, predicate="intersects")[::-1]
    both = shapely.area(shapely.intersection(reference[theirs], delivered[ours]))
    union = shapely.area(reference)[theirs] + shapely.area(delivered)[ours] - both
    good = both >= min_iou * union * (1 - ROUNDING)
    theirs, ours, iou = theirs[good], ours[good], both[good] / union[good]
    a, b = vertices(reference[theirs]), vertices(delivered[ours])
    return pd.DataFrame(
        {
            "reference": theirs,
            "delivered": ours,
            "iou": iou,
            "c_iou": complexity_weighted(iou, a, b),
            "hausdorff_m": hausdorff(reference[theirs], delivered[ours], step),
            "reference_vertices": a,
            "delivered_vertices": b,
        }
    )


def complexity_weighted(iou: Floats, reference: Ids, delivered: Ids) -> Floats:
    """C-IoU: the IoU times one less the relative difference of the numbers of vertices.

    Args:
        iou: ``(n,)`` of pairs.
        reference: ``(n,)`` vertices of the footprints.
        delivered: ``(n,)`` vertices of their partners.

    Returns:
        ``(n,)`` float64, 0–1.

    >>> complexity_weighted(np.array([0.8]), np.array([4]), np.array([12])).round(3).tolist()
    [0.4]
    """
    return np.asarray(iou * (1 - np.abs(delivered - reference) / (delivered + reference)))


def vertices(polygons: Polygons) -> Ids:
    """Number of vertices of each polygon, holes included: the point that closes a ring is none more.

    >>> int(vertices(shapely.box(0, 0, 1, 1)))
    4
    """
    rings = 1 + shapely.get_num_interior_rings(polygons)
    return np.asarray(shapely.get_num_coordinates(polygons) - rings)


def hausdorff(a: Polygons, b: Polygons, step: float) -> Floats:
    """Hausdorff distance of the outlines of each pair: the farthest that a point of one is from the other.

    Args:
        a: ``(n,)`` polygons.
        b: ``(n,)`` their partners.
        step: largest distance of the points that are looked at; the result is at most half of it too small.

    Returns:
        ``(n,)`` float64, in the unit of the coordinates.
    """
    return np.maximum(_farthest(a, b, step), _farthest(b, a, step))


def _farthest(own: Polygons, other: Polygons, step: float) -> Floats:
    outlines, others = (np.asarray(shapely.boundary(each)) for each in (own, other))
    points, owner = shapely.get_coordinates(shapely.segmentize(outlines, step), return_index=True)
    farthest = np.zeros(len(own))
    np.maximum.at(farthest, owner, shapely.distance(shapely.points(points), others[owner]))
    return farthest


def one_to_one(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of all pairs those of greatest IoU, each polygon in one of them at most.

    Args:
        pairs: as `overlapping_pairs` gives them; a pair may be there several times.

    Returns:
        The rows of the pairs that are kept, best first.
    """
    by_iou = pairs.sort_values(
        ["iou", "reference", "delivered"], ascending=[False, True, True], ignore_index=True
    )
    taken: tuple[set[int], set[int]] = set(), set()
    kept = []
    for row, pair in enumerate(zip(by_iou["reference"].tolist(), by_iou["delivered"].tolist(), strict=True)):
        if not any(end in side for end, side in zip(pair, taken, strict=True)):
            kept.append(row)
            for end, side in zip(pair, taken, strict=True):
                side.add(end)
    return by_iou.iloc[kept]


def count_buildings(found: Sequence[BlockBuildings]) -> tuple[Floats, float]:
    """Match the buildings of all blocks and count them by cell.

    A scored object may be matched with one that is not, beyond the border of the test area.

    Args:
        found: the buildings of each block.

    Returns:
        ``(cells, 7)`` in the order of `BUILDING_COUNTS`, the cells of each block after the other; and the
        median Hausdorff distance of the pairs of scored footprints in metres, NaN without any.
    """
    matched = one_to_one(pd.concat([block.pairs for block in found], ignore_index=True))
    first = np.cumsum([0, *(block.cells for block in found)])
    total = int(first[-1])

    def scored(side: str) -> tuple[Ids, Ids, NDArray[np.bool_]]:
        """Ids and cells of all scored objects of a side, and whether they are matched."""
        parts: list[Objects] = [getattr(block, side) for block in found]
        ids = np.concatenate([part.ids for part in parts])
        cells = np.concatenate([part.cells + start for part, start in zip(parts, first, strict=False)])
        return ids, cells, np.isin(ids, matched[side])

    columns = []
    for side in ("delivered", "reference"):
        ids, cells, hit = scored(side)
        columns += [np.bincount(cells, minlength=total), np.bincount(cells[hit], minlength=total)]
    # The shapes of a pair belong to the cell of its footprint, which is the side that came last.
    pairs = matched.set_index("reference").loc[ids[hit]]
    columns += [
        np.bincount(cells[hit], pairs[name], total)
        for name in ("c_iou", "reference_vertices", "delivered_vertices")
    ]
    return np.column_stack(columns).astype(np.float64), float(pairs["hausdorff_m"].median())


def building_figures(total: Floats) -> dict[str, float]:
    """The `BUILDING_FIGURES` of several cells together, NaN where undefined.

    Objects on one side only score 0, as in `objects.precision_recall_f1`.

    Args:
        total: sums over the cells, in the order of `BUILDING_COUNTS`.
    """
    ours, hits, theirs, found, c_iou, reference_vertices, delivered_vertices = total.tolist()
    if not ours + theirs:
        return dict.fromkeys(BUILDING_FIGURES, float("nan"))
    precision, recall = hits / max(ours, 1), found / max(theirs, 1)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "c_iou": c_iou / found if found else float("nan"),
        "vertex_ratio": delivered_vertices / reference_vertices if found else float("nan"),
    }
