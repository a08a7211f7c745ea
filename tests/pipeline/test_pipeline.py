"""The true pipeline, through DVC, on a small scene."""

import csv
import json
import re
import subprocess
import sys

import pyogrio
import pytest
import rasterio

from tests.conftest import ROOT
from tests.pipeline.project import ran, short
from urbanseg.cli.main import VERBS

CITIES = ("demo", "oasis")
AFTER_PREDICTION = {
    f"{stage}@{city}" for stage in ("vectorize", "evaluate", "project") for city in CITIES
} | {
    "overall",
    "report",
}
AFTER_MODEL = {"export"} | {f"predict@{city}" for city in CITIES} | AFTER_PREDICTION


def test_the_pipeline_runs_every_stage_once_and_leaves_what_it_promises(project):
    stages = project.dvc("stage", "list", "--all", "--name-only").split()
    assert sorted(project.first_run) == sorted(map(short, stages))
    folder = project.folder
    for city in CITIES:
        for path in (f"data/prediction/{city}/classes.tif", f"data/labels/{city}.tif"):
            with rasterio.open(folder / path) as raster:
                assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        layers = {name for name, _ in pyogrio.list_layers(folder / f"data/map/{city}/{city}.gpkg")}
        assert {"land_cover", "road_edges", "road_nodes"} <= layers
        scores = json.loads((folder / f"metrics/{city}.json").read_text())
        assert 0 < scores["miou"] <= 1
    assert (folder / "reports/index.html").stat().st_size > 10_000


def test_a_second_run_does_nothing(project):
    assert project.repro() == []


