"""What is kept of a training is made of its tiles, at the pixel sizes that the model is for."""

import json

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.grid import Grid
from urbanseg.infer import appearance
from urbanseg.io import cog
from urbanseg.model.spec import Spec
from urbanseg.workflows import training_statistics

SPEC = Spec(["red", "green"], [100.0, 100.0], [40.0, 40.0], ["other", "water"], "Unet", "resnet18")
SIDE = 512
TABLE = pd.DataFrame(
    [
        {"city": city, "split": split, "row": row, "col": 0, "height": 256, "width": SIDE}
        for city in ("a", "b", "c")
        for split, row in (("train", 0), ("val", 256))
    ]
)


def dark_is_water(pixels):
    """A model that calls dark pixels water."""
    assert pixels.shape[2] % 32 == pixels.shape[3] % 32 == 0
    water = (pixels.mean(axis=1) < 90).astype(np.float32)
    return np.stack([1 - water, water], axis=1)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Fewer crops than a real training gets."""
    monkeypatch.setattr(training_statistics, "CROPS", {"train": 64, "val": 32})


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Three cities of bright land beside dark water, whose lowest rows have no labels."""
    tmp_path = tmp_path_factory.mktemp("cities")
    for k, city in enumerate("abc"):
        rng = np.random.default_rng(k)
        pixels = rng.normal(130, 10, (2, SIDE, SIDE))
        pixels[:, :, SIDE // 2 :] = rng.normal(40 + k, 3, (2, SIDE, SIDE // 2))
        labels = np.zeros((1, SIDE, SIDE), np.uint8)
        labels[:, 448:] = 255
        grid = Grid(CRS.from_epsg(32640), Affine(1, 0, 320_000 + k * SIDE * 2, 0, -1, 2_780_000), SIDE, SIDE)
        for name, array in (("scene", pixels.clip(1, 255).astype(np.uint8)), ("labels", labels)):
            with cog.writing(tmp_path / f"{city}_{name}.tif", grid, dtype="uint8", count=len(array)) as out:
                out.write(array)
    return {
        f"{name}_of": lambda city, name=name: tmp_path / f"{city}_{name}.tif" for name in ("scene", "labels")
    }


def test_each_class_is_kept_with_its_edge_and_equal_trainings_give_equal_statistics(places):
    found = training_statistics.appearance_of(dark_is_water, SPEC, TABLE, **places)
    assert set(found) == {"all", "other", "water"}
    levels = {name: np.median([row[0] for row in entry["tiles"]]) for name, entry in found.items()}
    assert levels["water"] == pytest.approx(-1.5, abs=0.1)
    assert levels["other"] == pytest.approx(0.75, abs=0.1)
    assert all(0 < entry["edge"] <= entry["single"] < 3 for entry in found.values())
    again = training_statistics.appearance_of(dark_is_water, SPEC, TABLE, **places)
    assert json.dumps(again) == json.dumps(found)
    known = appearance.read({appearance.KEY: found}, SPEC, "x")["water"]
    rows = np.array(found["water"]["tiles"])
    assert appearance.score(rows, known, apart=len(rows)) < 1
    assert appearance.score(rows + np.array([1, 1, *[0] * 6]), known, apart=len(rows)) > 2


def test_crops_are_of_all_pixel_sizes_and_without_labels_they_count_for_nothing(places):
    train, val = (TABLE[TABLE["split"] == split] for split in ("train", "val"))
    crops = list(training_statistics._crops(train, 12, SPEC, places["scene_of"], places["labels_of"]))
    assert {city for city, *_ in crops} == {"a", "b", "c"}
    rough = [float(np.abs(np.diff(pixels[:, :, :20])).mean()) for _, pixels, _ in crops]
    assert max(rough) > 1.5 * min(rough)
    unknown = [
        (~known).mean()
        for _, _, known in training_statistics._crops(val, 12, SPEC, places["scene_of"], places["labels_of"])
    ]
    assert 0 < max(unknown) < 1


def test_without_tiles_nothing_is_kept(places):
    assert training_statistics.appearance_of(dark_is_water, SPEC, TABLE[:0], **places) == {}


def test_scenes_that_overlap_are_of_one_place_through_others_too(tmp_path):
    for city, east in (("a", 0), ("b", 100), ("c", 200), ("d", 9_000)):
        grid = Grid(CRS.from_epsg(32640), Affine(1, 0, 320_000 + east, 0, -1, 2_780_000), 128, 128)
        with cog.writing(tmp_path / f"{city}.tif", grid, dtype="uint8", count=1) as out:
            out.write(np.ones((1, 128, 128), np.uint8))
    found = training_statistics.places(["a", "b", "c", "d"], lambda city: tmp_path / f"{city}.tif")
    assert found == {"a": "a", "b": "a", "c": "a", "d": "d"}
