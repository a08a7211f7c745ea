"""The wheel is complete by itself: its files alone, without PyTorch and DVC, apply an exported model."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from affine import Affine
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg.grid import Grid
from urbanseg.infer import export
from urbanseg.io import cog, raster
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.spec import Spec

BANDS = ["B02", "B03", "B04", "B08"]
CLASSES = ["other", "building", "road", "vegetation", "water", "bare_soil"]
WITHOUT = """
import sys
from importlib.machinery import PathFinder

absent = {"torch", "dvc", "segmentation_models_pytorch", "timm", "osmium", "sentinelhub"}
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *where: None if name.split(".")[0] in absent else find(name, *where)
from urbanseg.cli.main import main
import urbanseg
assert urbanseg.__file__.startswith(sys.argv.pop(1)), urbanseg.__file__
main()
"""
"""The command in an environment that lacks what belongs to extras."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A folder with the files of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("urbanseg-*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "files")
    return folder / "files"


def run(wheel, folder, *words):
    """Run the command in a folder; the process that ended."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, str(wheel), *map(str, words)],
        cwd=folder,
        env={"PYTHONPATH": str(wheel), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_the_licence_and_all_files_of_the_library(wheel):
    ours = {path.relative_to(ROOT) for path in (ROOT / "urbanseg").rglob("*") if path.is_file()}
    assert {str(path) for path in ours if "__pycache__" not in path.parts} <= {
        str(path.relative_to(wheel)) for path in wheel.rglob("*")
    }
    assert len(list(wheel.rglob("licenses/LICENSE"))) == 1


def test_it_applies_an_exported_model_without_pytorch(wheel, tmp_path):
    torch.manual_seed(0)
    network = smp.Unet(
        "resnet18",
        encoder_weights=None,
        encoder_depth=3,
        decoder_channels=(8, 8, 8),
        in_channels=4,
        classes=6,
    )
    spec = Spec(BANDS, [900.0] * 4, [500.0] * 4, CLASSES, "Unet", "resnet18")
    made = segmenter.Segmenter(network, 1).eval()
    segmenter.save(tmp_path / "segmenter", made, spec, Card(cities=["x"]))
    (tmp_path / "export").mkdir()
    export.write(tmp_path / "export", ["onnx"], tmp_path / "segmenter", made, spec, list)
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 90, 70)
    pixels = np.random.default_rng(0).integers(300, 2000, (4, *grid.shape)).astype(np.uint16)
    with cog.writing(tmp_path / "scene.tif", grid, dtype="uint16", count=4, descriptions=BANDS) as file:
        file.write(pixels)

    done = run(wheel, tmp_path, "apply", "scene.tif", "out", "--model", "export/onnx")
    assert done.returncode == 0, done.stderr
    with raster.reading(tmp_path / "out/classes.tif") as classes:
        assert classes.grid.same_as(grid)
    refused = run(wheel, tmp_path, "apply", "scene.tif", "out2", "--model", "segmenter", "--backend", "torch")
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "error: this needs the package torch; install it with: pip install 'urbanseg[train]', "
        "or use --backend onnx\n"
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["doctor", "--offline"], ["city", "list"], ["completion", "bash"]]
)
def test_its_other_verbs_run_without_pytorch_and_dvc(wheel, tmp_path, words):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run(wheel, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout
