"""Vectors of cells, merged, are those of all the region at once."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.region.regions import (
    ORIGIN,
    PIXEL,
    UTM,
    bounds_of,
    contents,
    pieces_of,
    polygon_cells,
    read,
    road_cells,
    write_part,
)
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.mapping.roads import guess_highways
from urbanseg.region.seams import merge_polygons, merge_roads

FEW = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIDE = 100.0


@st.composite
def rasters(draw):
    """Classes, confidence, pixels of a cell's side, and a cell that is missing."""
    size, rows, cols = draw(st.integers(2, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    block = draw(st.sampled_from([1, 2, 3]))  # larger ones make polygons that run through many cells
    fine = rng.choice([0, 1, 2, IGNORE], (rows * size, cols * size), p=[0.4, 0.3, 0.25, 0.05])
    classes = np.kron(fine, np.ones((block, block)))[: rows * size, : cols * size].astype(np.uint8)
    missing = {(0, rows - 1)} if draw(st.booleans()) else set()
    return classes, rng.integers(0, 255, classes.shape, dtype=np.uint8), size, missing


def described(table):
    """Each polygon with its class and figures, whatever its vertices between corners."""
    shapes = shapely.to_wkb(shapely.normalize(shapely.simplify(table.geometry.to_numpy(), 0)))
    return sorted(
        zip(
            shapes,
            table["class_id"],
            table["class_name"],
            table["area_m2"].round(3),
            table["confidence"].round(9),
            strict=True,
        )
    )


@FEW
@given(rasters(), st.randoms(use_true_random=False))
def test_merged_polygons_are_those_of_the_whole_raster_whatever_the_order_of_cells(raster, random):
    classes, confidence, size, missing = raster
    with TemporaryDirectory() as name:
        folder = Path(name)
        parts, whole = polygon_cells(folder / "cells", classes, confidence, size, missing)
        rows = merge_polygons(parts, folder / "merged", file_bytes=1500)
        random.shuffle(parts)
        merge_polygons(parts, folder / "again", file_bytes=1500)
        found = read(folder / "merged")
        assert contents(folder / "merged") == contents(folder / "again")
    assert len(found) == rows
    assert described(found) == described(whole)
    assert found["polygon_id"].is_unique
    assert found["is_whole"].all()


@FEW
@given(rasters())
def test_a_polygon_that_is_too_large_stays_in_pieces_of_one_id(raster):
    classes, confidence, size, missing = raster
    with TemporaryDirectory() as name:
        folder = Path(name)
        parts, whole = polygon_cells(folder / "cells", classes, confidence, size, missing)
        merge_polygons(parts, folder / "merged", file_bytes=1500, most_vertices=12)
        found = read(folder / "merged")
    assert found["area_m2"].sum() == pytest.approx(whole["area_m2"].sum())
    assert set(found.loc[found["polygon_id"].duplicated(keep=False), "is_whole"]) <= {False}
    put_together = found[["class_id", "class_name", "polygon_id", "geometry"]].dissolve("polygon_id")
    same = [
        shapely.normalize(shapely.simplify(each.geometry.to_numpy(), 0)) for each in (put_together, whole)
    ]
    assert sorted(shapely.to_wkb(same[0])) == sorted(shapely.to_wkb(same[1]))


def test_ids_stay_when_cells_elsewhere_come_or_go(tmp_path):
    classes = np.random.default_rng(3).integers(0, 3, (8, 12), dtype=np.uint8)
    parts, _ = polygon_cells(tmp_path / "cells", classes, classes, 4)
    merge_polygons(parts, tmp_path / "all")
    merge_polygons([part for part in parts if part.bounds[0] < bounds_of(2, 0, 40)[0]], tmp_path / "some")
    before, after = (read(tmp_path / name).set_index("polygon_id") for name in ("all", "some"))
    inner = after[after.bounds["maxx"] < bounds_of(1, 0, 40)[2]]
    assert len(inner) > 3
    assert before.loc[inner.index].geometry.geom_equals(inner.geometry).all()


def test_a_diagonal_that_was_rounded_on_the_seam_is_straight_again(tmp_path):
    left, bottom, *_ = bounds_of(0, 0, SIDE)
    seam = left + SIDE
    cut = [seam, bottom + 33.3333333 - 0.0004]
    halves = [
        [(left, bottom), (seam, bottom), cut],
        [(seam, bottom), (left + 150, bottom), (left + 150, bottom + 50), cut],
    ]
    parts = []
    for col, ring in enumerate(halves):
        rows = {"class_id": np.int16([1]), "class_name": ["class1"], "area_m2": [1.0]}
        rows |= {"confidence": [(0.2, 0.8)[col]], "pixels": [(1, 3)[col]]}
        shape = gpd.GeoDataFrame(rows, geometry=[shapely.Polygon(ring)], crs=UTM)
        parts.append(write_part(tmp_path / "cells", col, 0, bounds_of(col, 0, SIDE), shape))
    assert merge_polygons(parts, tmp_path / "merged") == 1
    (row,) = read(tmp_path / "merged").itertuples()
    triangle = shapely.Polygon([(left, bottom), (left + 150, bottom), (left + 150, bottom + 50)])
    assert row.geometry.equals(triangle)
    assert row.area_m2 == pytest.approx(triangle.area)
    assert row.confidence == pytest.approx(0.65)


@st.composite
def networks(draw):
    """Roads as points, from one junction to another or back, with their widths; columns and rows of cells."""
    counts = np.array([draw(st.integers(1, 4)), draw(st.integers(1, 4))])
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))

    def places(count):
        return [
            tuple(place) for place in (np.add(ORIGIN, 0.01) + rng.random((count, 2)) * (counts - 0.02)) * SIDE
        ]

    junctions = places(draw(st.integers(1, 8)))
    between = draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=12))
    lines = [[junctions[a % len(junctions)], *places(2), junctions[b % len(junctions)]] for a, b in between]
    return lines, rng.uniform(3, 20, len(lines)), counts


