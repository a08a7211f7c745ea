"""The model that maps an image: chosen by its bands and pixels, or named, or the project's own."""

import logging
import re

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp

import urbanseg
from tests.unit.workflows.model_input.conftest import write
from tests.unit.workflows.painted import RGB, grid, painted, ship, town, write_image, write_model
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.packed import registry
from urbanseg.workflows.map_model import Models
from urbanseg.workflows.map_result import Wishes
from urbanseg.workflows.model_input.sources import gather

S2 = ["blue", "green", "red", "nir"]
PIXELS = painted(town())
FOUR = np.concatenate([PIXELS, PIXELS[:1]])


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """Two models ship; the folder is no project."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("URBANSEG_HOME", str(tmp_path / "home"))
    ship(registry.WEIGHTS, "s2", S2, [7, 15])
    ship(registry.WEIGHTS, "aerial", RGB, [0.3, 1], resolution_m=0.5)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def chosen(tmp_path, **wishes):
    found = gather([tmp_path / "work"], numbered="bands" in wishes)
    assert len(found) == 1
    return Models().for_image(found[0], Wishes(**wishes)).name


COLORS = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
OTHERS = {"alpha": [*COLORS, ColorInterp.alpha], "none": [*COLORS, ColorInterp.undefined]}


@pytest.mark.parametrize(
    ("name", "pixels", "more", "model"),
    [
        ("a.tif", FOUR.astype("uint16"), {"names": ["B02", "B03", "B04", "B08"]}, "s2"),
        ("a.tif", FOUR.astype("uint16"), {"names": ["B2", "B3", "B4", "B8A"], "pixel": 20}, "s2"),
        ("a.tif", FOUR.astype("float32"), {"names": ["red", "nir", "blue", "green"], "pixel": 10}, "s2"),
        ("m_4709963_se_14_1_20200831.tif", FOUR, {"pixel": 0.6}, "aerial"),
        ("a.tif", PIXELS, {"pixel": 0.5}, "aerial"),
        ("a.tif", PIXELS, {"crs": None, "transform": Affine.identity()}, "aerial"),
        ("a.tif", PIXELS, {"crs": "EPSG:4326", "transform": Affine(4e-6, 0, 9, 0, -4e-6, 48)}, "aerial"),
        ("a.tif", FOUR, {"pixel": 0.5, "colors": OTHERS["alpha"]}, "aerial"),
        ("a.tif", FOUR, {"pixel": 0.5, "colors": OTHERS["none"]}, "aerial"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_model_is_chosen_by_what_the_image_is(tmp_path, name, pixels, more, model):
    write(tmp_path / "work" / name, pixels, **more)
    assert chosen(tmp_path) == f"{model}@1.0"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("dtype", "model"), [("uint8", "aerial"), ("uint16", "s2")])
def test_a_photo_of_8_bits_gets_no_model_of_reflectance_while_another_fits(tmp_path, dtype, model):
    ship(registry.WEIGHTS, "aerial-8", RGB, [0.3, 1], units="uint8")
    ship(registry.WEIGHTS, "s2", S2, [7, 15], version="2.0", units="reflectance_10000")
    names = {"names": ["red", "green", "blue", "nir"], "crs": None, "transform": Affine.identity()}
    write(tmp_path / "work/a.tif", FOUR.astype(dtype), **names)
    assert chosen(tmp_path).partition("@")[0].removesuffix("-8") == model


def test_bands_in_a_file_each_choose_by_their_names(tmp_path):
    for name, band in zip(("B02", "B03", "B04", "B08"), FOUR, strict=True):
        write(tmp_path / "work" / f"{name}.tif", band[None].astype("uint16"))
    assert chosen(tmp_path) == "s2@1.0"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bands_and_pixels_that_are_said_count(tmp_path):
    write(tmp_path / "work/a.tif", FOUR.astype("uint16"), crs=None, transform=Affine.identity())
    assert chosen(tmp_path, bands="blue=1,green=2,red=3,nir=4", pixel_m=10) == "s2@1.0"
    assert chosen(tmp_path, bands="blue=1,green=2,red=3", pixel_m=0.4) == "aerial@1.0"


@pytest.mark.parametrize(
    ("pixels", "more", "sentence"),
    [
        (
            PIXELS,
            {},
            r"pixels of 10 m \(aerial needs red, green, blue in 0\.3 to 1 m; s2 needs blue, .*--bands",
        ),
        (FOUR.astype("uint16"), {}, r"bands without names and pixels of 10 m \(aerial needs .*--bands"),
        (FOUR, {"names": ["red", "green", "blue", "nir"], "pixel": 100}, r"pixels of 100 m .*s2 needs"),
        (PIXELS[:1], {}, "has a single band .*, but aerial needs red, green, blue and s2 needs"),
    ],
)
def test_where_none_fits_one_sentence_names_the_image_and_what_each_needs(tmp_path, pixels, more, sentence):
    write(tmp_path / "work/a.tif", pixels, **more)
    with pytest.raises(PipelineError, match=rf"a\.tif\b.*{sentence}") as caught:
        chosen(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_choice_is_said_with_its_reason_and_how_to_take_another(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write_image(tmp_path / "work/town.tif", grid(0.5))
    found = urbanseg.map_image("town.tif")
    np.testing.assert_array_equal(found.classes, town())
    (said,) = [line for line in caplog.messages if "mapped by" in line]
    assert said == (
        "town.tif: mapped by aerial@1.0 (The aerial), which fits the bands red, green, blue and pixels of "
        "0.5 m; --model takes another"
    )


def test_pixels_of_unknown_size_are_said_to_be_taken_for_those_of_the_model(tmp_path):
    Image.fromarray(PIXELS.transpose(1, 2, 0)).save("photo.png")
    found = urbanseg.map_image("photo.png", "out")
    assert any("the model takes them for 0.5 m (--pixel-m says it)" in warning for warning in found.warnings)
    assert "the model takes them for 0.5 m" in (tmp_path / "work/out/report.html").read_text()
    assert not any(
        "takes them" in warning for warning in urbanseg.map_image("photo.png", pixel_m=0.4).warnings
    )


def test_in_a_project_the_shipped_model_is_the_default_and_its_own_has_a_short_name(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    own = write_model(tmp_path / "work/models/segmenter")
    write_image(tmp_path / "work/town.tif", grid(0.5))
    (image,) = gather([tmp_path / "work/town.tif"])
    assert Models().for_image(image, Wishes()).name == "aerial@1.0"
    assert "such as project for models/segmenter" in caplog.text
    for name in ("project", "models/segmenter", own):
        assert Models(name).for_image(image, Wishes()).name == "segmenter"
    write_image(tmp_path / "work/town.tif", grid(100))
    with pytest.raises(PipelineError, match=r"no model fits .*--model project takes the one of this project"):
        Models().for_image(image, Wishes())


def test_without_a_project_its_short_name_is_one_sentence():
    with pytest.raises(PipelineError, match=re.escape("models/segmenter")) as caught:
        Models("project")
    assert "\n" not in str(caught.value)


def test_each_of_several_images_gets_its_own_model(tmp_path):
    write_image(tmp_path / "work/town.tif", grid(0.5))
    write(tmp_path / "work/s2.tif", FOUR[[2, 1, 0, 3]].astype("uint16") * 10, ["B02", "B03", "B04", "B08"])
    execute(["map", "town.tif", "s2.tif", "out", "--only", "classes,item", "--force", "--scale", "1"])
    items = [(tmp_path / f"work/out/{name}/item.json").read_text() for name in ("town", "s2")]
    assert '"model:name": "aerial@1.0"' in items[0]
    assert '"model:name": "s2@1.0"' in items[1]
    with rasterio.open(tmp_path / "work/out/town/classes.tif") as classes:
        np.testing.assert_array_equal(classes.read(1), town())
