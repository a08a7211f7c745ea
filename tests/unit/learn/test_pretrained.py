import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from urbanseg.errors import PipelineError
from urbanseg.learn import model, pretrained
from urbanseg.learn.pretrained import PACKAGED, adapt_first_layer
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

CHANNELS = [16, 16, 8, 8, 8]
LITE0 = "timm-tf_efficientnet_lite0"
RGB = ["B04", "B03", "B02"]
FOUR = ["B02", "B03", "B04", "B08"]


def create(encoder, weights, bands=RGB, arch="Unet"):
    return model.create(arch, encoder, bands, 2, decoder_channels=CHANNELS, weights=weights)


def encoder_of(name, seed=5, channels=3):
    torch.manual_seed(seed)
    return smp.encoders.get_encoder(name, in_channels=channels, weights=None)


def assert_taken(network, theirs, first, bands=FOUR, learnt=pretrained.RGB):
    """All of the encoder is theirs, the first layer adapted."""
    for name, tensor in network.encoder.state_dict().items():
        expected = adapt_first_layer(theirs[name], bands, learnt) if name == first else theirs[name]
        torch.testing.assert_close(tensor, expected)


@pytest.mark.parametrize("encoder", sorted(PACKAGED))
def test_the_packaged_weights_fill_the_encoder_and_need_no_network(encoder):
    network = create(encoder, "imagenet", FOUR)
    theirs = dict(pretrained._packaged(encoder).tensors)
    assert len(network.encoder.state_dict()) == len(theirs) - 2  # all but the classifier
    assert_taken(network, theirs, "conv_stem.weight")


def test_the_first_layer_answers_alike_to_any_order_of_the_colours():
    weight = torch.rand(8, 3, 3, 3)
    rgb = torch.rand(1, 3, 32, 32)
    expected = torch.nn.functional.conv2d(rgb, weight)
    for bands in (["B02", "B03", "B04"], ["blue", "green", "red"]):
        swapped = adapt_first_layer(weight, bands)
        answer = torch.nn.functional.conv2d(rgb.flip(1), swapped)
        torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("bands", [FOUR, ["nir"], ["red", "swir"], ["B08", "B11", "B12", "B04", "B03"]])
def test_the_first_layer_keeps_its_response_to_a_grey_image(bands):
    weight = torch.rand(8, 1, 3, 3).expand(-1, 3, -1, -1)
    grey = torch.rand(1, 1, 16, 16)
    three = torch.nn.functional.conv2d(grey.expand(1, 3, -1, -1), weight)
    adapted = adapt_first_layer(weight, bands)
    answer = torch.nn.functional.conv2d(grey.expand(1, len(bands), -1, -1), adapted)
    torch.testing.assert_close(answer, three, atol=1e-5, rtol=1e-4)


def test_a_band_that_was_learnt_keeps_its_filters_and_a_new_one_takes_the_mean():
    weight = torch.rand(8, 4, 3, 3)
    adapted = adapt_first_layer(weight, ["nir", "red", "thermal"], FOUR)
    torch.testing.assert_close(adapted[:, 0], weight[:, 3] * 4 / 3)
    torch.testing.assert_close(adapted[:, 1], weight[:, 2] * 4 / 3)
    torch.testing.assert_close(adapted[:, 2], weight.mean(1) * 4 / 3)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_from_a_file(tmp_path, suffix):
    theirs = encoder_of(LITE0).state_dict()
    path = tmp_path / f"encoder{suffix}"
    save_file(theirs, path) if suffix == ".safetensors" else torch.save(theirs, path)
    assert_taken(create(LITE0, str(path), FOUR), theirs, "conv_stem.weight")


def test_weights_come_from_a_file_that_timm_wrote(tmp_path):
    theirs = timm.create_model("test_convnext").state_dict()
    torch.save(theirs, tmp_path / "timm.pth")
    network = create("tu-test_convnext", str(tmp_path / "timm.pth"))
    state = network.encoder.state_dict()
    torch.testing.assert_close(state["model.stem_0.weight"], theirs["stem.0.weight"])
    torch.testing.assert_close(
        state["model.stages_2.blocks.0.mlp.fc1.weight"], theirs["stages.2.blocks.0.mlp.fc1.weight"]
    )


