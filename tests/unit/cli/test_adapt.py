import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog
from urbanseg.learn.architectures import build
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

RGB = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model and two images, one of which is small."""
    folder = tmp_path_factory.mktemp("adapt")
    spec = Spec(RGB, [90.0] * 3, [60.0] * 3, ["other", "road"], "Unet", "tu-test_resnet", units="uint8")
    network = build("Unet", "tu-test_resnet", 3, 2, [8, 8, 8, 8, 8])
    segmenter.save(folder / "model", Segmenter(network, 1), spec, Card(cities=["x"]))
    rng = np.random.default_rng(0)
    for name, height, width in (("town.tif", 512, 1024), ("small.tif", 96, 128)):
        grid = Grid(CRS(32640), Affine(1, 0, 320_000, 0, -1, 2_780_000), height, width)
        with cog.writing(folder / name, grid, dtype="uint8", count=3, descriptions=RGB) as out:
            out.write(rng.integers(20, 160, (3, height, width), np.uint8))
    return folder


@pytest.fixture
def call(place, monkeypatch):
    monkeypatch.chdir(place)
    return lambda *words: execute(["adapt", *words])


def test_the_adapted_model_opens_and_its_card_says_what_was_tried(call, place, capsys):
    call("model", "town.tif", "adapted", "--steps", "0", "--statistics", "0.5")
    adapted, spec = segmenter.load(place / "adapted")
    source, own = segmenter.load(place / "model")
    assert spec == own
    card = (place / "adapted/README.md").read_text()
    assert "adapted without labels to town" in card
    assert "| agreement, source |" in card
    assert "| agreement, batch statistics |" in card
    said = capsys.readouterr().out
    moved = any(
        not (tensor == source.state_dict()[name]).all() for name, tensor in adapted.state_dict().items()
    )
    assert moved == ("no calibration" in said)
    assert moved != ("the model as it was" in said)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model", "out"], "only out is named beside the model"),
        (["model", "small.tif", "out"], "hold 1 windows of 256 pixels to learn from, and 8 are needed"),
        (["model", "town.tif", "out", "--statistics", "2"], "takes a share from 0 to 1"),
        (["none", "town.tif", "out"], "none"),
    ],
)
def test_what_cannot_be_adapted_is_one_sentence_and_nothing_is_left(call, place, words, sentence):
    with pytest.raises(PipelineError, match=sentence):
        call(*words)
    assert not (place / "out").exists()
