"""The wheel is complete by itself: its files alone map an image, without PyTorch and DVC."""

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.unit.workflows.painted import grid, write_image, write_model
from urbanseg.io import raster

CORE_BYTES = 800 * 2**20
WITHOUT = """
import contextlib, io, json, logging, sys
from importlib.machinery import PathFinder

absent, wheel, commands = map(json.loads, sys.argv[1:])
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *where: None if name.split(".")[0] in absent else find(name, *where)
from urbanseg.cli.main import main
import urbanseg
assert urbanseg.__file__.startswith(wheel), urbanseg.__file__
done = []
for words in commands:
    sys.argv, code = ["urbanseg", *words], 0
    logging.root.handlers.clear()
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):
                code = print(code, file=sys.stderr) or 1
    done.append([code or 0, out.getvalue(), err.getvalue()])
print(json.dumps(done))
"""
"""Commands, one after the other, in an environment that lacks what belongs to extras."""


@cache
def of_extras():
    """Modules of all packages here that the core neither depends on nor brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core, open_ = set(), list(map(Requirement, project["dependencies"]))
    while open_:
        needed = open_.pop()
        if (name := canonicalize_name(needed.name)) not in core:
            core.add(name)
            more = map(Requirement, metadata.requires(needed.name) or [])
            open_ += [r for r in more if r.marker is None or r.marker.evaluate({"extra": ""})]
    found = metadata.packages_distributions()
    absent = sorted(name for name, owners in found.items() if not core & set(map(canonicalize_name, owners)))
    assert {"torch", "dvc", "osmium", "sentinelhub", "yaml"} <= set(absent)
    assert not {"numpy", "rasterio", "pandas"} & set(absent)
    return absent


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


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """An image in colours that the models that ship do not know."""
    return write_image(tmp_path_factory.mktemp("image") / "town.tif", grid(0.5))


def run(wheel, folder, *commands):
    """Run commands in a folder, by one interpreter; of each its exit code, output and errors."""
    given = [of_extras(), str(wheel), [list(map(str, words)) for words in commands]]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(json.dumps, given)],
        cwd=folder,
        env={"PYTHONPATH": str(wheel), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def newest_versions(weights):
    """Folder of the newest version of each model."""
    numbers = [[int(part) for part in folder.name.split(".")] for folder in sorted(weights.glob("*/*"))]
    found = sorted(zip(numbers, sorted(weights.glob("*/*")), strict=True))
    return set({folder.parent: folder for _, folder in found}.values())


def test_it_has_the_licence_and_all_files_of_the_library_but_earlier_versions_of_models(wheel):
    weights = ROOT / "urbanseg/weights"
    earlier = set(weights.glob("*/*")) - newest_versions(weights)
    assert earlier
    ours = {
        path.relative_to(ROOT)
        for path in (ROOT / "urbanseg").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not earlier & set(path.parents)
    }
    theirs = {path.relative_to(wheel) for path in (wheel / "urbanseg").rglob("*") if path.is_file()}
    assert theirs == ours, "name the earlier versions of models under [tool.hatch.build] in pyproject.toml"
    assert len(list(wheel.rglob("licenses/LICENSE"))) == 1


def test_it_maps_by_a_model_that_ships_without_pytorch(wheel, image, tmp_path):
    mapped, refused = run(
        wheel,
        tmp_path,
        ["map", image, "out", "--force", "--model", "aerial-rgb"],
        ["map", image, "out2", "--force", "--model", "aerial-rgb", "--backend", "torch"],
    )
    assert mapped[0] == 0, mapped
    with raster.reading(tmp_path / "out/classes.tif") as classes:
        assert classes.grid.same_as(grid(0.5))
    assert refused[0] == 1
    assert refused[2].endswith(
        "error: this needs the package torch; install it with: pip install 'urbanseg[train]', "
        "or use --backend onnx\n"
    )


@pytest.mark.slow
def test_installed_alone_its_environment_is_small_and_its_verbs_work(image, tmp_path):
    """The versions are those of requirements.txt; it needs a package index."""
    uv, python = shutil.which("uv"), tmp_path / "alone/bin/python"
    build = [uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "built")]
    subprocess.run(build, cwd=ROOT, check=True)
    (path,) = (tmp_path / "built").glob("*.whl")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "alone")], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*install, "--constraint", str(ROOT / "requirements.txt"), str(path)], check=True)
    files = {f.stat().st_ino: f.stat().st_blocks for f in (tmp_path / "alone").rglob("*") if f.is_file()}
    assert sum(files.values()) * 512 <= CORE_BYTES

    absent = "import importlib.util as u; assert not any(map(u.find_spec, ['torch', 'dvc']))"
    subprocess.run([python, "-c", absent], check=True)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for words in (
        ["--help"],
        ["doctor", "--offline"],
        ["city", "add", "x", "--image", image],
        ["models", "list"],
        ["map", image, "out", "--force", "--model", "aerial-rgb"],
        ["map", image, "out2", "--model", write_model(tmp_path / "onnx")],
    ):
        subprocess.run([python.with_name("urbanseg"), *words], cwd=tmp_path, env={}, check=True)
    for name in ("out", "out2"):
        assert (tmp_path / name / "classes.tif").is_file()
        assert (tmp_path / name / "map.gpkg").is_file()


def test_its_other_verbs_run_without_pytorch_and_dvc(wheel, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    commands = [
        ["--help"],
        ["--version"],
        ["doctor", "--offline"],
        ["city", "list"],
        ["city", "add", "x", "--bbox", "9,48,9.1,48.1"],
        ["completion", "bash"],
        ["models", "list"],
    ]
    for words, (code, said, errors) in zip(commands, run(wheel, tmp_path, *commands), strict=True):
        assert code == 0, (words, errors)
        assert said, words


LACKING = {
    "change a b out": "a/classes.tif does not exist",
    "sample demo points.gpkg": "data/prediction/demo/classes.tif does not exist",
    "assess demo points.gpkg": "points.gpkg does not exist",
    "review": "needs the package uvicorn; install it with: pip install 'urbanseg[review]'",
    "publish demo": "needs the package sqlalchemy; install it with: pip install 'urbanseg[postgis]'",
    "merge merged a b": "install it with: pip install 'urbanseg[train]'",
    "map photo.png out --model .": "pip install 'urbanseg[train]', or use --backend onnx",
}
"""Commands that lack a file or a package there, and what the sentence says."""


def test_what_a_verb_lacks_there_is_one_sentence(wheel, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    ended = run(wheel, tmp_path, *map(str.split, LACKING))
    for (words, sentence), (code, _, errors) in zip(LACKING.items(), ended, strict=True):
        assert code == 1, words
        assert errors.startswith("error: "), words
        assert sentence in errors, words
        assert errors.count("\n") == 1, words
