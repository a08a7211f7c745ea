import json
from dataclasses import replace

import pytest
import segmentation_models_pytorch as smp
import torch

from urbanseg.errors import PipelineError
from urbanseg.learn import architectures
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.dual_branch import DualBranch
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import CLIP, Spec

SPEC = Spec(
    bands=["B02", "B03", "B04", "B08"],
    mean=[1000.0, 1100.0, 1200.0, 2500.0],
    std=[500.0, 500.0, 700.0, 1000.0],
    classes=["other", "road"],
    arch="Unet",
    encoder="tu-test_resnet",
    made_with={"torch": "2"},
)
CARD = Card(
    cities=["demo", "harbour"],
    tiles={"train": 29, "val": 4},
    shares={"other": 0.8315, "road": 0.1685},
    scores={"val_miou": 0.683727},
    recipe={"arch": "Unet", "only_class": None, "loss": {"ce_weight": 1.0}},
)


def segmenter_of(spec, seed=0):
    torch.manual_seed(seed)
    network = architectures.build(spec.arch, spec.encoder, 4, len(spec.classes), [16, 16, 8, 8, 8])
    return Segmenter(network, spec.upsample).eval()


def save(folder, spec, seed=0):
    network = segmenter_of(spec, seed)
    segmenter.save(folder, network, spec, CARD)
    return network


@pytest.mark.parametrize("arch", ["Unet", "DeepLabV3Plus", "Segformer", "DualBranch"])
@torch.no_grad()
def test_a_saved_model_is_loaded_with_its_spec(arch, tmp_path):
    spec = replace(SPEC, arch=arch, encoder="timm-mobilenetv3_small_minimal_100", upsample=2)
    saved = save(tmp_path / "model", spec)
    loaded, read = segmenter.load(tmp_path / "model")
    assert read == spec
    image = torch.rand(1, 4, 64, 64)
    assert torch.equal(loaded(image), saved(image))
    names = sorted(p.name for p in (tmp_path / "model").iterdir())
    assert names == ["README.md", "config.json", "model.safetensors", "segmenter.json"]
    if arch == "DualBranch":
        assert isinstance(loaded.network, DualBranch)
    else:
        finer = torch.rand(1, 4, 128, 128)
        assert torch.equal(smp.from_pretrained(str(tmp_path / "model")).eval()(finer), saved.network(finer))


@torch.no_grad()
def test_a_vision_transformer_is_loaded_for_images_of_any_size(tmp_path):
    spec = replace(SPEC, arch="DPT", encoder="tu-test_vit")
    saved = save(tmp_path / "model", spec)
    loaded, _ = segmenter.load(tmp_path / "model")
    image = torch.rand(1, 4, 32, 64)
    assert torch.equal(loaded(image), saved(image))


def test_a_model_with_imagenet_weights_is_loaded_without_asking_the_hub_for_them(tmp_path):
    save(tmp_path / "model", SPEC)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["encoder_weights"] is None


def test_a_damaged_model_is_one_sentence(tmp_path):
    with pytest.raises(PipelineError, match="holds no complete model"):
        segmenter.load(tmp_path / "nowhere")
    save(tmp_path / "model", SPEC)
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(PipelineError, match="holds no complete model"):
        segmenter.load(tmp_path / "model")


