"""Road layers of the map: a road graph as a table of lines and a table of points.

The graph itself comes from `urbanseg.network`.
"""

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS

from urbanseg.network import RoadGraph


def road_layers(graph: RoadGraph, crs: CRS) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Edges and nodes of a road graph as tables.

    Args:
        graph: as `urbanseg.network.road_graph` makes it, in a CRS in metres.
        crs: the CRS of its coordinates.

    Returns:
        Edges with `edge_id`, `u`, `v` (node ids; int32), `length_m` and a LineString, and nodes
        with `node_id`, `degree` (int32) and a Point.
    """
    lines = list(graph.edges(data=True))
    edges = gpd.GeoDataFrame(
        {
            "edge_id": np.arange(len(lines), dtype=np.int32),
            "u": np.array([u for u, _, _ in lines], dtype=np.int32),
            "v": np.array([v for _, v, _ in lines], dtype=np.int32),
            "length_m": np.array([data["length"] for *_, data in lines], dtype=np.float64),
        },
        geometry=[data["geometry"] for *_, data in lines],
        crs=crs,
    )
    points = np.array([(data["x"], data["y"]) for _, data in graph.nodes(data=True)]).reshape(-1, 2)
    nodes = gpd.GeoDataFrame(
        {
            "node_id": np.array(list(graph), dtype=np.int32),
            "degree": np.array([degree for _, degree in graph.degree()], dtype=np.int32),
        },
        geometry=shapely.points(points),
        crs=crs,
    )
    return edges, nodes
