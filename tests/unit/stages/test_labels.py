"""The osm and labels stages on small cities: what they write, and what they refuse."""

import logging
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import pytest
import rasterio
import shapely
import yaml
from affine import Affine
from pyproj import CRS, Transformer

import stages.labels
import stages.osm
from tests.conftest import whole_params
from urbanseg import osm, paths
from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.io import cog, raster

GRID = Grid(CRS.from_epsg(32635), Affine(10, 0, 386_000, 0, -10, 6_673_000), 60, 80)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stage", "town"])


def write_params(**city: Any) -> None:
    params = whole_params()
    town = {
        "title": "Town",
        "role": "train",
        "inputs": ".",
        "scene": {"provider": "local", "path": "scene.tif", "bands": {"red": 1}},
        "osm": {"provider": "pbf", "path": "town.osm.pbf"},
        "labels": {"source": "osm"},
    }
    Path("params.yaml").write_text(
        yaml.safe_dump(params | {"cities": {"town": town | city}}, sort_keys=False)
    )


def write_scene(grid: Grid = GRID, nodata: Window | None = None) -> None:
    bands = np.full((1, *grid.shape), 500, np.uint16)
    if nodata:
        bands[0][nodata.slices] = 0
    with cog.writing(paths.scene("town"), grid, dtype="uint16", nodata=0) as file:
        file.write(bands)


def write_band(path: Path, values: np.ndarray, grid: Grid = GRID) -> None:
    with cog.writing(path, grid, dtype=values.dtype) as file:
        file.write(values)


def write_extract(left: float, bottom: float, right: float, top: float) -> None:
    """One park, in metres of the grid."""
    park = gpd.GeoSeries([shapely.box(left, bottom, right, top)], crs=GRID.crs).to_crs(4326)
    corners = shapely.get_coordinates(park.to_numpy())[:-1]
    with osmium.SimpleWriter("town.osm.pbf") as writer:
        for number, location in enumerate(corners, start=1):
            writer.add_node(osmium.osm.mutable.Node(id=number, version=1, location=tuple(location)))
        ring = [1, 2, 3, 4, 1]
        writer.add_way(osmium.osm.mutable.Way(id=1, version=1, nodes=ring, tags={"leisure": "park"}))


def labelled() -> np.ndarray:
    with raster.reading(paths.labels("town")) as file:
        assert file.grid.same_as(GRID)
        return file.read_band()


def refusal(stage: Any) -> str:
    with pytest.raises(SystemExit) as stop:
        stage.main()
    return str(stop.value)


def test_features_become_labels_and_nodata_and_clouds_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    write_params()
    write_scene(nodata=Window(0, 0, 60, 5))
    scl = np.full(GRID.shape, 4, np.uint8)
    scl[50, 70] = 9
    write_band(paths.scl("town"), scl)
    left, _, _, top = GRID.bounds
    write_extract(left, top - 200, left + 400, top)

    with caplog.at_level(logging.INFO):
        stages.osm.main()
        stages.labels.main()

    expected = np.zeros(GRID.shape, np.uint8)
    expected[:20, :40] = 3
    expected[:, :5] = IGNORE
    rows, cols = np.ogrid[:60, :80]
    expected[np.hypot(rows - 50, cols - 70) <= 3] = IGNORE
    np.testing.assert_array_equal(labelled(), expected)
    style = paths.osm("town").with_suffix(".qml").read_text()
    assert style.count("<rule ") == 1
    assert "\"class\" = 'vegetation' AND geometry_type($geometry) = 'Polygon'".replace('"', "&quot;") in style
    assert "1 vegetation" in caplog.text
    assert "vegetation 15.7%" in caplog.text
    with rasterio.open(paths.labels("town")) as file:
        assert file.nodata == IGNORE
        assert file.colormap(1)[3] == (95, 169, 121, 255)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_a_city_without_openstreetmap_has_an_empty_table(caplog: pytest.LogCaptureFixture) -> None:
    write_params(osm={"provider": "none"}, labels={"source": "raster", "path": "x.tif", "remap": {1: "road"}})
    with caplog.at_level(logging.INFO):
        stages.osm.main()
    assert "takes no OpenStreetMap" in caplog.text
    assert osm.load_features(paths.osm("town")).empty


def test_a_scene_outside_the_extract_is_one_sentence() -> None:
    write_params()
    write_scene()
    write_extract(500_000, 6_000_000, 500_100, 6_000_100)
    assert "inside the area of interest" in refusal(stages.osm)
    assert not paths.osm("town").exists()


