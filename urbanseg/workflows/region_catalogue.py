"""The STAC collection of a region's cells, and virtual mosaics of their rasters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.region import RegionParams
from urbanseg.grid import Grid, Window
from urbanseg.imagery.item import COPERNICUS
from urbanseg.io import files
from urbanseg.mapping.stac_item import ALL_TIME
from urbanseg.region.cells import Cell, Lattice
from urbanseg.workflows.region_cell import ITEM

COLLECTION = "collection.json"
DATA_SETS = {
    "polygons": "Polygons of the land cover, as partitioned GeoParquet",
    "roads": "Edges of the road network, as partitioned GeoParquet",
    "road_nodes": "Nodes of the road network, as partitioned GeoParquet",
}
"""Folders of a region's data sets."""
TABLES = {"areas.csv": "Hectares by class", "zones.csv": "Hectares by class and zone"}
MOSAICS = {"classes.vrt": "Land cover", "confidence.vrt": "Confidence, 0–254 for 0–1"}
"""Mosaics of the rasters of the same names."""


def write_collection(folder: Path, name: str, region: RegionParams, cells: Sequence[Cell]) -> None:
    """Write the STAC collection of the cells that are done.

    Args:
        folder: of the region, with the files of each cell.
        name: of the region, which is the collection's id.
        region: its parameters.
        cells: that are done, at least one.
    """
    items = [files.read_json(folder / "cells" / cell.id / ITEM) for cell in cells]
    boxes = [item["bbox"] for item in items]
    outer = [*(min(b[i] for b in boxes) for i in (0, 1)), *(max(b[i] for b in boxes) for i in (2, 3))]
    times = sorted(time for item in items for time in _times(item["properties"]))
    known = {**MOSAICS, **{key: text for key, text in TABLES.items() if (folder / key).exists()}, **DATA_SETS}
    links = [{"rel": "root", "href": f"./{COLLECTION}", "type": "application/json"}]
    links.append({"rel": "license", "href": str(COPERNICUS.link)})
    links += [
        {"rel": "item", "href": f"./cells/{cell.id}/{ITEM}", "type": "application/geo+json"} for cell in cells
    ]
    collection: dict[str, Any] = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": name,
        "title": region.title,
        "description": f"Land cover of {region.title}, predicted from Sentinel-2 by the model {region.model}",
        "license": COPERNICUS.license,
        "extent": {
            "spatial": {"bbox": [outer]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "links": links,
        "assets": {key: _asset(key, text) for key, text in known.items()},
    }
    files.write_json(folder / COLLECTION, collection)


def write_mosaics(folder: Path, lattice: Lattice, cells: Sequence[Cell], table: ClassTable) -> None:
    """Write a VRT of each raster of `MOSAICS`, over the cells that are done.

    Args:
        folder: of the region, with the files of each cell.
        lattice: of the cells.
        cells: that are done, at least one.
        table: the classes, whose colours the mosaic shows.
    """
    rows = [lattice.pixels(cell)[0] for cell in cells]
    cols = [lattice.pixels(cell)[1] for cell in cells]
    top, left = (min(span.start for span in spans) for spans in (rows, cols))
    bottom, right = (max(span.stop for span in spans) for spans in (rows, cols))
    grid = lattice.grid(range(top, bottom), range(left, right))
    places = {
        cell.id: Window(down.start - top, across.start - left, len(down), len(across))
        for cell, down, across in zip(cells, rows, cols, strict=True)
    }
    for name in MOSAICS:
        colors = table if name == "classes.vrt" else None
        files.write_text(folder / name, _vrt(grid, places, name.replace(".vrt", ".tif"), colors))


def _vrt(grid: Grid, places: Mapping[str, Window], raster: str, table: ClassTable | None) -> str:
    """A virtual raster of one band of uint8 (https://gdal.org/en/stable/drivers/raster/vrt.html)."""
    lines = [f'<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">']
    lines.append(f"  <SRS>{_escaped(grid.crs.to_wkt())}</SRS>")
    a, b, c, d, e, f = grid.transform[:6]
    lines.append(f"  <GeoTransform>{', '.join(repr(float(v)) for v in (c, a, b, f, d, e))}</GeoTransform>")
    lines.append('  <VRTRasterBand dataType="Byte" band="1">')
    lines.append(f"    <NoDataValue>{IGNORE}</NoDataValue>")
    if table is not None:
        colors = table.colormap()
        entries = (colors.get(i, (0, 0, 0, 0)) for i in range(IGNORE + 1))
        lines.append("    <ColorInterp>Palette</ColorInterp>")
        lines.append("    <ColorTable>")
        lines += [
            f'      <Entry c1="{e[0]}" c2="{e[1]}" c3="{e[2]}" c4="{e[3] if len(e) > 3 else 255}"/>'
            for e in entries
        ]
        lines.append("    </ColorTable>")
    for cell, at in places.items():
        size = f'xSize="{at.width}" ySize="{at.height}"'
        lines += [
            "    <ComplexSource>",
            f'      <SourceFilename relativeToVRT="1">cells/{cell}/{raster}</SourceFilename>',
            "      <SourceBand>1</SourceBand>",
            f'      <SrcRect xOff="0" yOff="0" {size}/>',
            f'      <DstRect xOff="{at.col}" yOff="{at.row}" {size}/>',
            f"      <NODATA>{IGNORE}</NODATA>",
            "    </ComplexSource>",
        ]
    return "\n".join([*lines, "  </VRTRasterBand>", "</VRTDataset>", ""])


def _escaped(text: str) -> str:
    return quoteattr(text, {'"': "&quot;"})[1:-1]


def _times(properties: Mapping[str, Any]) -> list[str]:
    """The times of an Item: one, or the first and the last."""
    if properties.get("datetime"):
        return [properties["datetime"]]
    return [properties.get("start_datetime", ALL_TIME[0]), properties.get("end_datetime", ALL_TIME[1])]


def _asset(name: str, title: str) -> dict[str, Any]:
    kinds = {".vrt": "application/xml", ".csv": "text/csv"}
    kind = kinds.get(Path(name).suffix, "application/vnd.apache.parquet")
    return {"href": f"./{name}", "title": title, "type": kind, "roles": ["data"]}
