import json

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer

from tests.unit.workflows.painted import grid, write_image, write_model
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model and an image of a town."""
    folder = tmp_path_factory.mktemp("explain")
    write_model(folder / "model")
    write_image(folder / "town.tif", grid())
    return folder


@pytest.fixture
def call(place, monkeypatch):
    monkeypatch.chdir(place)
    return lambda *words: execute(["explain", "town.tif", "out", "--model", "model", "--overwrite", *words])


def at(row, col):
    x, y = grid().transform * (col + 0.5, row + 0.5)
    longitude, latitude = Transformer.from_crs(grid().crs, "EPSG:4326", always_xy=True).transform(x, y)
    return f"{longitude:.8f},{latitude:.8f}"


def test_a_roof_is_a_building_by_its_own_pixels(call, place, capsys):
    call("--at", at(24, 40))
    told = json.loads((place / "out/explanation.json").read_text())
    assert told["class"] == "building"
    assert told["largest_fall"] > 0.9
    assert max(told["bands"], key=told["bands"].get) == "red"
    assert not told["grad_cam"]
    assert "building has the probability" in capsys.readouterr().out
    plain, hidden = (np.asarray(Image.open(place / f"out/{name}.png")) for name in ("image", "occlusion"))
    changed = (plain != hidden).any(axis=2)
    assert changed[18:30, 34:46].mean() > 0.8
    assert not changed[40:].any()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--at", "1,2"], "is not in town; --at takes longitude and latitude of a place inside the image"),
        (["--at", "1"], "--at is 1; it takes two numbers with a comma between"),
        (["--at", at(5, 5), "--class", "sea"], "the model does not know sea; it knows building, vegetation"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(call, words, sentence):
    with pytest.raises(PipelineError, match=sentence):
        call(*words)
