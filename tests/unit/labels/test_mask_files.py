"""Masks of images become classes, and what has none is named."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.labels import MaskLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io.image_sheet import SheetImage
from urbanseg.labels import mask_files

NAMES = ["other", "building", "water"]
CLASSES = ClassTable(tuple(LandClass(i, name, "#808080") for i, name in enumerate(NAMES)))
SHAPE = 16, 100
COLORS = {"#3C1098": "building", "#E2A929": "water"}


def labelled(path: Path, **params: Any) -> np.ndarray:
    image = SheetImage("a", "train", Window(0, 0, *SHAPE))
    source = MaskLabels(source="masks", masks="{name}.png", **params)
    ((_, made),) = mask_files.masks([image], {"a": path}, source, CLASSES)
    return made


def halves(left: Any, right: Any, cols: int = 50) -> np.ndarray:
    pixels = np.empty((*SHAPE, *np.shape(left)), np.uint8)
    pixels[:, :cols], pixels[:, cols:] = left, right
    return pixels


def write(path: Path, pixels: np.ndarray, **how: Any) -> Path:
    Image.fromarray(pixels).save(path, **how)
    return path


EXPECTED = halves(1, 2)


def test_masks_of_zero_and_255_are_refused_by_a_table_that_lacks_both(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", halves(0, 255, 75))
    with pytest.raises(PipelineError, match=r"a.png: 100.00% .* remap lacks: 0 \(75.00%\), 255 \(25.00%\)"):
        labelled(path, remap={1: "building"})
    with pytest.raises(PipelineError, match=r"75.00% .* remap lacks: 0 \(75.00%\); add them to remap"):
        labelled(path, remap={255: "building"})
    assert set(np.unique(labelled(path, remap={255: "building", 0: "ignore"}))) == {1, IGNORE}


def test_few_values_without_a_class_are_ignored_and_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.png", halves((0x3C, 0x10, 0x98), (0x9B, 0x9B, 0x9B), 95))
    with caplog.at_level(logging.WARNING):
        made = labelled(path, remap=COLORS)
    assert (made == halves(1, IGNORE, 95)).all()
    assert "a.png: 5.00% of the label pixels have values that remap lacks: #9b9b9b (5.00%)" in caplog.text
    with pytest.raises(PipelineError, match="raise color_tolerance, or raise max_unknown_share"):
        labelled(path, remap=COLORS, max_unknown_share=0.04)


@pytest.mark.parametrize("how", ["jpeg", "impure"])
def test_colours_near_those_of_the_table_are_theirs_within_the_tolerance(tmp_path: Path, how: str) -> None:
    pixels = halves((0x3C, 0x10, 0x98), (0xE2, 0xA9, 0x29))
    if how == "jpeg":
        path = write(tmp_path / "a.jpg", pixels, quality=80)
    else:
        path = write(
            tmp_path / "a.png", pixels ^ np.random.default_rng(0).integers(0, 8, pixels.shape, np.uint8)
        )
    with pytest.raises(PipelineError, match="values that remap lacks: #"):
        labelled(path, remap=COLORS)
    made = labelled(path, remap=COLORS, color_tolerance=60)
    assert (made != EXPECTED).mean() < 0.03
    assert (made == EXPECTED)[:, np.r_[:40, 60:100]].all()


def test_the_nearest_colour_within_the_tolerance_wins() -> None:
    known = [0x000000, 0x0A0000, 0xFFFFFF]
    colors = np.array([[0x000000, 0x040000, 0x060000, 0x050000, 0x0F0000, 0x180000, 0xF5FFFF]], np.uint32)
    made = mask_files.nearest(colors, known, 10)
    assert made.tolist() == [[0x000000, 0x000000, 0x0A0000, 0x000000, 0x0A0000, 0x180000, 0xFFFFFF]]
    assert mask_files.nearest(colors, known, 0).tolist() == colors.tolist()


def test_masks_in_colour_for_a_table_of_numbers_are_refused_unless_they_are_grey(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", halves((0x3C, 0x10, 0x98), (0xE2, 0xA9, 0x29)))
    with pytest.raises(PipelineError, match=r"a.png has 3 bands, which are colours, but remap has"):
        labelled(path, remap={1: "building"})
    path = write(tmp_path / "b.png", halves((1, 1, 1), (2, 2, 2)))
    assert (labelled(path, remap={1: "building", 2: "water"}) == EXPECTED).all()


def test_a_mask_that_is_missing_is_named_or_its_image_has_no_labels(
    caplog: pytest.LogCaptureFixture,
) -> None:
    image = SheetImage("a", "train", Window(0, 0, *SHAPE))
    source = MaskLabels(source="masks", masks="{name}.png", remap={1: "water"})
    with pytest.raises(PipelineError, match="the image a has no mask"):
        list(mask_files.masks([image], {}, source, CLASSES))
    skipping = source.model_copy(update={"skip_damaged": True})
    ((_, made),) = mask_files.masks([image], {}, skipping, CLASSES)
    assert (made == IGNORE).all()
    assert "the image a has no labels" in caplog.text