def test_weights_come_from_the_hub(tmp_path, monkeypatch):
    theirs = encoder_of("mobileone_s0").state_dict()
    settings = smp.encoders.encoders["mobileone_s0"]["pretrained_settings"]["imagenet"]
    repo = tmp_path / f"models--{settings['repo_id'].replace('/', '--')}" / "snapshots" / settings["revision"]
    repo.mkdir(parents=True)
    (repo / "config.json").write_text("{}")
    save_file(theirs, repo / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    network = create("mobileone_s0", "imagenet", FOUR)
    for name in ("stage0.rbr_conv.0.conv.weight", "stage0.rbr_scale.conv.weight"):
        torch.testing.assert_close(
            network.encoder.state_dict()[name], adapt_first_layer(theirs[name], FOUR), msg=name
        )
    torch.testing.assert_close(
        network.encoder.stage4[0].rbr_scale.conv.weight, theirs["stage4.0.rbr_scale.conv.weight"]
    )


@pytest.mark.parametrize("arch", ["FPN", "DualBranch"])
def test_weights_come_from_an_earlier_model(tmp_path, arch):
    spec = Spec(FOUR, [0.0] * 4, [1.0] * 4, ["a", "b"], "Unet", LITE0)
    earlier = create(LITE0, None, FOUR)
    segmenter.save(tmp_path / "model", Segmenter(earlier, 1), spec, Card(cities=["x"]))
    network = create(LITE0, str(tmp_path / "model"), ["red", "thermal"], arch)
    theirs = earlier.encoder.state_dict()
    for encoder in network.encoder.values() if arch == "DualBranch" else [network.encoder]:
        for name, tensor in encoder.state_dict().items():
            first = name == "conv_stem.weight"
            expected = adapt_first_layer(theirs[name], ["red", "thermal"], FOUR) if first else theirs[name]
            torch.testing.assert_close(tensor, expected)


def test_weights_of_another_encoder_are_one_sentence(tmp_path):
    torch.save(encoder_of("resnet18").state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(PipelineError, match=r"resnet18\.pth holds no weights of this encoder: conv_stem"):
        create(LITE0, str(tmp_path / "resnet18.pth"))
    torch.save(encoder_of("resnet18", channels=7).state_dict(), tmp_path / "seven.pth")
    with pytest.raises(PipelineError, match=r"weights of another encoder: conv1.weight is \(64, 7, 7, 7\)"):
        create("resnet18", str(tmp_path / "seven.pth"))


def test_a_file_that_is_no_weights_is_one_sentence(tmp_path):
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("no weights")
        with pytest.raises(PipelineError, match=f"{name} cannot be read as weights"):
            create(LITE0, str(tmp_path / name))
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "more.pth")
    with pytest.raises(PipelineError, match=r"more\.pth holds more than tensors"):
        create(LITE0, str(tmp_path / "more.pth"))
    with pytest.raises(PipelineError, match="encoder_weights 'nowhere' is neither"):
        create(LITE0, "nowhere")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({"weights": print}, tmp_path / "code.pth")
    with pytest.raises(PipelineError, match=r"code\.pth cannot be read as weights"):
        create(LITE0, str(tmp_path / "code.pth"))


@pytest.mark.parametrize("encoder", ["resnet18", "tu-convnext_atto"])
def test_weights_from_the_hub_without_a_network_are_one_sentence(encoder, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PipelineError, match=f"imagenet weights of {encoder} come from the Hugging Face hub"):
        create(encoder, "imagenet")


def test_an_encoder_without_imagenet_weights_is_one_sentence():
    with pytest.raises(PipelineError, match="there are no imagenet weights of tu-lcnet_035"):
        create("tu-lcnet_035", "imagenet")


SMALL = "tu-test_resnet"


def foreign(**changes):
    """The weights of the small encoder, its first tensor replaced or others added."""

    def make(path):
        state = dict(encoder_of(SMALL).state_dict())
        first = next(iter(state))
        for name, value in changes.items():
            state[first if name == "first" else name] = value(state[first]) if callable(value) else value
        torch.save(state, path)

    return make


FOREIGN = {
    "keys that are numbers": (lambda path: torch.save({1: torch.ones(2)}, path), "more than tensors by name"),
    "a list": (lambda path: torch.save([torch.ones(2)], path), "more than tensors by name"),
    "a whole network": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "cannot be read as weights"),
    "nothing": (lambda path: torch.save({}, path), "holds no weights of this encoder"),
    "a pickle of protocol 0": (
        lambda path: path.write_bytes(b"cos\nsystem\n(S'ls'\ntR."),
        "cannot be read as",
    ),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 9), "cannot be read as weights"),
    "an empty file": (lambda path: path.write_bytes(b""), "cannot be read as weights"),
    "NaN": (foreign(first=lambda t: t * float("nan")), "holds numbers that are not finite"),
    "a scalar": (foreign(first=lambda t: t.sum()), "weights of another encoder"),
    "whole numbers": (
        foreign(first=lambda t: t.to(torch.uint8)),
        "is torch.uint8 where",
    ),
    "complex numbers": (foreign(first=lambda t: t.to(torch.complex64)), "is no ordinary tensor"),
    "a sparse tensor": (foreign(first=lambda t: t.to_sparse()), "no ordinary tensor|cannot be read"),
    "a name twice": (foreign(**{"encoder.model.bn1.weight": torch.ones(3)}), "two tensors for one"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_weights_that_are_none_of_this_encoder_are_one_sentence(tmp_path, kind):
    make, said = FOREIGN[kind]
    make(tmp_path / "foreign.pth")
    with pytest.raises(PipelineError, match=said) as caught:
        create(SMALL, str(tmp_path / "foreign.pth"))
    assert str(caught.value).isprintable()
    assert "foreign.pth" in str(caught.value)


def test_the_encoder_of_a_merged_model_is_asked_of_its_members(tmp_path):
    for name in ("road", "water"):
        spec = Spec(RGB, [0.0] * 3, [1.0] * 3, ["other", name], "Unet", SMALL)
        segmenter.save(tmp_path / name, Segmenter(create(SMALL, None), 1), spec, Card(cities=["x"]))
    (tmp_path / "m").mkdir()
    segmenter.merge(tmp_path / "m", [tmp_path / "road", tmp_path / "water"], ["other", "road", "water"])
    with pytest.raises(PipelineError, match=r"is a merged model; set train\.encoder_weights"):
        create(SMALL, str(tmp_path / "m"))