@pytest.mark.parametrize(
    ("key", "value", "concerned"),
    [
        ("cities.oasis.title", "Another name", {"report"}),
        pytest.param(
            "vectorize.min_area_m2",
            900,
            {f"{s}@{c}" for s in ("vectorize", "evaluate", "project") for c in CITIES}
            | {"overall", "report"},
            marks=pytest.mark.slow,
        ),
        pytest.param("predict.overlap", 16, AFTER_MODEL - {"export"}, marks=pytest.mark.slow),
        pytest.param(
            "tiles.min_valid_share",
            0.99,
            {f"{s}@{c}" for s in ("repair", "tiles") for c in CITIES} | {"dataset", "train"} | AFTER_MODEL,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "cities.oasis.scene.noise",
            0.01,
            {
                f"{s}@oasis"
                for s in (
                    *("scene", "osm", "labels", "repair", "tiles"),
                    *("predict", "vectorize", "evaluate", "project"),
                )
            }
            | {"dataset", "overall", "report"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_parameter_re_runs_exactly_the_stages_it_concerns(project, key, value, concerned):
    before = project.set(key, value)
    again = set(project.repro())
    project.set(key, before)
    project.restore()
    assert again == concerned | {"params"}


ENDINGS = (".aux.xml", ".ovr")

ALL_STAGES = {
    *(f"{s}@{city}" for s in ("scene", "osm", "labels", "repair", "tiles", "predict") for city in CITIES),
    *("params", "dataset", "train", "export"),
} | AFTER_PREDICTION


@pytest.mark.parametrize(
    ("path", "before", "after", "concerned"),
    [
        (
            "urbanseg/labels/cloud_masks.py",
            "np.isin(",
            "~np.isin(",
            {f"{stage}@{city}" for stage in ("labels", "repair", "predict", "evaluate") for city in CITIES},
        ),
        (
            "urbanseg/classes.py",
            "IGNORE = 255",
            "IGNORE = 254",
            ALL_STAGES,
        ),
        pytest.param(
            "urbanseg/dataset/samples.py",
            "def pad(",
            "def pad_(",
            {"train", "export"} | {f"repair@{c}" for c in CITIES},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "urbanseg/io/cog.py",
            "overview_resampling=",
            "overview_compress=",
            ALL_STAGES,
            marks=pytest.mark.slow,
        ),
        (
            "urbanseg/config/vectorize.py",
            "Field(",
            "Field( ",
            {f"{s}@{c}" for s in ("vectorize", "evaluate", "project") for c in CITIES}
            | {"params", "overall", "report"},
        ),
        ("urbanseg/cli/guard.py", "def guarded(", "def  guarded(", set()),
    ],
)
def test_an_edit_of_the_code_concerns_exactly_the_stages_that_use_it(project, path, before, after, concerned):
    file = project.folder / path
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    status = project.changed()
    file.write_text(text)
    assert status == concerned


def test_sidecars_of_gis_programs_change_nothing(project):
    """Statistics, overviews, notes and journals that QGIS and GDAL write beside what they open."""
    data = project.folder / "data"
    before = set(data.rglob("*"))
    rasters = sorted(data.rglob("*.tif"))
    assert len(rasters) > 8
    for path in rasters:
        with rasterio.open(path) as opened:
            opened.statistics(1, approx=False, clear_cache=True)  # as `gdalinfo -stats` and QGIS do
    assert set(data.rglob("*")) - before, "GDAL keeps no statistics"
    sidecars = [
        *(
            data / f"scene/{c}/{name}.tif{end}"
            for c in CITIES
            for name in ("scene", "scl")
            for end in ENDINGS
        ),
        *(data / f"prediction/{c}/confidence.tif{end}" for c in CITIES for end in ENDINGS),
        *(data / f"map/{c}/{c}.{end}" for c in CITIES for end in ("gpkg-wal", "gpkg-shm", "qmd")),
    ]
    for path in sidecars:
        path.write_text("<PAMDataset/>")
    status = project.changed()
    for path in set(data.rglob("*")) - before:
        path.unlink()
    assert status == set()


@pytest.mark.slow
def test_an_experiment_runs_what_it_concerns_and_is_compared_by_its_metrics(project):
    said = project.dvc("exp", "run", "--name", "wide", "-S", "evaluate.boundary_tolerance_m=40")
    concerned = {f"{stage}@{city}" for stage in ("evaluate", "project") for city in CITIES}
    assert set(ran(said)) == concerned | {"params", "overall", "report"}
    shown = project.dvc("metrics", "diff", "HEAD", "wide")
    assert "metrics/demo.json" in shown
    assert "mean_boundary_f1" in shown
    compared = project.run("make", "-o", ".venv/.ready", "compare", "A=HEAD", "B=wide").stdout
    assert re.search(r"\| demo \| boundary F1 \| 0\.\d+ \| 0\.\d+ \| \+0\.\d+ \|", compared)
    assert re.search(r"\| demo \| mean IoU \|.*\| \+0\.0000 \|.*\| noise \|", compared), compared
    assert "wide" in project.dvc("exp", "show", "--csv")
    project.git("checkout", "--quiet", "HEAD", "--", ".")
    project.dvc("checkout", "--quiet")


@pytest.mark.slow
def test_a_sweep_is_queued_run_and_listed(project):
    """Learning rates with another loss, of the train stage alone: a sweep is decided by validation."""
    axes = ("-S", "train.learning_rate=0.001,0.01", "-S", "train.loss.dice_weight=1.0")
    short = ("-S", "train.epochs=1", "-S", "train.steps_per_epoch=1")
    project.dvc("exp", "run", "--quiet", "--queue", *axes, *short, "train")
    project.dvc("exp", "run", "--quiet", "--run-all", "--jobs", "2")
    shown = list(csv.DictReader(project.dvc("exp", "show", "--csv").splitlines()))
    swept = [row for row in shown if row["train.steps_per_epoch"] == "1"]
    tried = {(float(row["train.learning_rate"]), float(row["train.loss.dice_weight"])) for row in swept}
    assert tried == {(0.001, 1.0), (0.01, 1.0)}
    assert all(0 <= float(row["val_miou"]) <= 1 for row in swept)
    assert project.git("status", "--porcelain") == ""


def test_plots_and_graph_can_be_shown(project):
    project.dvc("plots", "show", "--quiet", "--out", "plots")
    page = (project.folder / "plots" / "index.html").read_text()
    for title in ("Confusion on the test blocks of oasis", "Reliability of the confidence in demo"):
        assert title in page
    assert page.count("<img") >= 2 * len(CITIES)
    graph = project.dvc("dag", "--dot")
    assert '"cities/demo/dvc.yaml:labels" -> "dataset"' in graph
    assert '"params" -> "train"' in graph
    assert "miou" in project.dvc("metrics", "show")


def test_only_stages_that_run_the_network_import_torch():
    stages = {path.stem for path in (ROOT / "stages").glob("[a-z]*.py")} - {"export", "train"}
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    program += "    assert 'torch' not in sys.modules, name\n"
    names = [
        *(f"stages.{stage}" for stage in sorted(stages)),
        *(f"urbanseg.cli.verbs.{verb}" for verb in VERBS),
    ]
    done = subprocess.run(
        [sys.executable, "-c", program, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