def test_a_classified_raster_is_remapped() -> None:
    table = {7: "building", 9: "ignore", 0: "other"}
    write_params(osm={"provider": "none"}, labels={"source": "raster", "path": "lc.tif", "remap": table})
    write_scene()
    values = np.random.default_rng(0).choice([7, 9, 0, 33], GRID.shape).astype(np.uint8)
    write_band(Path("lc.tif"), values)
    stages.labels.main()
    expected = np.select([values == 7, values == 0], [1, 0], IGNORE)
    np.testing.assert_array_equal(labelled(), expected)


def test_a_classified_raster_of_a_larger_area_is_cropped_by_whole_pixels() -> None:
    write_params(
        osm={"provider": "none"}, labels={"source": "raster", "path": "lc.tif", "remap": {1: "road"}}
    )
    write_scene()
    larger = Grid(GRID.crs, GRID.transform @ Affine.translation(-7, -11), 90, 100)
    values = np.random.default_rng(0).integers(1, 3, larger.shape).astype(np.uint8)
    write_band(Path("lc.tif"), values, larger)
    stages.labels.main()
    inside = values[11:71, 7:87]
    np.testing.assert_array_equal(labelled(), np.where(inside == 1, 2, IGNORE))


@pytest.mark.parametrize("shift", [Affine.translation(0.5, 0), Affine.translation(3, 0), Affine.scale(0.5)])
def test_labels_on_another_grid_are_one_sentence_where_the_same_is_asked_for(shift: Affine) -> None:
    write_params(
        osm={"provider": "none"},
        labels={"source": "raster", "path": "lc.tif", "remap": {1: "road"}, "same_grid": True},
    )
    write_scene()
    other = Grid(GRID.crs, GRID.transform @ shift, *GRID.shape)
    write_band(Path("lc.tif"), np.ones(GRID.shape, np.uint8), other)
    assert "lc.tif and data/scene/town/scene.tif lie on different grids" in refusal(stages.labels)
    assert not paths.labels("town").exists()


def test_a_missing_label_raster_is_one_sentence() -> None:
    write_params(
        osm={"provider": "none"}, labels={"source": "raster", "path": "lc.tif", "remap": {1: "road"}}
    )
    write_scene()
    assert "lc.tif does not exist" in refusal(stages.labels)


@pytest.mark.parametrize("why", ["cloud", "nodata"])
def test_a_scene_wholly_cloud_or_nodata_is_one_sentence_and_leaves_nothing_behind(why: str) -> None:
    write_params()
    write_scene(nodata=Window(0, 0, *GRID.shape) if why == "nodata" else None)
    if why == "cloud":
        write_band(paths.scl("town"), np.full(GRID.shape, 9, np.uint8))
    left, _, _, top = GRID.bounds
    write_extract(left, top - 200, left + 400, top)
    stages.osm.main()
    assert "has no pixel that can be labelled" in refusal(stages.labels)
    assert not list(paths.labels("town").parent.iterdir())


def write_coast(*broken: int) -> None:
    """A street, and a coast that heads north along the middle, broken before some of its corners."""
    left, bottom, right, top = GRID.bounds
    middle = (left + right) / 2
    street = shapely.LineString([(left, bottom + 105), (right, bottom + 105)])
    rows = np.linspace(bottom - 3000, top + 3000, 7)
    pieces = np.split(np.arange(7), broken)
    coasts = [shapely.LineString([(middle, rows[i]) for i in piece]) for piece in pieces]
    lines = gpd.GeoSeries([street, *coasts], crs=GRID.crs).to_crs(4326)
    with osmium.SimpleWriter("town.osm.pbf") as writer:
        refs: list[list[int]] = []
        count = 0
        for line in lines:
            refs.append([])
            for location in line.coords:
                count += 1
                refs[-1].append(count)
                writer.add_node(osmium.osm.mutable.Node(id=count, version=1, location=location))
        for number, nodes in enumerate(refs, start=1):
            tags = {"natural": "coastline"} if number > 1 else {"highway": "primary"}
            writer.add_way(osmium.osm.mutable.Way(id=number, version=1, nodes=nodes, tags=tags))


def test_the_sea_east_of_a_coast_that_heads_north_is_water() -> None:
    write_params()
    write_scene()
    write_coast()
    stages.osm.main()
    stages.labels.main()
    made = labelled()
    assert (made[:45, :40] == 0).all()
    assert (made[:45, 40:] == 4).all()
    assert (made[49, :] == 2).all()


