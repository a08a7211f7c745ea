"""The table of features keeps its columns, its order and its bytes."""

from pathlib import Path

import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from urbanseg import osm
from urbanseg.errors import PipelineError

ROWS = [
    ("road", "way", 7, '{"highway": "primary"}', shapely.LineString([(0, 0), (1, 1)])),
    ("building", "way", 30, '{"name": "Café Üö"}', shapely.box(0, 0, 1, 1)),
    ("building", "way", 3, "{}", shapely.box(0, 0, 2, 2)),
    ("building", "relation", 2**40, "{}", shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])),
]


def test_rows_are_sorted_by_class_type_and_number() -> None:
    assert osm.table(ROWS)["osm_id"].tolist() == [2**40, 3, 30, 7]


@pytest.mark.parametrize("rows", [ROWS, []])
def test_what_is_written_is_read_back(tmp_path: Path, rows: list) -> None:
    features = osm.table(rows)
    features.attrs = {"snapshot": "2024-05-01T20:21:03Z", "extent": [24.9, 60.1, 25.0, 60.2]}
    osm.write_features(tmp_path / "city.parquet", features)
    back = osm.load_features(tmp_path / "city.parquet")
    assert_geodataframe_equal(back, features)
    assert back.attrs == features.attrs


def test_the_same_features_make_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    for name, rows in (("a", ROWS), ("b", ROWS[::-1])):
        osm.write_features(tmp_path / name, osm.table(rows))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_missing_and_damaged_tables_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"gone\.parquet does not exist"):
        osm.load_features(tmp_path / "gone.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(PipelineError, match=r"bad\.parquet is not a GeoParquet"):
        osm.load_features(tmp_path / "bad.parquet")
    osm.table(ROWS).drop(columns="geometry").to_parquet(tmp_path / "flat.parquet")
    with pytest.raises(PipelineError, match=r"flat\.parquet is not a GeoParquet"):
        osm.load_features(tmp_path / "flat.parquet")