@FEW
@given(networks(), st.randoms(use_true_random=False))
def test_joined_roads_are_those_that_were_cut_and_nodes_are_their_ends(network, random):
    lines, widths, counts = network
    with TemporaryDirectory() as name:
        folder = Path(name)
        parts = road_cells(folder / "cells", lines, widths, counts, SIDE)
        count = merge_roads(parts, folder / "edges", folder / "nodes", 1.0, guess_highways, file_bytes=800)
        random.shuffle(parts)
        merge_roads(parts, folder / "edges2", folder / "nodes2", 1.0, guess_highways, file_bytes=800)
        edges, nodes = read(folder / "edges"), read(folder / "nodes").set_index("node_id")
        assert contents(folder / "edges") == contents(folder / "edges2")
        assert contents(folder / "nodes") == contents(folder / "nodes2")
    assert count == len(edges) == len(lines)
    assert edges["edge_id"].is_unique
    one, other = (
        shapely.to_wkb(shapely.normalize(shapes))
        for shapes in (edges.geometry.to_numpy(), [shapely.LineString(line) for line in lines])
    )
    assert sorted(one) == sorted(other)
    np.testing.assert_allclose(edges["width_m"].to_numpy()[np.argsort(one)], widths[np.argsort(other)])
    np.testing.assert_allclose(edges["length_m"], edges.length, atol=0.02)
    assert list(edges["highway_guess"]) == list(guess_highways(edges["width_m"].to_numpy(), 1.0))
    for node, end in (("u", 0), ("v", -1)):
        ends = shapely.get_point(edges.geometry.to_numpy(), end)
        assert (ends == nodes.geometry.loc[edges[node]].to_numpy()).all()
    degrees = np.unique(np.concatenate([edges["u"], edges["v"]]), return_counts=True)
    assert dict(zip(*degrees, strict=True)) == dict(nodes["degree"])


