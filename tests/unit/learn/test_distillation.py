from dataclasses import replace

import pytest
import torch

from tests.unit.learn.recipes import recipe, run, stripes
from urbanseg.errors import PipelineError
from urbanseg.learn.distillation import TEMPERATURE, distillation_loss, load_teacher
from urbanseg.learn.training import create
from urbanseg.model import segmenter
from urbanseg.model.card import Card


def test_the_loss_is_none_where_both_agree_and_its_gradient_leads_to_the_teacher():
    draw = torch.Generator().manual_seed(0)
    taught, logits = torch.randn(2, 2, 3, 4, 4, generator=draw)
    assert distillation_loss(taught + 5, taught) == pytest.approx(0, abs=1e-6)
    logits.requires_grad_()
    before = distillation_loss(logits, taught)
    before.backward()
    own, wanted = ((each / TEMPERATURE).softmax(1) for each in (logits.detach(), taught))
    torch.testing.assert_close(logits.grad, TEMPERATURE * (own - wanted) / (2 * 4 * 4))
    assert distillation_loss(logits.detach() - logits.grad, taught) < before


@pytest.fixture
def taught(tmp_path):
    """Tiles, and the folder of a teacher with another order of classes and another normalisation."""
    data = stripes(tmp_path)
    torch.manual_seed(3)
    own = replace(
        data.spec,
        classes=data.spec.classes[::-1],
        mean=[value + 10 for value in data.spec.mean],
        std=[2 * value for value in data.spec.std],
    )
    segmenter.save(tmp_path / "teacher", create(recipe(), own), own, Card(cities=["x"]))
    return data, tmp_path / "teacher", own


def test_a_teacher_answers_in_the_order_and_the_units_of_the_learner(taught):
    data, folder, own = taught
    pixels = torch.rand(len(own.bands), 64, 64).numpy() * 1000
    teacher = load_teacher(folder, data.spec)
    network, _ = segmenter.load(folder)
    # where nothing is clipped, both normalisations say the same
    spec = replace(data.spec, std=[1000.0 for _ in own.std])
    teacher = type(teacher)(network, own, spec)
    with torch.no_grad():
        expected = network(torch.from_numpy((pixels - _column(own.mean)) / _column(own.std)).float()[None])
    found = teacher(torch.from_numpy(spec.normalise(pixels))[None])
    torch.testing.assert_close(found, expected.flip(1), atol=1e-3, rtol=1e-3)


def _column(values):
    return torch.tensor(values)[:, None, None].numpy()


@pytest.mark.slow
def test_training_with_a_teacher_goes_another_way_and_the_same_each_time(taught, tmp_path):
    data, folder, _ = taught
    alone = run(data, tmp_path / "a", recipe(epochs=1))[0]
    first, second = (run(data, tmp_path / name, recipe(epochs=1, teacher=str(folder)))[0] for name in "bc")
    heavy = run(data, tmp_path / "d", recipe(epochs=1, teacher=str(folder), teacher_weight=0.0))[0]
    states = [each.state_dict() for each in (alone, first, second, heavy)]
    assert all(torch.equal(states[1][name], states[2][name]) for name in states[1])
    assert not all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert all(torch.equal(states[0][name], states[3][name]) for name in states[0])


def test_a_teacher_of_other_classes_is_one_sentence_and_none_is_the_default(taught):
    data, folder, _ = taught
    with pytest.raises(PipelineError, match=r"train.teacher: .* has the classes .* of the same classes"):
        load_teacher(folder, replace(data.spec, classes=["a", "something", *data.spec.classes[2:]]))
    assert recipe().taught_by is None
    assert not {"teacher", "teacher_weight"} & set(recipe().model_dump())
