"""The channel of the insides of buildings: packed with the classes, learnt, saved, exported, left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.learn.recipes import recipe, run, stripes
from urbanseg.classes import IGNORE
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.infer import backends, export
from urbanseg.io import cog, raster
from urbanseg.learn import training
from urbanseg.learn.data import TrainingSet
from urbanseg.learn.instances import InstanceLoss
from urbanseg.learn.losses import SegmentationLoss
from urbanseg.learn.targets import packed, unpacked
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.spec import CORE, read_spec


def told_apart(folder: Path) -> TrainingSet:
    """Stripes whose middle third is their inside."""
    data = stripes(folder)
    source = data.sources["x"]._replace(cores=folder / "cores.tif")
    with raster.reading(source.labels) as labels:
        values, grid = labels.read_band(), labels.grid
    inside = (
        (values == 1) & (np.indices(grid.shape).sum(0) % 16 > 4) & (np.indices(grid.shape).sum(0) % 16 < 11)
    )
    with cog.writing(source.cores, grid, dtype="uint8", nodata=IGNORE) as writer:
        writer.write(np.where(values == IGNORE, IGNORE, inside).astype(np.uint8))
    return replace(data, sources={"x": source}, spec=replace(data.spec, instances=True))


@given(st.lists(st.tuples(st.sampled_from([0, 1, 99, IGNORE]), st.sampled_from([0, 1, IGNORE])), min_size=1))
def test_what_is_packed_is_unpacked(pixels: list[tuple[int, int]]) -> None:
    classes, cores = np.array(pixels, np.uint8).T
    found, inside = unpacked(torch.from_numpy(packed(classes, cores).astype(np.int64)))
    assert (found.numpy() == classes).all()
    assert (inside.numpy() == ((cores == 1) & (classes != IGNORE))).all()


def test_the_loss_is_that_of_the_classes_and_of_the_insides_of_labelled_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    classes = torch.randint(0, 2, (2, 8, 8), generator=generator)
    classes[:, :2] = IGNORE
    target = torch.where((classes == 1), classes + 128, classes)
    plain = SegmentationLoss(recipe().loss)(logits[:, :2], classes)
    known = classes != IGNORE
    p = logits[:, 2].sigmoid()
    core = -torch.where(classes == 1, p, 1 - p).log()[known].mean()
    assert torch.isclose(InstanceLoss(recipe().loss)(logits, target), plain + core)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model that has learnt."""
    folder = tmp_path_factory.mktemp("told_apart")
    data = told_apart(folder)
    params = recipe(instances=True, epochs=6, steps_per_epoch=4, learning_rate=5e-3)
    trained, progress = run(data, folder / "state", params)
    assert progress.history[-1]["loss"] < progress.history[0]["loss"]
    segmenter.save(folder / "segmenter", trained.cpu(), data.spec, Card(cities=["x"]))
    return folder


@pytest.mark.slow
def test_the_insides_are_learnt_beside_the_classes_and_given_only_where_asked_for(learnt: Path) -> None:
    options = PredictParams(backend="torch", device="cpu", threads=1, precision="float32")
    both, spec = backends.load(learnt / "segmenter", learnt / "export", options, cores=True)
    alone, _ = backends.load(learnt / "segmenter", learnt / "export", options)
    assert spec.channels == ["a", "b", CORE]
    with raster.reading(learnt / "scene.tif") as scene, raster.reading(learnt / "cores.tif") as cores:
        pixels, inside = scene.read()[None, :, :, :64], cores.read_band()[:, :64]
    answer = both(pixels)
    assert answer.shape == (1, 3, 64, 64)
    assert (alone(pixels) == answer[:, :2]).all()
    known = inside != IGNORE
    assert answer[0, 2][known & (inside == 1)].mean() > answer[0, 2][known & (inside == 0)].mean() + 0.05


@pytest.mark.slow
def test_onnx_has_a_second_output_and_answers_alike(learnt: Path) -> None:
    network, spec = segmenter.load(learnt / "segmenter")
    (learnt / "export").mkdir()
    export.write(learnt / "export", ["onnx"], learnt / "segmenter", network, spec, list)
    options = PredictParams(backend="onnx", device="cpu", threads=1)
    predict, _ = backends.load(learnt / "segmenter", learnt / "export", options, cores=True)
    classes, _ = backends.load(learnt / "segmenter", learnt / "export", options)
    torch_options = PredictParams(backend="torch", device="cpu", threads=1, precision="float32")
    expected, _ = backends.load(learnt / "segmenter", learnt / "export", torch_options, cores=True)
    pixels = np.random.default_rng(0).integers(500, 3000, (2, 4, 64, 96)).astype(np.uint16)
    np.testing.assert_allclose(predict(pixels), expected(pixels), atol=1e-4)
    assert classes(pixels).shape == (2, 2, 64, 96)


def test_a_model_that_does_not_tell_buildings_apart_says_nothing_of_it(tmp_path: Path) -> None:
    data = stripes(tmp_path)
    segmenter.save(tmp_path / "plain", training.create(recipe(), data.spec), data.spec, Card(cities=["x"]))
    assert "instances" not in (tmp_path / "plain/segmenter.json").read_text()
    assert "instances" not in recipe().model_dump()
    assert not read_spec(tmp_path / "plain").instances


def test_a_model_goes_on_from_one_without_the_channel(tmp_path: Path) -> None:
    data = stripes(tmp_path)
    params = recipe()
    segmenter.save(tmp_path / "plain", training.create(params, data.spec), data.spec, Card(cities=["x"]))
    spec = replace(data.spec, instances=True)
    begun = training.create(recipe(instances=True, init_from=str(tmp_path / "plain")), spec)
    plain, _ = segmenter.load(tmp_path / "plain")
    theirs, own = plain.network.state_dict(), begun.network.state_dict()
    last = "segmentation_head.0.weight"
    assert own[last].shape[0] == 3
    assert torch.equal(own[last][:2], theirs[last])


def test_such_a_model_is_not_merged(learnt: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="also tells buildings apart, which a merged model does not"):
        segmenter.merge(tmp_path, [learnt / "segmenter"], ["a", "b"])