def test_a_ring_of_pieces_without_a_junction_begins_at_a_node_on_a_seam(tmp_path):
    corner = np.array(ORIGIN) * SIDE
    ring = [tuple(corner + place) for place in ((50, 50), (150, 50), (150, 150), (50, 150), (50, 50))]
    first, *middle, last = pieces_of(ring, SIDE)
    parts = []
    for piece in [*middle, last + first[1:]]:
        col, row = (np.floor(np.add(*piece[:2]) / 2 / SIDE) - ORIGIN).astype(int)
        rows = gpd.GeoDataFrame(
            {"length_m": [100.0], "width_m": [2.0]}, geometry=[shapely.LineString(piece)], crs=UTM
        )
        parts.append(write_part(tmp_path / "cells", col, row, bounds_of(col, row, SIDE), rows))
    assert merge_roads(parts, tmp_path / "edges", tmp_path / "nodes", 10.0, guess_highways) == 1
    edge, node = read(tmp_path / "edges").iloc[0], read(tmp_path / "nodes").iloc[0]
    assert edge["u"] == edge["v"] == node["node_id"]
    assert node["degree"] == 2
    assert edge.geometry.is_ring
    assert edge.geometry.length == pytest.approx(400)


def test_no_cells_are_a_data_set_without_rows(tmp_path):
    assert merge_polygons([], tmp_path / "polygons") == 0
    assert merge_roads([], tmp_path / "edges", tmp_path / "nodes", 10.0, guess_highways) == 0
    for name, column in (("polygons", "polygon_id"), ("edges", "edge_id"), ("nodes", "node_id")):
        table = gpd.read_parquet(tmp_path / name)
        assert len(table) == 0
        assert table[column].dtype == np.int64


def test_files_are_geoparquet_with_a_covering_and_hold_cells_along_the_curve(tmp_path):
    classes = np.random.default_rng(0).integers(0, 3, (24, 24), dtype=np.uint8)
    parts, whole = polygon_cells(tmp_path / "cells", classes, classes, 4)
    merge_polygons(parts, tmp_path / "merged", file_bytes=8000)
    files = sorted((tmp_path / "merged").iterdir())
    assert [path.name for path in files] == [f"part-{i:05d}.parquet" for i in range(len(files))]
    assert len(files) > 5
    for path in files:
        about = json.loads(pq.read_schema(path).metadata[b"geo"])
        assert about["version"] == "1.1.0"
        assert about["columns"]["geometry"]["geometry_types"] == ["Polygon"]
        assert about["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
        order = gpd.GeoSeries.from_wkb(pq.read_table(path)["geometry"].to_numpy()).hilbert_distance()
        assert order.is_monotonic_increasing
    all_of_them = gpd.read_parquet(tmp_path / "merged")
    assert len(all_of_them) == len(whole)
    assert all_of_them.crs == UTM


def test_cells_that_do_not_fit_are_refused(tmp_path):
    classes = np.zeros((4, 8), np.uint8)
    parts, _ = polygon_cells(tmp_path / "cells", classes, classes, 4)
    with pytest.raises(ValueError, match="twice"):
        merge_polygons([parts[0], parts[0]], tmp_path / "merged")
    moved = tuple(np.add(parts[1].bounds, PIXEL))
    with pytest.raises(ValueError, match="not squares"):
        merge_polygons([parts[0], type(parts[1])("e0", moved, parts[1].path)], tmp_path / "merged")
    gpd.read_parquet(parts[1].path).set_crs(32633, allow_override=True).to_parquet(parts[1].path)
    with pytest.raises(PipelineError, match="another coordinate reference system"):
        merge_polygons(parts, tmp_path / "merged")
    parts[1].path.write_bytes(b"PAR1")
    with pytest.raises(PipelineError, match="cannot be read as vectors of a cell"):
        merge_polygons(parts, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
