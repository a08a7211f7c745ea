import json
import shutil

import numpy as np
import pandas as pd
import pytest

from urbanseg import paths
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.metrics import block_counts, block_tables, bootstrap
from urbanseg.metrics.apls import PathSums
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.metrics.delivered_buildings import BUILDING_COUNTS
from urbanseg.metrics.road_counts import NETWORK_COUNTS, ROAD_COUNTS
from urbanseg.metrics.sections import delivered
from urbanseg.metrics.segmentation import class_scores, mean

SEED, SAMPLES = 3, 200


@pytest.fixture
def found(city, evaluated) -> CountsByBlock:
    """The counts by block that the evaluate stage wrote."""
    shutil.copytree(evaluated, ".", dirs_exist_ok=True)
    return block_tables.read(paths.evaluation_dir(city))


def test_what_was_written_is_read_back(found, tmp_path):
    block_tables.write(tmp_path, found)
    again = block_tables.read(tmp_path)
    assert (again.classes, again.cells, again.blocks) == (found.classes, found.cells, found.blocks)
    for name in ("pixels", "outlines", "buildings", "roads"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_the_table_of_blocks_has_a_column_for_each_pair_of_classes(found, city):
    table = pd.read_csv(paths.evaluation_dir(city) / "blocks.csv")
    assert list(table)[:7] == ["block", "row", "col", "height", "width", "other:other", "other:building"]
    assert len(table.columns) == 5 + 36
    assert table["road:vegetation"].sum() == found.pixels[:, 2, 3].sum() > 0


def test_figures_from_the_evidence_are_those_of_the_metrics(found, city):
    metrics = json.loads(paths.metrics(city).read_text())
    for path, value in block_counts.figures(found).items():
        said = metrics
        for part in path.split("."):
            said = said[part]
        assert said == (None if np.isnan(value) else pytest.approx(value, abs=2e-6)), path


def test_intervals_are_those_of_one_figure_and_hold_it(found):
    intervals = block_counts.intervals(found, SEED, SAMPLES)

    def miou(total):
        return np.array([mean(class_scores(total).iou)])

    alone = bootstrap.estimate(found.pixels, miou, [found.cells], SEED, SAMPLES)
    assert intervals["miou"][:2] == pytest.approx(alone.interval[:, 0])
    assert intervals["miou"].basis == f"{alone.units} cells worth {alone.effective[0]:.0f}"
    for path, value in block_counts.figures(found).items():
        low, high, *_ = intervals[path]
        assert np.isnan(low) or 0 <= low <= value <= high <= 1


def test_roads_of_four_blocks_have_no_interval_and_it_is_said_why(found):
    one = block_counts.intervals(found, SEED, SAMPLES)["road_apls"]
    assert np.isnan([one.low, one.high]).all()
    assert one.basis == "none: 4 blocks, and 10 are needed"
    assert block_counts.intervals(many(found), SEED, SAMPLES)["road_apls"].basis.startswith("16 blocks worth")


def test_apls_is_given_pooled_over_blocks_and_as_their_mean(found):
    sums = found.roads.copy()
    sums[0, ROAD_COUNTS.index("reference_difference")] = sums[0, ROAD_COUNTS.index("reference_paths")] / 2
    figures = block_counts.figures(CountsByBlock(**{**vars(found), "roads": sums}))
    each = [PathSums(*row[6:10]) for row in sums.tolist()]
    assert figures["roads.apls_mean"] == pytest.approx(np.mean([paths.apls for paths in each]))
    assert figures["roads.apls_pooled"] == pytest.approx(sum(each, PathSums()).apls) == figures["road_apls"]
    assert figures["roads.apls_mean"] != figures["roads.apls_pooled"]


def many(found: CountsByBlock) -> CountsByBlock:
    """The same with four times as many blocks of roads: each again and again."""
    blocks = [Window(0, 64 * i, 64, 64) for i in range(4 * len(found.blocks))]
    return CountsByBlock(**{**vars(found), "blocks": blocks, "roads": np.tile(found.roads, (4, 1))})


def better(found: CountsByBlock) -> CountsByBlock:
    """The same map with half of its mistakes mended in each cell, and roads without a gap."""
    wrong = found.pixels * (1 - np.eye(6, dtype=np.int64))
    mended = wrong // 2
    pixels = found.pixels - mended + np.eye(6, dtype=np.int64) * mended.sum(axis=2)[:, :, np.newaxis]
    return with_pairs(CountsByBlock(**{**vars(found), "pixels": pixels}), "pairs")


def with_pairs(found: CountsByBlock, count: str) -> CountsByBlock:
    """The same map, with as many connected node pairs as another count says."""
    roads = found.roads.copy()
    roads[:, ROAD_COUNTS.index("pairs_connected")] = roads[:, ROAD_COUNTS.index(count)]
    return CountsByBlock(**{**vars(found), "roads": roads})


def test_a_better_map_is_told_from_noise(found):
    torn = with_pairs(many(found), "skeleton_pairs_connected")
    changes = block_counts.differences(torn, better(torn), SEED, SAMPLES)
    for name in ("miou", "pixel_accuracy", "classes.road.iou", "road_connectivity"):
        assert 0 < changes[name].low <= changes[name].high, name
        assert changes[name].p_drop > 0.975, name
    assert changes["mean_boundary_f1"][:2] == (0, 0)


def test_the_same_map_differs_by_nothing_also_in_few_blocks(found):
    same = block_counts.differences(found, found, SEED, SAMPLES)
    assert same["road_apls"][:2] == (0, 0)
    assert same["road_apls"].basis == "4 blocks"


def test_other_blocks_or_classes_are_not_compared(found):
    fewer = CountsByBlock(**{**vars(found), "cells": found.cells[1:], "pixels": found.pixels[1:]})
    with pytest.raises(ValueError, match="different test blocks or classes"):
        block_counts.differences(found, fewer, SEED, SAMPLES)


def test_pooled_cities_are_scored_as_one(found):
    both = block_counts.pool([found, better(found)])
    figures = block_counts.figures(both)
    assert figures["miou"] == pytest.approx(mean(class_scores(both.pixels.sum(axis=0)).iou))
    assert len(both.cells) == 2 * len(found.cells)
    assert both.by_city(0) == [found.cells] * 2
    assert both.by_city(1) == [found.blocks] * 2
    one, other = (block_counts.figures(part)["miou"] for part in (found, better(found)))
    assert one < figures["miou"] < other
    with pytest.raises(ValueError, match="different classes"):
        block_counts.pool([found, CountsByBlock(**{**vars(found), "classes": ("a",) * 6})])


@pytest.fixture
def with_vectors(found) -> CountsByBlock:
    """The same with counts of delivered vectors, drawn at random; some of each cell are matched."""
    rng = np.random.default_rng(8)
    houses = rng.integers(1, 9, (len(found.cells), len(BUILDING_COUNTS))).astype(np.float64)
    houses[:, [1, 3]] = houses[:, [0, 2]] // 2
    roads = found.roads[:, : len(NETWORK_COUNTS)] / 2
    return CountsByBlock(**{**vars(found), "delivered_roads": roads, "delivered_buildings": houses})


def test_counts_of_vectors_are_read_back_and_older_results_have_none(with_vectors, tmp_path):
    block_tables.write(tmp_path, with_vectors)
    again = block_tables.read(tmp_path)
    for name in ("delivered_roads", "delivered_buildings"):
        np.testing.assert_allclose(getattr(again, name), getattr(with_vectors, name), atol=1e-6)
    for name in block_tables.DELIVERED_FILES:
        (tmp_path / name).unlink()
    older = block_tables.read(tmp_path)
    assert older.delivered_roads is older.delivered_buildings is None
    block_tables.write(tmp_path, older)
    assert block_tables.read(tmp_path).delivered_roads is None


def test_figures_of_vectors_are_those_of_their_counts(with_vectors):
    figures = block_counts.figures(with_vectors)
    ours, hits, theirs, found_ones, _, a, b = with_vectors.delivered_buildings.sum(axis=0)
    assert figures["delivered.buildings.precision"] == pytest.approx(hits / ours)
    assert figures["delivered.buildings.recall"] == pytest.approx(found_ones / theirs)
    assert figures["delivered.buildings.vertex_ratio"] == pytest.approx(b / a)
    assert figures["delivered_building_f1"] == figures["delivered.buildings.f1"]
    for name in ("completeness", "connectivity"):
        assert figures[f"delivered.roads.{name}"] == pytest.approx(figures[f"roads.{name}"])
    interval = block_counts.intervals(with_vectors, SEED, SAMPLES)["delivered.buildings.f1"]
    assert interval.low < figures["delivered.buildings.f1"] < interval.high
    assert interval.unit == "cells"


def test_a_city_without_vectors_changes_nothing_of_those_of_others(found, with_vectors):
    both = block_counts.pool([found, with_vectors])
    together, alone = (block_counts.figures(counts) for counts in (both, with_vectors))
    names = [name for name in together if name.startswith("delivered")]
    assert len(names) == 13
    assert [together[name] for name in names] == [alone[name] for name in names]
    assert delivered(both, together)["basis"] == {"roads": "1 of 2 cities", "buildings": "1 of 2 cities"}
    none = block_counts.pool([found, found])
    assert delivered(none, block_counts.figures(none)) == {
        "roads": None,
        "buildings": None,
        "basis": {"roads": "0 of 2 cities", "buildings": "0 of 2 cities"},
    }
    drawn = block_counts.intervals(both, SEED, SAMPLES)["delivered.buildings.f1"]
    assert drawn.units == len(found.cells), "cells of the city without vectors are drawn in no sample"


def test_vectors_that_only_one_side_has_are_not_compared(found, with_vectors):
    for pair in ((found, with_vectors), (with_vectors, found)):
        assert not any(name.startswith("deliv") for name in block_counts.differences(*pair, SEED, SAMPLES))
    same = block_counts.differences(with_vectors, with_vectors, SEED, SAMPLES)
    assert same["delivered.buildings.f1"][:2] == (0, 0)


def test_missing_or_damaged_tables_get_one_sentence(found, tmp_path):
    with pytest.raises(PipelineError, match="lacks the tables"):
        block_tables.read(tmp_path)
    block_tables.write(tmp_path, found)
    (tmp_path / "blocks.csv").write_text("block,row,col,height,width,a:a,a:b\n0,0,0,1,1,1,1\n")
    with pytest.raises(PipelineError, match="no confusion of 1 classes"):
        block_tables.read(tmp_path)
