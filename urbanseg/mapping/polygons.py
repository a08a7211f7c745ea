"""Land-cover polygons: a class raster as a table of polygons with class, area and confidence.

What a region is and how slivers are merged stands in `urbanseg.mapping.regions`, how a
region's outline is traced in `urbanseg.mapping.outlines`.
"""

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid
from urbanseg.mapping.outlines import outlines
from urbanseg.mapping.regions import label_regions

CONFIDENCE_SCALE = 254
"""Value of a confidence raster that means 1."""


def polygonise(
    classes: NDArray[np.uint8],
    confidence: NDArray[np.uint8] | None,
    grid: Grid,
    class_table: ClassTable,
) -> gpd.GeoDataFrame:
    """One polygon for each 4-connected region of one class.

    The polygons are valid, don't overlap, leave no gap, and cover the pixels with a class
    exactly; the area of a class is its number of pixels times the area of a pixel.

    Args:
        classes: ``(height, width)`` uint8, `IGNORE` where there is no class.
        confidence: ``(height, width)`` uint8, 0–254 for 0–1, 255 where unknown; or None.
        grid: where the pixels lie; its CRS must be in metres.
        class_table: names of the classes.

    Returns:
        Columns `class_id` (int16), `class_name`, `area_m2`, `confidence` (mean over the
        pixels of the polygon, 0–1; NaN where none is known) and `geometry`, in the grid's
        CRS, ordered row by row of each polygon's first pixel.

    Raises:
        ValueError: if the grid is not in metres.
    """
    if not grid.is_metric:
        raise ValueError(f"areas in m² need a projected CRS in metres, not {grid.crs.name}")
    labels = label_regions(classes)
    flat = labels.ravel()
    count = int(labels.max(initial=0))
    pixels = np.bincount(flat, minlength=count + 1)[1:]
    ids = np.zeros(count + 1, dtype=np.int16)
    ids[flat] = classes.ravel()
    names = np.array(class_table.names, dtype=object)
    return gpd.GeoDataFrame(
        {
            "class_id": ids[1:],
            "class_name": names[ids[1:]],
            "area_m2": pixels * abs(grid.transform.determinant),
            "confidence": _means(confidence, flat, count),
        },
        geometry=outlines(labels, grid.transform),
        crs=grid.crs,
    )


def area_by_class(polygons: gpd.GeoDataFrame, class_table: ClassTable) -> dict[str, float]:
    """Area of each class in m², in the order of the table."""
    areas = np.bincount(polygons["class_id"], polygons["area_m2"], len(class_table))
    return dict(zip(class_table.names, areas.tolist(), strict=True))


def _means(
    confidence: NDArray[np.uint8] | None, labels: NDArray[np.int32], count: int
) -> NDArray[np.float64]:
    """Mean confidence of each region, 0–1."""
    if confidence is None:
        return np.full(count, np.nan)
    values = confidence.ravel()
    known = values != IGNORE
    total = np.bincount(labels[known], values[known], count + 1)[1:]
    pixels = np.bincount(labels[known], minlength=count + 1)[1:]
    means = np.full(count, np.nan)
    np.divide(total, pixels * CONFIDENCE_SCALE, out=means, where=pixels > 0)
    return means
