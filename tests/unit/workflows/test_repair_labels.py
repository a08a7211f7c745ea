"""Labels are repaired in training blocks alone and from them alone; splits stay as they are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from affine import Affine
from pyproj import CRS
from rasterio import features
from scipy import ndimage

import stages.labels
import stages.repair
import stages.scene
import stages.tiles
from tests.pipeline.project import small_params
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import Params, parse
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, Window
from urbanseg.io import cog, raster
from urbanseg.workflows import repair_labels
from urbanseg.workflows.city_blocks import CityBlocks, Labelled, Verdict, city_blocks
from urbanseg.workflows.label_folds import assign, judge, recipe, without

GRID = Grid(CRS.from_epsg(32635), Affine(10, 0, 386_000, 0, -10, 6_673_000), 256, 320)


def town(**repair: Any) -> dict[str, Any]:
    params = small_params()
    params["repair"] = repair
    params["cities"] = {
        "town": {
            "title": "Town",
            "role": "train",
            "inputs": ".",
            "scene": {"provider": "local", "path": "raw.tif", "bands": {"red": 1, "green": 2}},
            "osm": {"provider": "none"},
            "labels": {
                "source": "raster",
                "path": "raw_labels.tif",
                "remap": {0: "other", 1: "building", 3: "vegetation"},
            },
        }
    }
    return params


def write(path: Path, values: np.ndarray, nodata: int) -> None:
    with cog.writing(path, GRID, dtype=values.dtype, count=len(values), nodata=nodata) as file:
        file.write(values)


def ground() -> np.ndarray:
    """Patches of three classes."""
    noise = np.random.default_rng(0).normal(size=(3, *GRID.shape))
    patches = np.stack([ndimage.gaussian_filter(layer, 3) for layer in noise]).argmax(axis=0)
    return np.array([0, 1, 3], np.uint8)[patches]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stage", "town"])
    classes = ground()
    pixels = 1000 + 1000 * np.stack([classes == 1, classes == 3])
    noise = np.random.default_rng(1).normal(0, 100, pixels.shape)
    write(Path("raw.tif"), (pixels + noise).astype(np.uint16), 0)
    write(Path("raw_labels.tif"), classes[None], 255)


def put(params: dict[str, Any]) -> Params:
    text = yaml.safe_dump(params, sort_keys=False)
    Path("params.yaml").write_text(text)
    return parse(text, "params.yaml")


def run(*names: str) -> None:
    for name in names:
        getattr(stages, name).main()


def read(path: Path) -> np.ndarray:
    with raster.reading(path) as file:
        return file.read_band()


def labelled(params: Params) -> Labelled:
    run("scene", "labels")
    with raster.reading(paths.labels("town")) as labels:
        blocks = city_blocks(labels, [], params, "town")
    return Labelled("town", paths.scene("town"), paths.labels("town"), blocks)


def splits_of(blocks: CityBlocks) -> np.ndarray:
    split = np.zeros(GRID.shape, np.uint8)
    for block, value in zip(blocks.laid, blocks.split_of, strict=True):
        split[block.slices] = value
    return split


@pytest.mark.parametrize("role", ["train", "holdout"])
def test_labels_are_trained_on_as_they_are_unless_a_train_city_asks_for_repair(role: str) -> None:
    params = town(**({} if role == "train" else {"align": {"max_px": 4}}))
    params["cities"]["town"]["role"] = role
    put(params)
    run("scene", "labels", "repair")
    assert [path.name for path in paths.repaired_dir("town").iterdir()] == ["repair.json"]
    assert paths.training_labels("town") == paths.labels("town")


def test_labels_of_validation_and_test_blocks_stay_and_none_of_theirs_reach_a_training_block() -> None:
    params = put(town(align={"max_px": 4}))
    city = labelled(params)
    training = splits_of(city.blocks) == 0
    marked = np.where(training, read(city.labels), 5).astype(np.uint8)  # a class that no training block has
    write(Path("marked.tif"), marked[None], IGNORE)
    marked_city = Labelled("town", city.scene, Path("marked.tif"), city.blocks)
    rng = np.random.default_rng(2)
    for _ in range(8):
        offsets = {number: rng.uniform(-4, 4, 2) for number in city.blocks.training}
        repair_labels.write_moved(marked_city, offsets, params, Path("moved.tif"))
        moved = read(Path("moved.tif"))
        assert moved[~training].tobytes() == marked[~training].tobytes()
        assert not (moved[training] == 5).any()
        assert (moved[training] != marked[training]).any()


def test_shifts_of_less_than_half_a_pixel_leave_every_byte_as_it_was() -> None:
    params = put(town(align={"max_px": 4}))
    city = labelled(params)
    still = {number: np.array([0.4, -0.49]) for number in city.blocks.training}
    repair_labels.write_moved(city, still, params, Path("moved.tif"))
    assert read(Path("moved.tif")).tobytes() == read(city.labels).tobytes()


def test_the_split_is_that_of_the_labels_before_the_repair_and_tiles_count_those_after_it() -> None:
    params = put(town(align={"max_px": 4}))
    city = labelled(params)
    run("tiles")
    before, split = pd.read_parquet(paths.tiles("town")), paths.split("town").read_bytes()
    repaired = read(city.labels)
    repaired[splits_of(city.blocks) == 0] = 1
    with cog.writing(paths.repaired_labels("town"), GRID, dtype="uint8", nodata=IGNORE) as file:
        file.write(repaired)
    run("tiles")
    after = pd.read_parquet(paths.tiles("town"))
    assert paths.split("town").read_bytes() == split
    where = ["row", "col", "split", "block"]
    assert after[where].equals(before[where])
    train = after["split"] == "train"
    assert (after[train]["px_building"] == after[train]["height"] * after[train]["width"]).all()
    assert after[~train].equals(before[~train])


def test_folds_hold_each_training_block_once_and_are_kept_from_their_models_training() -> None:
    params = put(town(align={"max_px": 4}))
    blocks = labelled(params).blocks
    fold_of = assign(blocks, 3, 7)
    assert sorted(fold_of) == blocks.training
    for fold in range(3):
        held = {n for n, split in enumerate(without(blocks, fold_of, fold)) if SPLITS[split] == "test"}
        kept_back = {n for n, split in enumerate(blocks.split_of) if SPLITS[split] == "test"}
        assert held - kept_back == {n for n, own in fold_of.items() if own == fold} != set()
    assert recipe(params).start is None


def test_a_city_with_one_training_block_is_refused_in_a_sentence() -> None:
    params = put(town(align={"max_px": 4}))
    city = labelled(params)
    split_of = [0, *[2] * (len(city.blocks.laid) - 1)]
    lonely = CityBlocks(city.blocks.laid, split_of, city.blocks.counts, 0, are_images=False)
    alone = Labelled("town", city.scene, city.labels, lonely)
    with pytest.raises(
        PipelineError, match=r"town has 1 training blocks, and repair needs 2; make tiles.block"
    ):
        next(judge(alone, params, Path("state")))


def soft_verdicts(params: Params, city: Labelled) -> Iterator[Verdict]:
    """What a model says that knows the ground, but not quite where its borders are."""
    names = params.class_table.names
    layers = np.full((len(names), *GRID.shape), 0.02, np.float32)
    for name, value in {"other": 0, "building": 1, "vegetation": 3}.items():
        layers[names.index(name)] += 0.9 * ndimage.gaussian_filter((ground() == value).astype(np.float32), 1)
    for number in city.blocks.training:
        yield Verdict(0, number, layers[:, *city.blocks.laid[number].slices])


@pytest.mark.parametrize("building", [1, 40])
def test_labels_beside_their_place_are_brought_back_and_what_the_map_lacks_is_ignored(building: int) -> None:
    told = town(align={"max_px": 4}, doubt={"classes": ["building"], "min_px": 30, "firmness": 0.5})
    told["classes"]["building"]["id"] = building
    params, clean = put(told), ground()
    numbers, _ = ndimage.label(clean == 1)
    sizes = np.bincount(numbers.ravel())[1:]
    deleted = np.isin(numbers, np.flatnonzero((sizes > 60) & (np.arange(len(sizes)) % 3 == 0)) + 1)
    write(Path("raw_labels.tif"), np.roll(np.where(deleted, 0, clean), (2, -3), (0, 1))[None], 255)
    city = labelled(params)
    found = repair_labels.repair(
        city, params, Path("out/repaired.tif"), lambda city: soft_verdicts(params, city)
    )

    assert np.allclose(list(found.offsets.values()), (-2, 3), atol=0.5)
    training, before, after = (
        splits_of(city.blocks) == 0,
        read(city.labels),
        read(Path("out/repaired.tif")),
    )
    assert after[~training].tobytes() == before[~training].tobytes()
    known = training & (after != IGNORE)
    truth = np.where(clean == 1, building, clean)
    assert (after[known] == truth[known]).mean() > 0.97 > (before[known] == truth[known]).mean()
    assert (after[training & deleted] == IGNORE).mean() > 0.6
    assert found.doubts is not None
    assert set(found.doubts["kind"]) == {"missing"}
    assert found.to_json(city.blocks.laid)["doubts"][0]["objects"] == len(found.doubts)
    assert [path.name for path in Path("out").iterdir() if path.is_dir()] == []


def test_what_people_corrected_is_neither_moved_nor_ignored_and_moves_nothing() -> None:
    told = town(align={"max_px": 4}, doubt={"classes": ["building"], "min_px": 30, "firmness": 0.5})
    params, clean = put(told), ground()
    numbers, _ = ndimage.label(clean == 1)
    sizes = np.bincount(numbers.ravel())[1:]
    deleted = np.isin(numbers, np.flatnonzero((sizes > 60) & (np.arange(len(sizes)) % 2 == 0)) + 1)
    write(Path("raw_labels.tif"), np.roll(np.where(deleted, 0, clean), (2, -3), (0, 1))[None], 255)
    city = labelled(params)
    drawn = np.zeros(GRID.shape, bool)
    drawn[:, 20::50] = drawn[:, 21::50] = drawn[30:60, 40:110] = True
    city = replace(city, corrected=lambda window: drawn[window.slices])
    found = repair_labels.repair(
        city, params, Path("out/repaired.tif"), lambda city: soft_verdicts(params, city)
    )

    before, after = read(city.labels), read(Path("out/repaired.tif"))
    assert (after == before)[drawn].all()
    assert (after != before)[~drawn].any()
    assert np.allclose(list(found.offsets.values()), (-2, 3), atol=0.5)
    assert found.doubts is not None
    assert not found.doubts.empty
    inside = features.geometry_mask(found.doubts.geometry, GRID.shape, GRID.transform, invert=True)
    assert not (inside & drawn).any()
    marked = np.where(drawn, 2, before).astype(np.uint8)  # a class that nothing else has
    write(Path("marked.tif"), marked[None], 255)
    moved = replace(city, labels=Path("marked.tif"))
    repair_labels.write_moved(
        moved, dict.fromkeys(city.blocks.training, np.array([2.0, 3.0])), params, Path("m.tif")
    )
    assert ((read(Path("m.tif")) == 2) == drawn).all()


def test_the_stage_knows_what_people_corrected() -> None:
    params = town(align={"max_px": 4})
    params["cities"]["town"]["labels"] = {
        "layers": ["corrections", "map"],
        "sources": {"corrections": {"source": "corrections"}, "map": params["cities"]["town"]["labels"]},
    }
    told = parse(yaml.safe_dump(params, sort_keys=False), "params.yaml")
    left, top = GRID.transform @ (10, 20)
    shape = shapely.box(left, top - 300, left + 400, top)
    paths.corrections("town").parent.mkdir(parents=True)
    gpd.GeoDataFrame(
        {"id": ["a"], "action": ["add"], "of": [None], "class": ["building"]}, geometry=[shape], crs=GRID.crs
    ).to_file(paths.corrections("town"), layer="corrections")
    corrected = stages.repair._corrected("town", told, GRID)
    assert corrected is not None
    found = corrected(Window(0, 0, *GRID.shape))
    expected = np.zeros(GRID.shape, bool)
    expected[20:50, 10:50] = True
    assert (found == expected).all()
    assert stages.repair._corrected("town", parse(yaml.safe_dump(town()), "params.yaml"), GRID) is None


def test_insides_of_buildings_need_footprints() -> None:
    params = town()
    params["train"]["instances"] = True
    put(params)
    run("scene", "labels")
    with pytest.raises(SystemExit):
        run("repair")
    assert not paths.repaired_dir("town").exists()
