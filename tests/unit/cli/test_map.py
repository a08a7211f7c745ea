"""The verb map: what is written where, what is printed, and what is refused."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.unit.workflows.painted import grid, painted, town, write_image
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.io import cog

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "town.tif", grid())


def run(*words):
    execute(["map", *map(str, words)])


def written(folder):
    return {path.name for path in folder.iterdir() if path.suffix not in {".json", ".qml", ".xml"}}


def test_json_is_all_that_is_printed(model, image, capsys, tmp_path):
    run(image, "out", "--model", model, "--json")
    (found,) = json.loads(capsys.readouterr().out)
    assert found["folder"] == "out"
    assert found["crs"] == "EPSG:32640"
    assert found["areas_ha"]["building"] == pytest.approx((town() == 0).sum() / 1e4)
    assert set(found["files"]) == {path.name for path in (tmp_path / "out").iterdir()} - {".urbanseg.json"}
    assert found["warnings"] == []


def test_without_json_nothing_is_printed(model, image, capsys):
    run(image, "out", "--model", model)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ([], {"classes.tif", "confidence.tif", "map.gpkg", "map.parquet", "map.qgz", "report.html"}),
        (["--only", "classes,confidence,preview"], {"classes.tif", "confidence.tif", "preview.png"}),
        (["--only", "gpkg"], {"map.gpkg"}),
        (["--only", "project,classes"], {"map.qgz", "classes.tif"}),
        (
            ["--only", "report", "--formats", "fgb, shapefile"],
            {"report.html", "map.fgb", "map_shapefile.zip"},
        ),
    ],
)
def test_what_is_asked_for_is_written_and_no_more(model, image, tmp_path, options, files):
    run(image, "out", "--model", model, *options)
    assert written(tmp_path / "out") == files


def test_several_images_get_a_folder_each_and_options_may_stand_between(model, tmp_path):
    for name in ("a/town.tif", "b/town.tif", "b/lake.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    write_image(tmp_path / "a/town.tif", grid())
    write_image(tmp_path / "b/town.tif", grid(2))
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("b/lake.png")
    run("a/town.tif", "--model", model, "b", "--only", "classes", "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"town.tif_1", "town.tif_2", "lake"}
    assert written(tmp_path / "out/lake") == {"classes.tif"}


def test_no_image_takes_the_folder_of_another(model, tmp_path):
    (tmp_path / "a").mkdir()
    names = ["town.tif", "a/town.tif", "town.tif_1.tif"]
    for name in names:
        write_image(tmp_path / name, grid())
    run(*names, "out", "--model", model, "--only", "classes")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"town.tif_1", "town.tif_2", "town.tif_3"}


def test_small_areas_are_said_with_the_digits_that_they_have(model, image, caplog):
    with caplog.at_level("INFO"):
        run(image, "out", "--model", model, "--only", "classes")
    assert f"building {(town() == 0).sum() / 1e4:.2g}" in caplog.messages[-1]


def test_a_photo_is_told_of_no_placeholder_that_its_map_does_not_get(model, caplog):
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("photo.png")
    run("photo.png", "out", "--model", model, "--only", "classes")
    assert "so the map has no coordinate reference system" in caplog.text
    assert "placeholder" not in caplog.text


def test_one_image_of_a_folder_gets_a_folder_of_its_own(model, tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in/town.tif", grid())
    run("in", "out", "--model", model, "--only", "classes")
    assert (tmp_path / "out/town/classes.tif").exists()


def test_the_other_images_are_mapped_where_some_fail(model, image, tmp_path, capsys):
    (tmp_path / "broken.tif").write_bytes(b"no image")
    (tmp_path / "empty.tif").write_bytes(b"")
    with pytest.raises(
        PipelineError,
        match=r"^2 of 3 images could not be mapped \(broken\.tif, empty\.tif\); the first: brok",
    ):
        run("broken.tif", image, "empty.tif", "out", "--model", model, "--only", "classes", "--json")
    found = {each["image"]: each for each in json.loads(capsys.readouterr().out)}
    assert [name for name, each in found.items() if "error" in each] == ["broken.tif", "empty.tif"]
    assert "classes.tif" in found["town"]["files"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["town"]


@pytest.mark.parametrize("names", [["a.tif"], ["a.tif", "b.tif"]])
@pytest.mark.parametrize("made", [(), ("deep",), ("deep", "deep/out")])
def test_where_all_fail_no_folder_is_left_but_those_that_were_there(model, tmp_path, names, made):
    for name in names:
        (tmp_path / name).write_bytes(b"no image")
    for folder in made:
        (tmp_path / folder).mkdir()
    with pytest.raises(PipelineError, match=r"a\.tif"):
        run(*names, "deep/out", "--model", model)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_dir()} == {*made}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["out"], "only out is named; name the image"),
        (["town.tif", "out", "--only", "classes,maps"], "--only names maps; it takes classes, confidence"),
        (["town.tif", "out", "--only", ","], "--only names nothing"),
        (["town.tif", "out", "--formats", "dwg"], "--formats names dwg; it takes gpkg, fgb"),
        (["town.tif", "out", "--dates", "2023-01-01/2023-02-01"], "--dates is for --place and --bbox"),
        (["town.tif", "out", "--place", "Ghent"], "stand instead of images, but town.tif is given"),
        (["out", "--bbox", "1,2,3"], "--bbox must be four numbers"),
        (["out", "--place", " "], "--place is empty"),
        (["out", "--bbox", "9,48,9.1,48.1", "--place", "Ghent"], "not allowed with argument"),
        (["empty", "out"], "empty holds no image"),
        (["absent.tif", "out"], "absent.tif"),
        (["town.tif", "town.tif"], "town.tif is a file, where a folder is to be written"),
    ],
)
@pytest.mark.usefixtures("image")
def test_a_wrong_call_is_one_sentence(model, tmp_path, words, sentence):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PipelineError, match=re.escape(sentence)):
        run(*words, "--model", model)
    assert not (tmp_path / "out").exists()


def test_files_of_somebody_else_are_kept_unless_overwritten(model, image, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match=r"out holds thesis\.txt"):
        run(image, "out", "--model", model)
    run(image, "out", "--model", model, "--overwrite", "--only", "classes")
    assert written(tmp_path / "out") == {"thesis.txt", "classes.tif"}
    assert (tmp_path / "out/thesis.txt").read_text() == "mine"


def test_warnings_stand_in_the_report_and_the_summary_without_folders(model, tmp_path, capsys):
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("photo.png")
    run(tmp_path / "photo.png", "out", "--model", model, "--json")
    (found,) = json.loads(capsys.readouterr().out)
    page = (tmp_path / "out/report.html").read_text()
    assert len(found["warnings"]) == 2
    assert all(warning in page for warning in found["warnings"])
    assert str(tmp_path) not in page
    assert found["areas_px"]["water"] == (town() == 2).sum()


@pytest.mark.parametrize("side", ["0", "-3", "nan", "inf"])
def test_a_pixel_size_that_is_no_length_is_refused(model, image, side):
    with pytest.raises(PipelineError, match="--pixel-m must be a number of metres above 0, got"):
        run(image, "out", "--model", model, "--pixel-m", side)


def test_a_pixel_size_that_the_image_knows_better_is_told_of(model, image, capsys):
    run(image, "out", "--model", model, "--json", "--pixel-m", "30", "--only", "classes")
    (found,) = json.loads(capsys.readouterr().out)
    assert found["pixel_m"] == 1
    assert found["warnings"] == ["it says itself how large its pixels are, so --pixel-m is not used"]


def test_a_pixel_size_that_is_given_makes_hectares(model, capsys):
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("photo.png")
    run("photo.png", "out", "--model", model, "--json", "--pixel-m", "0.5")
    (found,) = json.loads(capsys.readouterr().out)
    assert found["areas_ha"]["water"] == pytest.approx((town() == 2).sum() / 4e4)
    assert found["crs"] is None
    assert found["roads_m"] == pytest.approx(64, abs=4)


def test_bands_in_a_file_each_are_one_image_with_its_mask(model, tmp_path, capsys):
    for name, band in zip(("B04", "B03", "B02"), painted(town()), strict=True):
        write_bands(tmp_path / f"scene_{name}.tif", band)
    scl = np.full(town().shape, 4, np.uint8)
    scl[:, :40] = 9  # cloud
    write_bands(tmp_path / "scene_SCL.tif", scl)
    files = sorted(tmp_path.glob("*.tif"))
    run(*files, "out", "--model", model, "--json")
    (found,) = json.loads(capsys.readouterr().out)
    assert found["image"] == "scene"
    assert found["unknown_ha"] >= 40 * 96 / 1e4
    assert found["areas_ha"]["water"] == pytest.approx((town() == 2).sum() / 1e4)


def write_bands(path, band):
    with cog.writing(path, grid(), dtype="uint8") as out:
        out.write(band)


IMPORTED = """
import sys
from urbanseg.cli.main import execute
execute(sys.argv[1:])
heavy = {"torch", "matplotlib", "pystac", "lightning", "segmentation_models_pytorch", "albumentations"}
print(sorted(heavy & set(sys.modules)))
"""


def test_an_exported_model_needs_neither_torch_nor_the_extras(model, image, tmp_path):
    words = ["map", str(image), "out", "--model", str(model)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_importing_the_package_imports_nothing_large():
    code = "import sys, urbanseg; print([m for m in sys.modules if m.startswith(('urbanseg.', 'numpy'))])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
