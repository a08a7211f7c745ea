import logging
from dataclasses import replace

import pytest
import torch

from urbanseg.errors import PipelineError
from urbanseg.learn import model
from urbanseg.learn.pretrained import adapt_first_layer
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

FOUR = ["B02", "B03", "B04", "B08"]
SPEC = Spec(FOUR, [0.0] * 4, [1.0] * 4, ["other", "road", "water"], "Unet", "tu-test_resnet")


def create(spec, seed, channels=(16, 16, 8, 8, 8)):
    torch.manual_seed(seed)
    return model.create(
        spec.arch, spec.encoder, spec.bands, len(spec.classes), decoder_channels=channels, weights=None
    )


@pytest.fixture
def earlier(tmp_path):
    def save(arch):
        spec = replace(SPEC, arch=arch)
        network = create(spec, 1)
        segmenter.save(tmp_path / arch, Segmenter(network, 1), spec, Card(cities=["x"]))
        return tmp_path / arch, network.state_dict()

    return save


@pytest.mark.parametrize("arch", ["Unet", "DualBranch"])
def test_a_model_of_the_same_make_is_taken_whole(earlier, arch):
    folder, theirs = earlier(arch)
    network = create(replace(SPEC, arch=arch), 2)
    assert model.start_from(network, folder, replace(SPEC, arch=arch)) == []
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("arch", ["Unet", "DualBranch"])
def test_classes_are_matched_by_name_and_bands_too(earlier, arch, caplog):
    folder, theirs = earlier(arch)
    spec = replace(SPEC, arch=arch, bands=["red", "nir", "swir"], classes=["other", "water", "ice", "road"])
    network = create(spec, 2)
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with caplog.at_level(logging.INFO):
        remarks = model.start_from(network, folder, spec)
    assert remarks == [
        "its first layer is adapted from the bands B02, B03, B04, B08 to red, nir, swir",
        "it doesn't know ice, which start at random",
    ]
    assert [record.message for record in caplog.records] == [f"{folder}: {remark}" for remark in remarks]
    for name, tensor in network.state_dict().items():
        if name.startswith("segmentation_head."):
            assert torch.equal(tensor[[0, 1, 3]], theirs[name][[0, 2, 1]])
            assert torch.equal(tensor[2], fresh[name][2])
        elif name.endswith("model.conv1.0.weight"):
            torch.testing.assert_close(tensor, adapt_first_layer(theirs[name], spec.bands, FOUR))
        else:
            assert torch.equal(tensor, theirs[name]), name


def test_classes_in_another_order_are_not_confused(earlier):
    folder, theirs = earlier("Unet")
    spec = replace(SPEC, classes=["other", "water", "road"])
    network = create(spec, 2)
    assert model.start_from(network, folder, spec) == []
    assert torch.equal(network.segmentation_head[0].weight, theirs["segmentation_head.0.weight"][[0, 2, 1]])


def test_what_does_not_fit_is_said(earlier):
    folder, _ = earlier("Unet")
    network = create(SPEC, 2, channels=(16, 16, 8, 8, 4))
    remarks = model.start_from(network, folder, replace(SPEC, classes=["other", "road", "water"], upsample=2))
    assert remarks[0] == "it saw images enlarged 1 times, now it's 2 times"
    assert "tensors of decoder, segmentation_head have another shape and start at random" in remarks[1]


@pytest.mark.parametrize("change", [{"arch": "FPN"}, {"encoder": "resnet18"}])
def test_a_model_of_another_make_is_refused(earlier, change):
    folder, _ = earlier("Unet")
    spec = replace(SPEC, **change)
    with pytest.raises(PipelineError, match="is a Unet with the encoder tu-test_resnet, but"):
        model.start_from(create(spec, 2), folder, spec)


def test_a_folder_without_a_model_is_one_sentence(tmp_path):
    with pytest.raises(PipelineError, match="holds no complete model"):
        model.start_from(create(SPEC, 2), tmp_path / "nowhere", SPEC)