def test_the_versions_of_the_libraries_are_told():
    assert segmenter.made_with()["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert set(segmenter.made_with()) == {"torch", "segmentation-models-pytorch", "timm"}


def test_the_card_says_what_one_must_know_and_is_the_same_each_time(tmp_path):
    for name in "ab":
        save(tmp_path / name, SPEC)
    text = (tmp_path / "a" / "README.md").read_text()
    assert text == (tmp_path / "b" / "README.md").read_text()
    for line in (
        "Unet with the encoder tu-test_resnet, on images enlarged 1 times.",
        "| B08 | 2500 | 1000 |",
        "| 1 | road | 16.9% |",
        "- trained on demo, harbour",
        "- tiles: 29 for train, 4 for val; blocks go whole to one split, so no pixel is in two of them",
        "| val_miou | 0.6837 |",
        "| only_class | – |",
        "| loss.ce_weight | 1.0 |",
        "- torch 2",
        "## Limits",
    ):
        assert line in text.splitlines(), line


def member(name, folder, upsample=1, **changes):
    spec = replace(SPEC, classes=["other", name], upsample=upsample, **changes)
    return save(folder / name, spec, seed=len(name))


@torch.no_grad()
def test_a_merged_model_gives_each_class_its_members_odds(tmp_path):
    water = member("water", tmp_path, upsample=2)
    road = member("road", tmp_path, mean=[900.0] * 4, std=[400.0] * 4)
    classes = ["other", "building", "road", "water"]
    segmenter.merge(tmp_path / "merged", [tmp_path / "water", tmp_path / "road"], classes)
    merged, spec = segmenter.load(tmp_path / "merged")
    assert (spec.classes, spec.bands, spec.upsample) == (classes, SPEC.bands, 1)

    pixels = (torch.rand(4, 32, 32) * 500 + 900).numpy()
    road_spec = replace(spec, mean=[900.0] * 4, std=[400.0] * 4)
    p_water, p_road = (
        network(torch.from_numpy(own.normalise(pixels))[None]).softmax(1)[:, 1]
        for network, own in ((water, spec), (road, road_spec))
    )
    scores = torch.stack(
        [
            (1 - p_water) * (1 - p_road),
            torch.zeros_like(p_road),
            p_road * (1 - p_water),
            p_water * (1 - p_road),
        ],
        dim=1,
    )
    expected = scores / scores.sum(1, keepdim=True)
    answer = merged(torch.from_numpy(spec.normalise(pixels))[None]).softmax(1)
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=1e-4)


def test_a_merged_model_tells_what_it_is_made_of(tmp_path):
    member("water", tmp_path)
    member("road", tmp_path)
    segmenter.merge(tmp_path / "m", [tmp_path / "water", tmp_path / "road"], ["other", "road", "water"])
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md", "config.json", "road", "segmenter.json", "water",
    ]  # fmt: skip
    assert "Merged: water by Unet; road by Unet." in (tmp_path / "m" / "README.md").read_text()


def test_members_that_do_not_go_together_are_refused(tmp_path):
    member("water", tmp_path)
    member("road", tmp_path / "other_bands", bands=["a", "b", "c", "d"])
    member("water", tmp_path / "again")
    classes = ["other", "road", "water"]
    for other, sentence in (
        ("other_bands/road", "has the bands a, b, c, d but"),
        ("again/water", "both know water"),
    ):
        with pytest.raises(PipelineError, match=sentence):
            segmenter.merge(tmp_path / "m", [tmp_path / "water", tmp_path / other], classes)
    with pytest.raises(PipelineError, match="knows water, but the classes are other, road"):
        segmenter.merge(tmp_path / "m", [tmp_path / "water"], ["other", "road"])
    with pytest.raises(PipelineError, match="has other as its first class, where land must be"):
        segmenter.merge(tmp_path / "m", [tmp_path / "water"], ["land", "water"])
    assert not (tmp_path / "m").exists()


@torch.no_grad()
def test_an_ensemble_gives_the_weighted_mean_of_its_members_probabilities(tmp_path):
    turned = replace(SPEC, classes=SPEC.classes[::-1], mean=[900.0] * 4, std=[400.0] * 4)
    one, other = save(tmp_path / "one", SPEC, seed=1), save(tmp_path / "other", turned, seed=2)
    segmenter.average(tmp_path / "m", [tmp_path / "one", tmp_path / "other"], [3.0, 1.0])
    ensemble, spec = segmenter.load(tmp_path / "m")
    assert (spec.classes, spec.arch, spec.upsample) == (SPEC.classes, "Ensemble", 1)

    pixels = (torch.rand(4, 32, 32) * 500 + 900).numpy()
    first, second = (
        network(torch.from_numpy(own.normalise(pixels))[None]).softmax(1)
        for network, own in ((one, SPEC), (other, turned))
    )
    answer = ensemble(torch.from_numpy(spec.normalise(pixels))[None]).softmax(1)
    torch.testing.assert_close(answer, 0.75 * first + 0.25 * second.flip(1), atol=1e-5, rtol=1e-4)
    assert "The mean of Unet by 3, Unet by 1." in (tmp_path / "m/README.md").read_text()


