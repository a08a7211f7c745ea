import numpy as np
from affine import Affine
from pyproj import CRS

from urbanseg.mapping.roads import road_layers
from urbanseg.network import road_graph

UTM = CRS.from_epsg(32632)
GRID = Affine(10, 0, 500_000, 0, -10, 4_000_000)


def test_edges_name_the_nodes_at_their_ends():
    mask = np.zeros((30, 40), dtype=bool)
    mask[15, :] = mask[:, 20] = mask[5, 20:35] = True
    edges, nodes = road_layers(road_graph(mask, GRID), UTM)
    at = nodes.set_index("node_id")
    for edge in edges.itertuples():
        assert edge.geometry.coords[0] == at.geometry[edge.u].coords[0]
        assert edge.geometry.coords[-1] == at.geometry[edge.v].coords[0]
    assert np.allclose(edges["length_m"], edges.length)
    ends = np.concatenate([edges["u"], edges["v"]])
    assert (np.bincount(ends, minlength=len(nodes)) == nodes["degree"]).all()
    assert edges["edge_id"].tolist() == list(range(len(edges)))
    assert edges.crs == nodes.crs == UTM


def test_no_road_gives_empty_layers_with_the_same_columns():
    full = road_layers(road_graph(np.ones((3, 9), dtype=bool), GRID), UTM)
    empty = road_layers(road_graph(np.zeros((3, 9), dtype=bool), GRID), UTM)
    for some, none in zip(full, empty, strict=True):
        assert len(some)
        assert len(none) == 0
        assert none.dtypes.to_dict() == some.dtypes.to_dict()
