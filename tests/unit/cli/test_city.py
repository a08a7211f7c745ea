"""Cities are added, listed and removed, and nothing else in params.yaml changes."""

import json
import os
import subprocess
import sys

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg.cli.main import execute
from urbanseg.config.params import load
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog

TEXT = (ROOT / "params.yaml").read_text()
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)
PROFILE = {
    "driver": "GTiff", "dtype": "uint16", "count": 1, "height": 8, "width": 8, "crs": "EPSG:4326",
    "transform": Affine(0.001, 0, 9, 0, -0.001, 48),
}  # fmt: skip


@pytest.fixture
def file(tmp_path, monkeypatch):
    """params.yaml with comments and an order of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


def image(path, dtype=np.uint16, descriptions=("B02", "B03", "B04", "B08"), values=None):
    pixels = np.full((len(descriptions), *GRID.shape), 7, dtype) if values is None else values
    with cog.writing(
        path, GRID, dtype=pixels.dtype, count=len(pixels), descriptions=descriptions, nodata=255
    ) as out:
        out.write(pixels)


def added_lines(file):
    new = file.read_text().splitlines()
    old = TEXT.splitlines()
    at = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    count = len(new) - len(old)
    assert new[:at] + new[at + count :] == old, "something else has changed"
    return new[at : at + count]


def test_an_area_becomes_a_checked_entry_and_all_else_stays(file, capsys):
    execute(["city", "add", "pune", "--bbox", "73.7,18.4,73.95,18.65", "--role", "holdout"])
    assert added_lines(file)[0] == "  pune:"
    city = load(file).cities["pune"]
    assert (city.role, city.title, city.scene.area.bbox) == ("holdout", "Pune", (73.7, 18.4, 73.95, 18.65))
    said = capsys.readouterr().out
    assert "2658 × 2784 pixels of 10 m, 67 MB to download" in said
    assert "OpenStreetMap, from an Overpass server" in said


def test_a_place_that_cannot_be_looked_up_is_added_and_that_is_said(file, capsys, monkeypatch):
    monkeypatch.setattr(
        "urbanseg.imagery.sentinel2.area.find", lambda *_: (_ for _ in ()).throw(PipelineError("no network"))
    )
    execute(
        [
            "city",
            "add",
            "town",
            "--place",
            'Sankt "X": Ö',
            "--title",
            "Sankt X",
            "--dates",
            "2023-05-01/2023-06-01",
        ]
    )
    assert load(file).cities["town"].scene.area.place == 'Sankt "X": Ö'
    assert (
        "size: not known yet, because the place could not be looked up (no network)"
        in capsys.readouterr().out
    )


def test_an_image_is_described_and_its_bands_are_named(file, capsys):
    image(file.parent / "a.tif")
    execute(["city", "add", "mine", "--image", "a.tif"])
    city = load(file).cities["mine"]
    assert city.scene.bands == {"B02": 1, "B03": 2, "B04": 3, "B08": 4}
    assert str(city.inputs) == "a.tif"
    assert "uint16, EPSG:32632" in capsys.readouterr().out
    added_lines(file)


@pytest.fixture
def raw(file):
    """A folder with an image and labels of several kinds."""
    folder = file.parent / "raw"
    folder.mkdir()
    image(folder / "a.tif")
    values = np.resize([0, 3, 255], (1, *GRID.shape)).astype(np.uint8)
    image(folder / "l.tif", descriptions=("",), values=values)
    image(folder / "other.tif", descriptions=("",), values=np.full((1, *GRID.shape), 17, np.uint8))
    frame = gpd.GeoDataFrame(
        {"Class": ["Water", "road", "road"]},
        geometry=[shapely.box(i, 0, i + 1, 1) for i in range(3)],
        crs=32632,
    )
    frame.to_file(folder / "l.gpkg")
    frame.to_file(folder / "two.gpkg", layer="one")
    frame.to_file(folder / "two.gpkg", layer="two")
    frame.to_file(folder / "lost.shp")
    (folder / "lost.prj").unlink()
    shape = {"type": "Point", "coordinates": [1, 2]}
    features = [{"type": "Feature", "properties": {"kind": "moor"}, "geometry": shape}]
    (folder / "l.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "nowhere.png")
    with rasterio.open(folder / "complex.tif", "w", **PROFILE | {"dtype": "complex64"}) as out:
        out.write(np.ones((1, 8, 8), np.complex64))
    (folder / "text.tif").write_text("no raster")
    return folder


def test_labels_of_a_raster_and_of_vectors_name_their_classes(file, raw):  # noqa: ARG001
    execute(["city", "add", "a", "--image", "raw/a.tif", "--labels", "raw/l.tif"])
    execute(["city", "add", "b", "--image", "raw/a.tif", "--labels", "raw/l.gpkg"])
    cities = load(file).cities
    assert cities["a"].labels.remap == {0: "other", 3: "vegetation", 255: "ignore"}
    assert cities["b"].labels.classes == {"Water": "water", "road": "road"}
    assert cities["b"].labels.attribute == "Class"


def test_dvc_watches_the_labels_as_well_as_the_image(file, raw):  # noqa: ARG001
    execute(["city", "add", "a", "--image", "raw/a.tif", "--labels", "raw/l.tif"])
    assert str(load(file).cities["a"].inputs) == "raw"
    image(file.parent / "here.tif")
    with pytest.raises(PipelineError, match="lie in the project's folder, or above it"):
        execute(["city", "add", "b", "--image", "raw/a.tif", "--labels", "here.tif"])
    (file.parent / "far").mkdir()
    image(file.parent / "far/l.tif", descriptions=("",), values=np.zeros((1, *GRID.shape), np.uint8))
    with pytest.raises(PipelineError, match=r"raw/a\.tif and far/l\.tif lie in different folders"):
        execute(["city", "add", "b", "--image", "raw/a.tif", "--labels", "far/l.tif"])


def test_several_files_of_labels_are_layers_in_their_order(file, raw):  # noqa: ARG001
    execute(["city", "add", "a", "--image", "raw/a.tif", "--labels", "raw/l.gpkg", "raw/l.tif"])
    labels = load(file).cities["a"].labels
    assert [labels.sources[name].path.name for name in labels.layers] == ["l.gpkg", "l.tif"]


def test_an_image_in_degrees_is_accepted_as_the_pipeline_warps_it(file, capsys):
    with rasterio.open(file.parent / "degrees.tif", "w", **PROFILE) as out:
        out.write(np.ones((1, 8, 8), np.uint16))
    execute(["city", "add", "a", "--image", "degrees.tif"])
    said = capsys.readouterr().out
    assert "EPSG:32632, warped from EPSG:4326" in said
    assert load(file).cities["a"].scene.bands == {"band1": 1}


def test_files_are_named_from_the_folder_of_params_yaml(file, raw, monkeypatch):
    monkeypatch.chdir(raw)
    words = ["--image", "a.tif", "--labels", "l.tif", "--params", "../params.yaml"]
    execute(["city", "add", "a", *words])
    city = load(file).cities["a"]
    assert (str(city.scene.path), str(city.labels.path), str(city.inputs)) == (
        "raw/a.tif",
        "raw/l.tif",
        "raw",
    )


@pytest.mark.parametrize("words", [["--bbox", "-0.5,51.3,0.2,51.6"], ["--bbox=-0.5,51.3,0.2,51.6"]])
def test_a_box_in_the_west_is_no_option(file, words):
    execute(["city", "add", "london", *words])
    assert load(file).cities["london"].scene.area.bbox == (-0.5, 51.3, 0.2, 51.6)


def test_the_file_is_named_after_each_task(file, capsys):
    other = file.rename(file.parent / "other.yaml")
    execute(["city", "add", "x", "--bbox", "9,48,9.1,48.1", "--params", "other.yaml"])
    execute(["city", "list", "--params", "other.yaml"])
    assert "x      train    stac       osm     X" in capsys.readouterr().out
    execute(["city", "remove", "x", "--params", "other.yaml"])
    assert other.read_text() == TEXT


def test_line_ends_permissions_and_links_stay(file):
    lines = TEXT.replace("\n", "\r\n").encode()
    file.write_bytes(lines)
    file.chmod(0o640)
    real = file.rename(file.parent / "real.yaml")
    file.symlink_to("real.yaml")
    execute(["city", "add", "x", "--bbox", "9,48,9.1,48.1"])
    assert real.read_bytes().count(b"\n") == real.read_bytes().count(b"\r\n") > lines.count(b"\n")
    execute(["city", "remove", "x"])
    assert real.read_bytes() == lines
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640


def test_of_two_at_a_time_none_is_lost(file):
    command = [sys.executable, "-m", "urbanseg.cli", "city", "add"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([*command, f"c{i}", "--bbox", "9,48,9.1,48.1"], cwd=file.parent, env=environment)
        for i in range(2)
    ]
    added = [f"c{i}" for i, process in enumerate(running) if process.wait() == 0]
    assert added, "one at least finds the file free; on a busy machine another may give up waiting, in words"
    assert sorted(load(file).cities) == [*added, "demo", "oasis"]


def test_a_pipeline_edited_by_hand_stops_the_removal_before_anything_changes(file):
    (file.parent / "cities").mkdir()
    (file.parent / "cities/template.yaml").write_text((ROOT / "cities/template.yaml").read_text())
    execute(["city", "add", "x", "--bbox", "9,48,9.1,48.1"])
    before, made = file.read_text(), file.parent / "cities/x/dvc.yaml"
    made.write_text(made.read_text() + "# mine\n")
    with pytest.raises(PipelineError, match=r"cities/x/dvc\.yaml was edited by hand"):
        execute(["city", "remove", "x"])
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["demo", "--bbox", "1,2,3,4"], "there is a city demo already"),
        (["De mo", "--bbox", "1,2,3,4"], "a city can't be called 'De mo'"),
        (["export", "--bbox", "1,2,3,4"], "which is one of the reserved words"),
        (["x", "--bbox", "1,2,3"], "--bbox must be four numbers, west,south,east,north, got 1,2,3"),
        (["x", "--bbox", "3,2,1,4"], "west < east"),
        (["x", "--bbox", "170,2,190,4"], "between -180 and 180"),
        (["x", "--bbox", "0,0,20,20"], "more than 60000 on a side"),
        (["x", "--place", ""], "--place is empty"),
        (["x", "--image", "raw/none.tif"], r"none\.tif is no file"),
        (["x", "--image", "raw"], r"raw is no file"),
        (["x", "--image", "raw/text.tif"], r"text\.tif is not a raster"),
        (["x", "--image", "raw/nowhere.png"], "has no coordinate reference system"),
        (["x", "--image", "raw/complex.tif"], "holds complex64 values"),
        (["x", "--image", "raw/a.tif", "--dates", "2023-05-01/2023-06-01"], "leave it out with --image"),
        (["x", "--image", "raw/a.tif", "--attribute", "kind"], "--attribute is a column of --labels"),
        (["x", "--image", "raw/a.tif", "--labels", "raw/none.tif"], r"none\.tif is no file"),
        (["x", "--image", "raw/a.tif", "--labels", "raw/other.tif"], "holds 17, which are no numbers of cl"),
        (["x", "--image", "raw/a.tif", "--labels", "raw/nowhere.png"], "has no coordinate reference system"),
        (["x", "--image", "raw/a.tif", "--labels", "raw/lost.shp"], "has no coordinate reference system"),
        (["x", "--image", "raw/a.tif", "--labels", "raw/two.gpkg"], "has the layers one, two"),
        (
            ["x", "--image", "raw/a.tif", "--labels", "raw/text.tif"],
            "is not a vector file that GDAL can",
        ),
        (["x", "--image", "raw/a.tif", "--labels", "raw/l.geojson"], "has the columns kind; say with --attr"),
        (
            ["x", "--image", "raw/a.tif", "--labels", "raw/l.geojson", "--attribute", "kind"],
            "kind holds moor, which are no",
        ),
        (["x", "--bbox", "1,2,3,4", "--dates", "May"], "must be a first and a last day"),
        (["x"], "one of the arguments --place --bbox --image is required"),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_changes_nothing(file, raw, words, sentence):  # noqa: ARG001
    with pytest.raises(PipelineError, match=sentence):
        execute(["city", "add", *words])
    assert file.read_text() == TEXT


def test_cities_are_listed(file, capsys):  # noqa: ARG001
    execute(["city", "list"])
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["name", "role", "scene", "labels", "title"]
    assert rows[2] == "oasis  holdout  simulated  osm     Oasis (simulated)"


@pytest.mark.parametrize("name", ["demo", "oasis"])
def test_a_removed_city_leaves_the_others_as_they_are_written(file, name, capsys):
    (file.parent / "data/scene" / name).mkdir(parents=True)
    execute(["city", "remove", name])
    assert list(load(file).cities) == [city for city in ("demo", "oasis") if city != name]
    assert set(file.read_text().splitlines()) <= set(TEXT.splitlines())
    assert f"these stay and may be deleted by hand: data/scene/{name}" in capsys.readouterr().out


def test_adding_and_removing_is_the_same_file(file):
    execute(["city", "add", "x", "--bbox", "9,48,9.1,48.1"])
    execute(["city", "remove", "x"])
    assert file.read_text() == TEXT


def test_the_last_city_and_an_unknown_one_stay(file):  # noqa: ARG001
    with pytest.raises(PipelineError, match="there is no city 'x'; the cities are demo, oasis"):
        execute(["city", "remove", "x"])
    execute(["city", "remove", "demo"])
    with pytest.raises(PipelineError, match="oasis is the only city"):
        execute(["city", "remove", "oasis"])


def test_the_pipeline_of_a_city_comes_and_goes_with_it(file):
    (file.parent / "cities").mkdir()
    (file.parent / "cities/template.yaml").write_text((ROOT / "cities/template.yaml").read_text())
    execute(["city", "add", "x", "--bbox", "9,48,9.1,48.1"])
    made = file.parent / "cities/x/dvc.yaml"
    assert "python -m stages.scene x\n" in made.read_text()
    execute(["city", "remove", "x"])
    assert not made.exists()
