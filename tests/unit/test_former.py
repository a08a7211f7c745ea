"""Files from before the library moved into rooms still open: parameters, models, merged models."""

import json

import pytest
import torch

from tests.conftest import ROOT
from urbanseg.config.params import load
from urbanseg.model import segmenter

FORMER = ROOT / "tests" / "data" / "former"


def test_parameters_with_the_former_role_are_read_with_a_warning(caplog):
    params = load(FORMER / "params.yaml")
    assert params.cities["oasis"].role == "holdout"
    assert params.cities["demo"].role == "train"
    assert "the role target is now called holdout" in caplog.text


@pytest.mark.parametrize("name", json.loads((FORMER / "probabilities.json").read_text()))
def test_a_saved_model_gives_what_it_gave_then(name):
    expected = json.loads((FORMER / "probabilities.json").read_text())[name]
    network, spec = segmenter.load(FORMER / name)
    assert len(spec.classes) == len(expected)
    pixels = torch.linspace(0, 255, 3 * 32 * 32).reshape(1, 3, 32, 32)
    with torch.inference_mode():
        found = network(pixels).softmax(1).mean(dim=(0, 2, 3))
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)