def test_an_ensemble_is_of_models_of_the_same_bands_and_classes(tmp_path):
    save(tmp_path / "one", SPEC)
    member("water", tmp_path)
    save(tmp_path / "bands", replace(SPEC, bands=["a", "b", "c", "d"]))
    for other, what in (("water", "classes"), ("bands", "bands")):
        with pytest.raises(PipelineError, match=f"an ensemble is of models of the same {what}"):
            segmenter.average(tmp_path / "m", [tmp_path / "one", tmp_path / other], [1.0, 1.0])
    save(tmp_path / "two", SPEC, seed=2)
    segmenter.average(tmp_path / "m", [tmp_path / "one", tmp_path / "two"], [1.0, 1.0])
    with pytest.raises(PipelineError, match="is made of other models"):
        segmenter.average(tmp_path / "n", [tmp_path / "m", tmp_path / "one"], [1.0, 1.0])
    config = json.loads((tmp_path / "m/config.json").read_text())
    for weights in ([1.0], [1.0, 0.0], [1.0, "x"], None):
        (tmp_path / "m/config.json").write_text(json.dumps(config | {"weights": weights}))
        with pytest.raises(PipelineError, match="holds no complete model"):
            segmenter.load(tmp_path / "m")


HOSTILE_CLASSES = [
    ["other", "a/../../x"],
    ["other", "../x"],
    ["other", "/x"],
    ["..", "road"],
    ["other", "road\n"],
    ["other", "<script>"],
    ["other", "ignore"],
    ["other", "export"],
    ["other", "x" * 65],
    ["other", 1],
    ["other", "road", "road"],
    ["other"],
    [],
]


@pytest.mark.parametrize("classes", HOSTILE_CLASSES)
def test_a_model_folder_cannot_name_a_class_as_no_parameter_may(tmp_path, classes):
    save(tmp_path / "model", SPEC)
    file = tmp_path / "model" / "segmenter.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": classes}))
    before = sorted(tmp_path.rglob("*"))
    for read in (
        segmenter.load,
        segmenter.read_spec,
        lambda folder: segmenter.merge(tmp_path / "m", [folder, folder], ["other", *classes]),
    ):
        with pytest.raises(PipelineError, match="holds no complete model") as caught:
            read(tmp_path / "model")
        assert str(caught.value).isprintable()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../water", "/water", "a/b", "..", "", ".", "road\n", "-h", 1, None])
def test_a_merged_model_reads_no_member_from_elsewhere(tmp_path, name):
    member("water", tmp_path)
    member("road", tmp_path)
    folder = tmp_path / "m"
    segmenter.merge(folder, [tmp_path / "water", tmp_path / "road"], ["other", "road", "water"])
    config = json.loads((folder / "config.json").read_text())
    if isinstance(name, str) and name.startswith("/"):
        name = str(tmp_path / "water")  # a whole model, which would be loaded
    (folder / "config.json").write_text(json.dumps(config | {"members": ["road", name]}))
    with pytest.raises(PipelineError, match="holds no complete model"):
        segmenter.load(folder)


def test_a_member_of_many_classes_is_a_folder_with_a_name_that_a_file_system_takes(tmp_path):
    many = [f"{letter * 60}" for letter in "abcdef"]
    save(tmp_path / "many", replace(SPEC, classes=["other", *many]))
    member("road", tmp_path)
    classes = ["other", *many, "road"]
    segmenter.merge(tmp_path / "m", [tmp_path / "many", tmp_path / "road"], classes)
    assert segmenter.load(tmp_path / "m")[1].classes == classes


def test_normalised_pixels_are_clipped():
    assert abs(SPEC.normalise(torch.full((4, 2, 2), 60000).numpy())).max() == CLIP
