"""A short training is the project's recipe, with fewer steps from the model as it is."""

import pytest
import yaml

from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.config.train import TrainParams
from urbanseg.errors import PipelineError
from urbanseg.review.retraining import (
    ANEW,
    CURRENT,
    copy_model,
    default_start,
    require_possible,
    short_training,
)


@pytest.mark.parametrize("epochs", [1, 25])
def test_its_settings_are_valid_parameters(epochs):
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())["train"] | {"epochs": epochs, "warmup_epochs": 0}
    recipe = TrainParams.model_validate(raw)
    settings = [option.removeprefix("--set-param=train.").split("=") for option in short_training(recipe)]
    short = TrainParams.model_validate(raw | {key: yaml.safe_load(value) for key, value in settings})
    assert short.start == paths.START
    assert short.epochs == min(epochs, 4)
    assert short.patience <= 2
    assert (short.learning_rate, short.steps_per_epoch) == (recipe.learning_rate, recipe.steps_per_epoch)


def test_it_starts_from_a_copy_of_the_current_model_if_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".git").mkdir()
    split = tmp_path / paths.kept_split("demo")
    split.parent.mkdir(parents=True)
    split.write_text("{}")
    assert default_start(tmp_path) == ANEW
    require_possible(tmp_path, ["demo"], ANEW)
    with pytest.raises(PipelineError, match="no model"):
        require_possible(tmp_path, ["demo"], CURRENT)
    for name in paths.MODEL_FILES:
        (tmp_path / paths.MODEL / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / paths.MODEL / name).write_text(name)
    assert default_start(tmp_path) == CURRENT
    require_possible(tmp_path, ["demo"], CURRENT)
    for _ in range(2):
        copy_model()
    assert sorted(path.name for path in (tmp_path / paths.START).iterdir()) == sorted(paths.MODEL_FILES)
