"""A model's folder that is not as it was saved is refused in one line, whatever was done to it."""

import json
import logging
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.model.test_segmenter import SPEC, save
from urbanseg.errors import PipelineError
from urbanseg.model import segmenter
from urbanseg.model.spec import SHA256


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save(folder, SPEC)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def edit(file, **changes):
    content = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in (content | changes).items() if v is not None}))


def without_digests(model):
    """Make it a folder of before."""
    edit(model / "segmenter.json", **{SHA256: None})


def tensors(model, change):
    state = load_file(model / "model.safetensors")
    change(state)
    save_file(state, model / "model.safetensors")


def with_value(value, ending="conv1.weight"):
    def change(state):
        next(t for name, t in state.items() if name.endswith(ending)).view(-1)[3] = value

    return lambda model: tensors(model, change)


def in_spec(**changes):
    return lambda model: edit(model / "segmenter.json", **changes)


def in_config(**changes):
    return lambda model: edit(model / "config.json", **changes)


def flip_a_bit(model):
    file = model / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def as_a_folder(name):
    def change(model):
        (model / name).unlink()
        (model / name).mkdir()

    return change


ONLY_BY_DIGEST = {
    "classes reversed": in_spec(classes=SPEC.classes[::-1]),
    "a class renamed": in_spec(classes=["other", "street"]),
    "another mean": in_spec(mean=[0.0] * 4),
    "upsample changed": in_spec(upsample=2),
    "bands in another order": in_spec(bands=SPEC.bands[::-1]),
    "a flipped bit": flip_a_bit,
    "digests of nothing": in_spec(**{SHA256: {}}),
    "digests that are a list": in_spec(**{SHA256: ["model.safetensors"]}),
    "a digest of another file": in_spec(**{SHA256: {"../x.json": "0" * 64}}),
}

ALWAYS = {
    "std 0": in_spec(std=[500.0, 0.0, 700.0, 1000.0]),
    "std NaN": in_spec(std=[float("nan")] * 4),
    "std negative": in_spec(std=[-500.0] * 4),
    "mean infinite": in_spec(mean=[float("inf")] * 4),
    "too few means": in_spec(mean=[1.0] * 3),
    "means that are no list": in_spec(mean=3.0),
    "a mean that is text": in_spec(mean=["1"] * 4),
    "a band twice": in_spec(bands=["B02", "B02", "B04", "B08"]),
    "a band more": in_spec(bands=[*SPEC.bands, "B11"], mean=[1.0] * 5, std=[1.0] * 5),
    "a class more": in_spec(classes=["other", "road", "water"]),
    "upsample 0": in_spec(upsample=0),
    "upsample true": in_spec(upsample=True),
    "upsample 1e9": in_spec(upsample=10**9),
    "an unknown key": in_spec(surprise=1),
    "another encoder": in_spec(encoder="resnet18"),
    "a spec that is a list": lambda model: (model / "segmenter.json").write_text("[]"),
    "a spec nested deeply": lambda model: (model / "segmenter.json").write_text("[" * 100_000),
    "a spec in latin-1": lambda model: (model / "segmenter.json").write_bytes(b'{"bands": ["\xe9"]}'),
    "another _model_class": in_config(_model_class="FPN"),
    "no _model_class": in_config(_model_class=None),
    "a _model_class that is a number": in_config(_model_class=3),
    "a config without an end": lambda model: (model / "config.json").write_text("{"),
    "a decoder of another width": in_config(decoder_channels=[8, 8, 8, 8, 8]),
    "decoder channels that are text": in_config(decoder_channels="wide"),
    "NaN weights": with_value(float("nan")),
    "infinite weights": with_value(float("-inf")),
    "a negative variance": with_value(-1.0, "running_var"),
    "a tensor missing": lambda model: tensors(model, lambda state: state.popitem()),
    "a tensor too many": lambda model: tensors(model, lambda state: state.update(alien=torch.ones(3))),
    "a tensor of another shape": lambda model: tensors(
        model, lambda state: state.update({next(iter(state)): torch.ones(3, 5)})
    ),
    "weights cut short": lambda model: (model / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"),
    "no weights": lambda model: (model / "model.safetensors").unlink(),
    "weights that are a folder": as_a_folder("model.safetensors"),
    "a config that is a folder": as_a_folder("config.json"),
}


def refusal(model):
    with pytest.raises(PipelineError) as caught:
        segmenter.load(model)
    sentence = str(caught.value)
    assert sentence.isprintable(), sentence
    assert str(model) in sentence
    return sentence


@pytest.mark.parametrize("kind", [*ONLY_BY_DIGEST, *ALWAYS])
def test_a_model_that_is_not_as_it_was_saved_is_refused(model, kind):
    (ONLY_BY_DIGEST | ALWAYS)[kind](model)
    assert "run the train stage again" in refusal(model)


@pytest.mark.parametrize("kind", ALWAYS)
def test_a_model_of_before_that_makes_no_sense_is_refused(model, kind):
    without_digests(model)
    ALWAYS[kind](model)
    refusal(model)


def test_the_file_that_changed_is_named(model):
    flip_a_bit(model)
    assert "(model.safetensors is damaged, or was changed since it was saved)" in refusal(model)


def test_a_model_of_before_opens_with_one_warning(model, caplog):
    segmenter.load(model)
    assert not caplog.records
    without_digests(model)
    segmenter.load(model)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"{model} is from before models had digests" in caplog.text


def test_the_card_may_be_edited_and_files_be_added(model):
    (model / "README.md").write_text("mine")
    (model / "notes.json").write_text("{}")
    segmenter.load(model)


def test_the_same_model_has_the_same_digests(model, tmp_path):
    save(tmp_path / "again", SPEC)
    first, again = ({p.name: p.read_bytes() for p in made.iterdir()} for made in (model, tmp_path / "again"))
    assert "model.safetensors" in first
    assert first == again


def test_a_merged_model_vouches_for_its_members(tmp_path, caplog):
    for seed, name in enumerate(("road", "water")):
        spec = replace(SPEC, classes=["other", name])
        save(tmp_path / name, spec, seed)
    without_digests(tmp_path / "road")
    merged = tmp_path / "merged"
    merged.mkdir()
    segmenter.merge(merged, [tmp_path / "road", tmp_path / "water"], ["other", "road", "water"])
    assert len(caplog.records) == 1
    segmenter.load(merged)
    assert len(caplog.records) == 1
    save(merged / "water", replace(SPEC, classes=["other", "water"]), 7)
    assert "water/model.safetensors is damaged" in refusal(merged)


def test_memory_that_is_full_is_no_reason_to_train_again(model, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory:\nyou tried …")

    monkeypatch.setattr(segmenter.smp, "from_pretrained", full)
    assert "there is not enough memory to read the model" in refusal(model)
