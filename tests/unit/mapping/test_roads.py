import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from pyproj import CRS
from scipy import ndimage
from skimage.draw import line

from urbanseg import paths
from urbanseg.classes import ClassTable, LandClass
from urbanseg.config.params import load
from urbanseg.grid import Grid
from urbanseg.mapping.export import write_geopackage
from urbanseg.mapping.roads import HIGHWAYS, WIDEST_PX, guess_highways, road_layers
from urbanseg.mapping.styles import layer_styles
from urbanseg.roads.skeleton import road_graph
from urbanseg.roads.surface import BLOCK_PX

UTM = CRS.from_epsg(32632)
TABLE = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "road", "#7f8c8d")))


def grid_of(mask, pixel=10.0):
    return Grid(UTM, Affine(pixel, 0, 500_000, 0, -pixel, 4_000_000), *mask.shape)


def reader(mask, asked=None):
    """Read a mask by windows, which must lie inside it, and note them."""

    def read(window):
        assert min(window.row, window.col) >= 0
        assert window.row + window.height <= mask.shape[0]
        assert window.col + window.width <= mask.shape[1]
        if asked is not None:
            asked.append(window)
        return mask[window.slices]

    return read


def layers_of(mask, pixel=10.0):
    grid = grid_of(mask, pixel)
    return road_layers(road_graph(mask, grid.transform, min_spur=3 * pixel), reader(mask), grid)


@pytest.fixture
def streets():
    """A cross of two streets and a third one that ends in a blind alley."""
    mask = np.zeros((30, 40), dtype=bool)
    mask[15, :] = mask[:, 20] = mask[5, 20:35] = True
    return mask


def test_edges_name_the_nodes_at_their_ends(streets):
    edges, nodes = layers_of(streets)
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
    full = layers_of(np.ones((3, 9), dtype=bool))
    empty = layers_of(np.zeros((3, 9), dtype=bool))
    for some, none in zip(full, empty, strict=True):
        assert len(some)
        assert len(none) == 0
        assert none.dtypes.to_dict() == some.dtypes.to_dict()


def test_the_layers_of_a_geopackage_route_in_one_line_of_networkx(streets, tmp_path):
    made = dict(zip(("road_edges", "road_nodes"), layers_of(streets), strict=True))
    land_cover = gpd.GeoDataFrame(pd.DataFrame({"class_id": []}), geometry=[], crs=UTM)
    write_geopackage(tmp_path / "map.gpkg", {"land_cover": land_cover, **made}, layer_styles(TABLE))
    edges = gpd.read_file(tmp_path / "map.gpkg", layer="road_edges")
    nodes = gpd.read_file(tmp_path / "map.gpkg", layer="road_nodes").set_index("node_id")

    streets_again = nx.from_pandas_edgelist(edges, "u", "v", True, nx.MultiGraph)

    west, alley = nodes.geometry.x.idxmin(), nodes.geometry[nodes.geometry.y > 3_999_930].x.idxmax()
    metres = nx.shortest_path_length(streets_again, west, alley, weight="length_m")
    assert metres == pytest.approx((20 + 10 + 14) * 10, abs=15)
    assert len(nx.shortest_path(streets_again, west, alley)) == 4


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8])
def test_the_width_of_a_straight_road_is_its_number_of_pixels(width):
    mask = np.zeros((40, 200), dtype=bool)
    mask[12 : 12 + width, :] = True
    [found] = layers_of(mask, 0.5)[0]["width_m"]
    assert found == pytest.approx(width * 0.5)


@pytest.mark.parametrize("angle", [10, 30, 45, 70])
def test_the_width_of_a_slanting_road_is_right_to_a_pixel(angle):
    centre = np.ones((300, 300), dtype=bool)
    step = 100 * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    centre[line(*np.round(150 - step).astype(int), *np.round(150 + step).astype(int))] = False
    mask = ndimage.distance_transform_edt(centre) <= 5
    assert layers_of(mask, 1.0)[0]["width_m"].median() == pytest.approx(10.5, abs=1)


def test_widths_do_not_change_where_measuring_blocks_meet():
    mask = np.zeros((40, 2 * BLOCK_PX + 100), dtype=bool)
    mask[15:22, :] = True
    mask[15:25, BLOCK_PX : BLOCK_PX + 3] = True
    grid = grid_of(mask)
    asked = []
    [found] = road_layers(road_graph(mask, grid.transform, min_spur=100), reader(mask, asked), grid)[0][
        "width_m"
    ]
    assert found == pytest.approx(70)
    assert max(window.width for window in asked) <= BLOCK_PX + 2 * WIDEST_PX


def test_widths_change_gradually_along_a_road_but_not_into_its_side_roads():
    mask = np.zeros((80, 300), dtype=bool)
    mask[40:44, :100] = mask[40:50, 100:200] = mask[40:44, 200:] = True
    for col in (100, 200):
        mask[:40, col] = True
    edges, _ = layers_of(mask, 1.0)
    along = edges[edges.geometry.bounds.eval("maxx - minx > 50")].sort_values("edge_id")
    side = edges.drop(along.index)
    assert len(along) == 3
    assert along["width_m"].max() < 9
    assert along["width_m"].min() > 4
    assert side["width_m"].tolist() == pytest.approx([1, 1])


def test_the_guessed_highway_is_the_one_whose_typical_width_is_nearest():
    typical = load(paths.PARAMS).labels.line_width_m
    names = [name for _, name in HIGHWAYS]
    guessed = guess_highways(np.array([typical[name] + 0.5 for name in names]), 1.0)
    assert guessed.tolist() == names
    assert guess_highways(np.array([1.0, 99.0]), 1.0).tolist() == [names[0], names[-1]]


def test_nothing_is_guessed_where_pixels_are_as_wide_as_roads(streets):
    assert layers_of(streets, 10.0)[0]["highway_guess"].isna().all()
    assert layers_of(streets, 2.0)[0]["highway_guess"].notna().all()
