"""Image folders: found by pattern, split by the data set's own lists, laid on a sheet."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.folder import FolderScene, SplitLists
from urbanseg.config.labels import MaskLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS
from urbanseg.imagery.local import image_folder
from urbanseg.io import image_sheet
from urbanseg.labels import masks

CLASSES = ClassTable(
    tuple(LandClass(i, name, "#808080") for i, name in enumerate(["other", "building", "water"]))
)


def sizes_of(files: dict[str, Path]) -> dict[str, tuple[int, int]]:
    found = {}
    for name, path in files.items():
        with Image.open(path) as image:
            found[name] = image.size[::-1]
    return found


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{name}_sat.jpg", ["1", "22"]),  # DeepGlobe
        ("{name}_mask.png", ["1", "22"]),
        ("{area}/images/{part}.jpg", ["tile1/a", "tile1/b", "tile2/a"]),
        ("{area}/{area}_{part}.tif", ["x/0"]),
    ],
)
def test_images_are_named_by_the_fields_of_a_pattern(tmp_path: Path, pattern: str, names: list[str]) -> None:
    touch(tmp_path, "1_sat.jpg", "1_mask.png", "22_sat.jpg", "22_mask.png")
    touch(tmp_path, "tile1/images/a.jpg", "tile1/images/b.jpg", "tile2/images/a.jpg", "tile1/masks/a.png")
    touch(tmp_path, "x/x_0.tif", "x/y_1.tif")
    assert list(image_sheet.find(f"{tmp_path}/{pattern}")) == names


def test_a_pattern_that_fits_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no file fits the pattern .*\{a\}.tif"):
        image_sheet.find(f"{tmp_path}/{{a}}.tif")


def test_lists_name_images_or_folders_of_them() -> None:
    names = ["t1/a", "t1/b", "t10/a", "t2/a", "t3/a"]
    made = image_sheet.split(names, {"train": None, "val": ["t1/b"], "test": ["t10", "t2"]})
    assert made == {"t1/a": "train", "t1/b": "val", "t10/a": "test", "t2/a": "test", "t3/a": "train"}
    made = image_sheet.split(names, {"train": ["t1/a"], "val": ["t1/b"], "test": ["t2"]})
    assert made == {"t1/a": "train", "t1/b": "val", "t2/a": "test"}
    made = image_sheet.split(names, {"train": [], "val": [], "test": ["t1"]})
    assert made == {"t1/a": "test", "t1/b": "test"}


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ({"train": None, "val": ["c"], "test": ["a"]}, "the val list names c, but there is no such image"),
        ({"train": None, "val": ["a"], "test": ["a"]}, "a is in two splits, val and test"),
        ({"train": None, "val": ["a"], "test": ["b"]}, "no image is in the split train"),
    ],
)
def test_lists_that_do_not_fit_are_one_sentence(lists: dict, sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence):
        image_sheet.split(["a", "b"], lists)


sizes = st.tuples(st.integers(1, 300), st.integers(1, 400))


@given(st.lists(sizes, min_size=1, max_size=30))
def test_images_on_the_sheet_keep_their_distance(shapes: list[tuple[int, int]]) -> None:
    named = {f"{i:02}": shape for i, shape in enumerate(shapes)}
    laid = image_sheet.lay_out(named, dict.fromkeys(named, "train"))
    grid = image_sheet.sheet(laid, 0.5)
    assert [picture.name for picture in laid] == list(named)
    assert [picture.window[2:] for picture in laid] == shapes
    for a, b in combinations((picture.window for picture in laid), 2):
        rows = max(a.row, b.row) - min(a.row + a.height, b.row + b.height)
        cols = max(a.col, b.col) - min(a.col + a.width, b.col + b.width)
        assert max(rows, cols) >= image_sheet.GUTTER
    assert all(
        w.row + w.height <= grid.height and w.col + w.width <= grid.width for *_, w in map(vars_of, laid)
    )
    assert grid.is_metric
    assert image_sheet.from_table(image_sheet.to_table(laid)) == laid
    assert image_sheet.split_values(laid) == [SPLITS.index("train")] * len(laid)


def vars_of(picture: image_sheet.SheetImage) -> tuple:
    return picture.name, picture.split, picture.window


def save(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels, "P" if palette else None)
    if palette:
        picture.putpalette(palette)
    picture.save(path)


RED, BLUE, PINK = (200, 0, 10), (0, 0, 255), (255, 0, 255)
TABLE = {"#c8000a": "building", "#0000ff": "water", "#000000": "ignore"}
WANTED = [[1, 2, IGNORE], [IGNORE, 1, 1]]


def source(remap: dict[Any, str]) -> MaskLabels:
    return MaskLabels(source="masks", masks="{name}.png", remap=remap, max_unknown_share=1)


def test_masks_are_read_by_colour_by_palette_and_by_value(tmp_path: Path) -> None:
    colors = np.array([[RED, BLUE, PINK], [(0, 0, 0), RED, RED]], np.uint8)
    save(tmp_path / "a.png", colors)
    save(tmp_path / "b.png", np.array([[1, 2, 3], [0, 1, 1]], np.uint8), [0, 0, 0, *RED, *BLUE, *PINK])
    save(tmp_path / "c.png", np.array([[1, 2, 3], [0, 1, 1]], np.uint8))
    files = image_sheet.find(f"{tmp_path}/{{name}}.png")
    laid = image_sheet.lay_out(sizes_of(files), dict.fromkeys(files, "train"))
    made = {window: values.tolist() for window, values in masks(laid[:2], files, source(TABLE), CLASSES)}
    assert made == {laid[0].window: WANTED, laid[1].window: WANTED}
    by_value = {1: "building", 2: "water"}
    assert [values.tolist() for _, values in masks(laid[2:], files, source(by_value), CLASSES)] == [WANTED]
    with pytest.raises(PipelineError, match=r"c.png has no colours; let remap have pixel values as keys"):
        list(masks(laid[2:], files, source(TABLE), CLASSES))


def test_masks_that_do_not_fit_their_images_are_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    files = image_sheet.find(f"{tmp_path}/{{name}}.png")
    laid = image_sheet.lay_out({"a": (4, 6)}, {"a": "train"})
    with pytest.raises(PipelineError, match=r"a.png has 5 × 4 pixels, but its image has 6 × 4"):
        list(masks(laid, files, source({0: "other"}), CLASSES))
    with pytest.raises(PipelineError, match="the image a has no mask"):
        list(masks(laid, {}, source({0: "other"}), CLASSES))
    (tmp_path / "a.png").write_bytes(b"PNG")
    with pytest.raises(PipelineError, match=r"a.png is missing, damaged or no image"):
        list(masks(laid, files, source({0: "other"}), CLASSES))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_under_values_as_keys_are_named_and_grey_is_none(tmp_path: Path, mode: str) -> None:
    pixels = np.full((4, 5, len(mode)), 1, np.uint8)
    pixels[..., 3:] = 255
    save(tmp_path / "a.png", pixels)
    pixels[0, 0, 1] = 9
    save(tmp_path / "b.png", pixels)
    files = image_sheet.find(f"{tmp_path}/{{name}}.png")
    laid = image_sheet.lay_out(sizes_of(files), dict.fromkeys(files, "train"))
    ((_, values),) = masks(laid[:1], files, source({1: "building"}), CLASSES)
    assert (values == 1).all()
    with pytest.raises(
        PipelineError, match=r"b.png has 3 bands, which are colours, but remap has pixel values"
    ):
        list(masks(laid[1:], files, source({1: "building"}), CLASSES))


def scene_of(root: Path, **about: object) -> FolderScene:
    lists = SplitLists(val=["b"], test=["c"])
    return FolderScene(
        provider="folder", images=f"{root}/{{name}}.png", bands={"grey": 1}, resolution_m=1, splits=lists
    ).model_copy(update=about)


def test_images_that_do_not_fit_each_other_are_one_sentence(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"{name}.png", np.full((4, 5), 7, np.uint8))
    other = scene_of(tmp_path, bands={"red": 3})
    laid, files = image_folder.plan(other)
    with pytest.raises(PipelineError, match=r"a.png has 1 bands, but bands asks for band 3"):
        image_folder.copy(laid, files, other, tmp_path / "out.tif", tmp_path / "scl.tif")
    laid, files = image_folder.plan(scene_of(tmp_path))
    save(tmp_path / "c.png", np.full((4, 5), 7, np.uint16))
    with pytest.raises(PipelineError, match=r"c.png holds uint16 values, but .*a.png uint8"):
        image_folder.copy(laid, files, scene_of(tmp_path), tmp_path / "out.tif", tmp_path / "scl.tif")
    assert not list(tmp_path.glob("*.tif"))


def test_a_list_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((4, 5), 7, np.uint8))
    lists = SplitLists(val=tmp_path / "val.txt", test=["a"])
    with pytest.raises(PipelineError, match=r"val.txt, the list of the split val, cannot be read"):
        image_folder.plan(scene_of(tmp_path, splits=lists))