def test_where_a_broken_coast_leaves_open_what_is_sea_only_what_is_mapped_is_labelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_params()
    write_scene()
    write_coast(4)
    stages.osm.main()
    stages.labels.main()
    assert "the coastline is broken (near latitude, longitude 60.1" in caplog.text
    made = labelled()
    assert (made[:45] == IGNORE).all()
    assert (made[49, :] == 2).all()


def write_xml(
    path: str, grid: Grid, lines: list[tuple[list[tuple[float, float]], dict]], tail: str = ""
) -> None:
    """An OpenStreetMap file of ways through places in pixels (column, row) of a grid."""
    to_degrees = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    nodes, ways = "", ""
    count = 0
    for number, (places, tags) in enumerate(lines, start=1):
        refs = ""
        for place in places:
            count += 1
            lon, lat = to_degrees.transform(*(grid.transform @ place))
            nodes += f"<node id='{count}' version='1' lat='{lat:.7f}' lon='{lon:.7f}'/>"
            refs += f"<nd ref='{count}'/>"
        tagged = "".join(f"<tag k='{key}' v='{value}'/>" for key, value in tags.items())
        ways += f"<way id='{number}' version='1'>{refs}{tagged}</way>"
    Path(path).write_text(f"<osm version='0.6'>{nodes}{ways}{tail}</osm>")


def test_a_river_whose_relation_lacks_members_is_ignored_and_what_is_mapped_in_it_is_not() -> None:
    write_params(osm={"provider": "pbf", "path": "town.osm"})
    write_scene()
    banks = [([(-5, 20), (85, 20)], {}), ([(-5, 40), (85, 40)], {})]
    street = ([(40, -5), (40, 65)], {"highway": "motorway", "bridge": "yes"})
    members = "".join(f"<member type='way' ref='{ref}' role='outer'/>" for ref in (1, 2, 98, 99))
    tags = "<tag k='type' v='multipolygon'/><tag k='natural' v='water'/>"
    write_xml("town.osm", GRID, [*banks, street], f"<relation id='9' version='1'>{members}{tags}</relation>")
    stages.osm.main()
    stages.labels.main()
    made = labelled()
    assert (made[21:39, :35] == IGNORE).all()
    assert (made[:19, :35] == 0).all()
    assert (made[41:, 45:] == 0).all()
    assert (made[:, 40] == 2).all()


def test_a_scene_across_the_antimeridian_is_labelled_on_both_sides() -> None:
    write_params(osm={"provider": "pbf", "path": "town.osm"})
    to_utm = Transformer.from_crs(4326, 32760, always_xy=True)
    x, y = to_utm.transform(180, -17)
    grid = Grid(CRS.from_epsg(32760), Affine(10, 0, x - 400, 0, -10, y + 300), 60, 80)
    write_scene(grid)
    park = {"leisure": "park"}
    west, east = [(5, 5), (35, 5), (35, 55), (5, 55), (5, 5)], [(45, 5), (75, 5), (75, 55), (45, 55), (45, 5)]
    write_xml("town.osm", grid, [(west, park), (east, park)])
    bounds = "".join(
        f"<bounds minlat='-18' maxlat='-16' minlon='{low}' maxlon='{high}'/>"
        for low, high in ((179, 180), (-180, -179))
    )
    Path("town.osm").write_text(Path("town.osm").read_text().replace("<node", bounds + "<node", 1))
    stages.osm.main()
    stages.labels.main()
    with raster.reading(paths.labels("town")) as file:
        made = file.read_band()
    expected = np.zeros(grid.shape, np.uint8)
    expected[5:55, 5:35] = expected[5:55, 45:75] = 3
    assert (made == expected).mean() > 0.97
    assert not (made == IGNORE).any()


def test_a_map_too_far_from_the_scene_in_time_stops_the_stage_if_told_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_params(osm={"provider": "pbf", "path": "town.osm.pbf", "date": "2019-01-01"})
    write_scene()
    paths.item("town").write_text('{"properties": {"datetime": "2023-06-14T10:26:00Z"}}')
    left, _, _, top = GRID.bounds
    write_extract(left, top - 200, left + 400, top)
    stages.osm.main()
    assert "OpenStreetMap is of 2019-01-01 and the scene of 2023-06-14: 53 months" in caplog.text
    assert osm.load_features(paths.osm("town")).attrs["snapshot"] == "2019-01-01T00:00:00Z"
    paths.osm("town").unlink()
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("fail_on_gap: false", "fail_on_gap: true"))
    assert "53 months, more than osm.max_gap_months (6)" in refusal(stages.osm)
    assert not paths.osm("town").exists()
