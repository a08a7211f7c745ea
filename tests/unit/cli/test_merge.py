from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.learn.architectures import build
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

PARAMS = ROOT / "params.yaml"


@pytest.fixture
def call(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    monkeypatch.chdir(tmp_path)

    return lambda *words: execute(["merge", *words])


def test_models_of_single_classes_become_one_of_all_the_projects_classes(call):
    for name in ("water", "road"):
        network = build("Unet", "tu-test_resnet", 3, 2, [8, 8, 8, 8, 8])
        spec = Spec(["red", "green", "blue"], [0.0] * 3, [1.0] * 3, ["other", name], "Unet", "tu-test_resnet")
        segmenter.save(Path("models") / name, Segmenter(network, 1), spec, Card(cities=["x"]))
    call("models/merged", "models/water", "models/road")
    merged, spec = segmenter.load(Path("models/merged"))
    assert spec.classes == ["other", "building", "road", "vegetation", "water", "bare_soil"]
    probabilities = merged(torch.rand(1, 3, 32, 32)).softmax(1)
    assert (probabilities[:, [1, 3, 5]] == 0).all()
    assert (probabilities[:, [0, 2, 4]] > 0).all()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "required: folder, members; urbanseg merge --help"),
        (["models/merged"], "required: members"),
        (["models/merged", "models/water"], "this takes the folder of the merged model, and the folders of"),
    ],
)
def test_too_few_words_are_one_sentence(call, words, sentence):
    with pytest.raises(PipelineError, match=sentence):
        call(*words)


def test_a_member_that_is_no_model_is_one_sentence(call):
    with pytest.raises(PipelineError, match="models/water holds no complete model"):
        call("models/merged", "models/water", "models/road")


def test_a_folder_that_holds_other_models_is_not_replaced(call, tmp_path):
    kept = tmp_path / "models" / "segmenter" / "model.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(PipelineError, match=r"models holds segmenter/model\.safetensors"):
        call("models", "models/water", "models/road")
    assert kept.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["models"]


def test_models_of_the_same_classes_become_an_ensemble(call, capsys):
    for name in ("one", "two"):
        network = build("Unet", "tu-test_resnet", 3, 3, [8, 8, 8, 8, 8])
        spec = Spec(
            ["red", "green", "blue"], [0.0] * 3, [1.0] * 3, ["other", "a", "b"], "Unet", "tu-test_resnet"
        )
        segmenter.save(Path("models") / name, Segmenter(network, 1), spec, Card(cities=["x"]))
    call("models/both", "models/one", "models/two", "--weights", "2,1")
    assert "models/one by 2, models/two by 1" in capsys.readouterr().out
    assert segmenter.load(Path("models/both"))[1].arch == "Ensemble"
    for weights in ("2", "2,x", "2,0", "2,1,1"):
        with pytest.raises(PipelineError, match="it takes 2 numbers above 0"):
            call("models/other", "models/one", "models/two", "--weights", weights)
    with pytest.raises(PipelineError, match="a model is named twice"):
        call("models/other", "models/one", "models/one")
    with pytest.raises(PipelineError, match="is missing; run the dataset stage"):
        call("models/other", "models/one", "models/two", "--weights", "validation")
    assert not Path("models/other").exists()
