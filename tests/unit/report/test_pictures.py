import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.display.stretch import MIDTONE
from urbanseg.report import pictures

TABLE = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "bare_soil", "#e67e22")))


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_classes_have_their_colours_and_what_is_ignored_or_unknown_is_transparent() -> None:
    picture = pictures.colorize(np.array([[0, 1], [IGNORE, 7]], dtype=np.uint8), TABLE)
    assert picture.rgba.tolist() == [
        [[189, 195, 199, 255], [230, 126, 34, 255]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
    ]
    assert picture.names[1] == "bare soil"


@given(
    hnp.arrays(np.uint16, (3, 12, 9), elements=st.integers(0, 12000)),
    hnp.arrays(np.bool_, (12, 9)),
)
def test_the_stretch_never_swaps_dark_and_bright(bands: np.ndarray, valid: np.ndarray) -> None:
    picture = pictures.true_color(bands, valid)
    for band, shown in zip(bands, picture.transpose(2, 0, 1), strict=True):
        order = np.argsort(band[valid], kind="stable")
        assert (np.diff(shown[valid][order].astype(int)) >= 0).all()
    assert (picture[~valid] == pictures.NODATA_RGB).all()


def test_the_stretch_ignores_nodata_and_a_few_extreme_pixels() -> None:
    rng = np.random.default_rng(0)
    bands = rng.uniform(1000, 2000, (3, 100, 100)).astype(np.float32)
    valid = np.ones((100, 100), dtype=bool)
    plain = pictures.true_color(bands, valid)
    bands[:, 0, :50] = 60000
    bands[:, 1] = np.nan
    bands[:, 2] = 0
    valid[2] = False
    disturbed = pictures.true_color(bands, valid)
    assert np.abs(disturbed[3:].astype(int) - plain[3:]).max() <= 8
    assert (disturbed[1:3] == pictures.NODATA_RGB).all()


def test_the_stretch_takes_the_full_range_and_keeps_the_hue() -> None:
    ramp = np.linspace(0, 1000, 10_000).reshape(100, 100)
    picture = pictures.true_color(np.stack([ramp, ramp / 2, ramp / 4]), np.ones(ramp.shape, dtype=bool))
    assert picture[..., 0].min() == 0
    assert picture[..., 0].max() == 255
    red, green, blue = picture[50, 50].tolist()
    assert red / green == pytest.approx(green / blue, rel=0.1)
    assert red > 1.3 * green


def test_a_dark_scene_is_lifted_to_the_middle_and_a_bright_one_left_alone() -> None:
    rng = np.random.default_rng(0)
    valid = np.ones((100, 100), dtype=bool)
    reflectance = rng.gamma(2, 300, (3, 100, 100))
    assert np.median(pictures.true_color(reflectance, valid)) == pytest.approx(MIDTONE * 255, abs=2)
    even = np.linspace(0, 255, 10_000).reshape(1, 100, 100)
    assert np.median(pictures.true_color(even, valid)) == pytest.approx(127.5, abs=1)


def test_a_cloud_off_the_ground_does_not_darken_the_ground() -> None:
    rng = np.random.default_rng(0)
    bands = rng.uniform(1000, 2000, (3, 100, 100))
    ground = np.ones((100, 100), dtype=bool)
    plain = pictures.true_color(bands, ground)
    bands[:, :10], ground[:10] = 9000, False
    cloudy = pictures.true_color(bands, np.ones_like(ground), ground)
    assert np.abs(cloudy[10:].astype(int) - plain[10:]).max() <= 4
    assert (cloudy[:10] == 255).all()


@pytest.mark.parametrize("value", [0, 65535])
def test_a_constant_scene_is_middle_grey(value: int) -> None:
    picture = pictures.true_color(np.full((1, 4, 5), value, np.uint16), np.ones((4, 5), dtype=bool))
    assert picture.shape == (4, 5, 3)
    assert (picture == 128).all()


def test_errors_tell_right_from_wrong_inside_and_outside_the_test_blocks() -> None:
    reference = np.array([[1, 1, 1, 1, IGNORE, 1]], dtype=np.uint8)
    prediction = np.array([[1, 0, 1, 0, 1, IGNORE]], dtype=np.uint8)
    split = np.array([[2, 2, 0, 1, 2, 2]], dtype=np.uint8)
    picture = pictures.errors(reference, prediction, split)
    said = [picture.names[code] for code in picture.index[0]]
    assert said == [
        "right",
        "wrong",
        "right, outside the test",
        "wrong, outside the test",
        "not compared",
        "not compared",
    ]
    assert picture.rgba[0, 4, 3] == 0


def test_confidence_is_named_to_within_one_per_cent_and_nodata_is_transparent() -> None:
    picture = pictures.confidence(np.arange(256, dtype=np.uint8)[np.newaxis])
    for value in range(255):
        shown = int(picture.names[picture.index[0, value]].removesuffix(" %"))
        assert abs(shown - 100 * value / 254) <= 1
    assert picture.rgba[0, 255, 3] == 0
    assert len(set(picture.colors)) == len(picture.colors)


def test_an_overlay_shows_the_base_where_the_top_is_transparent() -> None:
    base = np.full((1, 2, 3), 100, dtype=np.uint8)
    top = pictures.colorize(np.array([[1, IGNORE]], dtype=np.uint8), TABLE)
    assert pictures.overlay(base, top, 0.5).tolist() == [[[165, 113, 67], [100, 100, 100]]]
    assert pictures.overlay(base, top, 1)[0, 0].tolist() == [230, 126, 34]


def test_a_png_holds_the_exact_colours_and_nothing_else() -> None:
    picture = pictures.colorize(np.array([[0, 1, IGNORE]], dtype=np.uint8), TABLE)
    image = decoded(pictures.png(picture))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image.convert("RGBA")), picture.rgba)
    assert set(image.info) <= {"transparency"}


def test_equal_pictures_give_equal_bytes() -> None:
    scene = np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    classes = pictures.colorize(scene[..., 0] % 2, TABLE)
    for encode, picture in [(pictures.png, scene), (pictures.webp, scene), (pictures.png, classes)]:
        assert encode(picture) == encode(picture)
    assert np.array_equal(np.asarray(decoded(pictures.png(scene))), scene)


def test_a_sheet_shows_its_panels_side_by_side_over_the_legend() -> None:
    panels = [("left", np.full((30, 40, 3), 10, np.uint8)), ("right", np.full((30, 40, 3), 200, np.uint8))]
    legend = pictures.colorize(np.zeros((1, 1), np.uint8), TABLE)
    sheet = pictures.sheet(panels, legend, width=80, gap=10)
    assert sheet.shape[1] == 2 * 80 + 3 * 10
    assert sheet[60, 50].tolist() == [10, 10, 10]
    assert sheet[60, 140].tolist() == [200, 200, 200]
    strip = sheet[-34:].reshape(-1, 3)
    assert all((strip == c.rgb).all(axis=1).any() for c in TABLE)
