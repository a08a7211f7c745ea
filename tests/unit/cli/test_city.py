"""Cities are added, listed and removed, and nothing else in params.yaml changes."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg.cli.main import execute
from urbanseg.config.params import load
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog

TEXT = (ROOT / "params.yaml").read_text()
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)


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


def test_an_image_in_degrees_is_taken_and_what_becomes_of_it_is_said(file, capsys):
    degrees = Grid(CRS.from_epsg(4326), Affine(1e-4, 0, 9, 0, -1e-4, 48), 60, 80)
    with cog.writing(file.parent / "d.tif", degrees, dtype="uint8", count=3) as out:
        out.write(np.ones((3, *degrees.shape), np.uint8))
    execute(["city", "add", "d", "--image", "d.tif"])
    assert load(file).cities["d"].scene.bands == {"band1": 1, "band2": 2, "band3": 3}
    assert "warped to the UTM zone of its centre" in capsys.readouterr().out


def test_labels_of_a_raster_and_of_vectors_name_their_classes(file):
    image(file.parent / "a.tif")
    image(
        file.parent / "l.tif",
        descriptions=("",),
        values=np.resize([0, 3, 255], (1, *GRID.shape)).astype(np.uint8),
    )
    frame = gpd.GeoDataFrame(
        {"Class": ["Water", "road", "road"]},
        geometry=[shapely.box(i, 0, i + 1, 1) for i in range(3)],
        crs=32632,
    )
    frame.to_file(file.parent / "l.gpkg")
    execute(["city", "add", "a", "--image", "a.tif", "--labels", "l.tif"])
    execute(["city", "add", "b", "--image", "a.tif", "--labels", "l.gpkg"])
    cities = load(file).cities
    assert cities["a"].labels.remap == {0: "other", 3: "vegetation", 255: "ignore"}
    assert cities["b"].labels.classes == {"Water": "water", "road": "road"}
    assert cities["b"].labels.attribute == "Class"


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
        (["x", "--image", "none.tif"], r"none\.tif does not exist"),
        (["x", "--image", "nowhere.tif"], "has no coordinate reference system"),
        (["x", "--image", "a.tif", "--labels", "other.tif"], "holds 17, which are no numbers of classes"),
        (["x", "--image", "a.tif", "--labels", "l.geojson"], "has the columns kind; say with --attribute"),
        (
            ["x", "--image", "a.tif", "--labels", "l.geojson", "--attribute", "kind"],
            "kind holds moor, which are no",
        ),
        (["x", "--bbox", "1,2,3,4", "--dates", "May"], "must be a first and a last day"),
        (["x"], "one of the arguments --place --bbox --image is required"),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_changes_nothing(file, words, sentence):
    image(file.parent / "a.tif")
    image(file.parent / "other.tif", descriptions=("",), values=np.full((1, *GRID.shape), 17, np.uint8))
    shape = {"type": "Point", "coordinates": [1, 2]}
    features = [{"type": "Feature", "properties": {"kind": "moor"}, "geometry": shape}]
    (file.parent / "l.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (file.parent / "nowhere.tif").write_bytes(_placeless(file.parent / "p.tif"))
    with pytest.raises(PipelineError, match=sentence):
        execute(["city", "add", *words])
    assert file.read_text() == TEXT


def _placeless(path):
    from PIL import Image  # noqa: PLC0415

    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path.read_bytes()


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
