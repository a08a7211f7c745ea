"""A small model packed to be shipped: one copy of its weights, read by PyTorch, ONNX Runtime and Deepness."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import rasterio
import torch
import yaml
from affine import Affine
from pyproj import CRS
from safetensors import safe_open

from urbanseg.cli.main import execute
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.infer import appearance, backends
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.io import cog, files
from urbanseg.learn.architectures import build
from urbanseg.model import domain, segmenter
from urbanseg.model.card import Card
from urbanseg.model.spec import Spec
from urbanseg.packed import description, registry
from urbanseg.workflows import pack_model
from urbanseg.workflows.pack_model import pack, read_fields
from urbanseg.workflows.training_statistics import training_statistics

SPEC = Spec(
    ["red", "green", "blue"], [110.0, 120.0, 100.0], [50.0, 60.0, 40.0],
    ["other", "building", "road", "water"], "Unet", "tu-test_resnet", 1,
    made_with={"torch": "2"}, resolution_m=0.65,
)  # fmt: skip
SIZE = 128
CARD = """
title: RGB | a test
license: CC0-1.0
credit: nobody, nowhere
summary: It was trained on nothing.
units: 8 bit
pixel_m: [0.3, 1]
date: 2026-01-01
trained_on: a CPU, no time
intended_use: [Tests]
limits: [Knows nothing]
data: [{name: Nothing, use: train, license: CC0-1.0, credit: nobody, url: "https://example.org/x"}]
scores: [{data: nothing, metric: mIoU, value: 0.25, low: 0.2, high: 0.3}]
"""
WINDOWS = PredictParams(size=SIZE, overlap=16)


def image(seed, height=SIZE, width=SIZE):
    """Smooth random colours ``(3, height, width)`` uint8."""
    coarse = torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (1, 3, 9, 9)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].numpy()
    mean, std = (np.array(v)[:, None, None] for v in (SPEC.mean, SPEC.std))
    return np.clip(fine * std + mean, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "card.yaml"
    path.write_text(CARD)
    return read_fields(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(5)
    network = build("Unet", "tu-test_resnet", 3, 4, [64, 32, 16, 8, 8])
    for module in network.modules():  # as after a training, so that normalisations are more than nothing
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    folder = tmp_path_factory.mktemp("model") / "segmenter"
    segmenter.save(folder, segmenter.Segmenter(network.eval(), 1), SPEC, Card(cities=["x"]))
    return folder


def packed_into(out, model, fields, version="1.0.0", **options):
    known = domain.statistics(
        (t for i in range(8) for t in domain.tiles(image(i), np.ones((SIZE, SIZE), bool))), SPEC
    )
    given = {"check": [image(1), image(2)], "known": known, "windows": WINDOWS} | options
    return pack(model, out, "test-rgb", version, fields, **given)


@pytest.fixture(scope="module")
def packed(model, fields, tmp_path_factory):
    return packed_into(tmp_path_factory.mktemp("weights"), model, fields)


@pytest.fixture
def original(model):
    network, spec = segmenter.load(model)
    return TorchPredictor(network, spec, torch.device("cpu"), 1, "float32")


@pytest.fixture
def captured(packed, monkeypatch):
    """Graphs are copied from an earlier time, as capturing them takes seconds."""

    def copy(folder, *_):
        for name in (pack_model.GRAPH, pack_model.DEEPNESS):
            shutil.copyfile(packed / name, folder / name)

    monkeypatch.setattr(pack_model, "_write_graphs", copy)


def share_of_same(first, second):
    return (first.argmax(1) == second.argmax(1)).mean()


def test_one_copy_of_the_weights_in_half_precision_serves_both(packed, model, original):
    sizes = {path.name: path.stat().st_size for path in packed.iterdir()}
    assert sizes["model.safetensors"] < 0.6 * (model / "model.safetensors").stat().st_size
    assert sizes["segmenter.onnx"] + sizes["deepness.onnx"] < 0.2 * sizes["model.safetensors"]
    with safe_open(packed / "model.safetensors", "pt") as file:
        kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118, it is no mapping
    assert torch.float16 in kinds
    network, spec = segmenter.load(packed)
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    pixels = image(7)[None]
    halved = TorchPredictor(network, spec, torch.device("cpu"), 1, "float32")(pixels)
    predict, exported = backends.load_exported(packed, PredictParams())
    assert exported == spec == SPEC
    np.testing.assert_allclose(predict(pixels), halved, atol=1e-4)
    assert share_of_same(halved, original(pixels)) >= 0.999


def test_nothing_else_in_half_precision_than_filters_that_hold_most_numbers(packed):
    with safe_open(packed / "model.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, tensor in tensors.items():
        large = tensor.ndim > 1 and tensor.numel() > pack_model.SMALL
        assert (tensor.dtype == torch.float16) == large, name
    with pytest.raises(PipelineError, match="the weights x are beyond what float16 holds"):
        pack_model.halved("x", torch.full((200, 200), 1e6))


def test_the_description_lists_all_other_files_by_their_digest(packed):
    about = description.describe(packed)
    assert set(about.files) == {path.name for path in packed.iterdir()} - {"model.json"}
    assert about.bands == ["red", "green", "blue"]
    assert about.total_bytes < pack_model.MOST_BYTES
    registry.check(packed, about)


def test_the_ten_lines_of_the_card_run_from_plain_onnx_runtime(packed, tmp_path):
    (lines,) = re.findall(r"```python\n(.*?)```", (packed / "README.md").read_text(), re.DOTALL)
    assert len([line for line in lines.splitlines() if line.strip()]) == 10
    folder = shutil.copytree(packed, tmp_path / "model")
    grid = Grid(CRS.from_epsg(32632), Affine(0.5, 0, 0, 0, -0.5, 0), 100, 90)
    with cog.writing(folder / "image.tif", grid, dtype="uint8", count=3) as writer:
        writer.write(image(3, 100, 90))
    program = lines + "np.save('classes.npy', classes)\nassert 'torch' not in __import__('sys').modules\n"
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    found = np.load(folder / "classes.npy")
    predict, _ = backends.load_exported(packed, PredictParams())
    padded = np.pad(image(3, 100, 90), [(0, 0), (0, 28), (0, 6)], mode="symmetric")
    np.testing.assert_array_equal(found, predict(padded[None])[0, :, :100, :90].argmax(0))


def deepness(path, raster):
    """Class of each pixel as Deepness has it: tiles without overlap here, as the raster is one tile."""
    session = onnxruntime.InferenceSession(path)
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["model_type"] == "Segmentor"
    assert json.loads(metadata["tiles_size"]) == raster.shape[-1]
    mean, std = (np.array(json.loads(metadata[f"standardization_{part}"])) for part in ("mean", "std"))
    tiles = raster.transpose(1, 2, 0)[None]  # the plugin holds images as (n, height, width, bands)
    tiles = np.float32(tiles * 1.0 / 255.0)
    tiles = (tiles - mean) / std
    batch = tiles.transpose(0, 3, 1, 2).astype(np.float32)
    (answer,) = session.run(None, {session.get_inputs()[0].name: batch})
    answer = np.clip(answer, 0, 1)
    answer[answer < float(metadata["seg_thresh"])] = 0
    return answer.argmax(axis=1)[0]


@pytest.mark.parametrize("name", ["deepness.onnx", "segmenter.onnx"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_deepness_gives_the_same_classes_by_what_the_file_says(packed, name, dtype):
    predict, _ = backends.load_exported(packed, PredictParams())
    for seed in (4, 9):
        pixels = image(seed).astype(dtype)
        ours = predict(pixels[None]).argmax(1)[0]
        assert len(np.unique(ours)) > 1
        assert (deepness(packed / name, pixels) == ours).mean() >= 0.99


def test_the_variant_needs_no_standardization_where_a_program_knows_none(packed):
    session = onnxruntime.InferenceSession(packed / "deepness.onnx")
    (answer,) = session.run(None, {"pixels": image(4)[None].astype(np.float32) / np.float32(255)})
    predict, _ = backends.load_exported(packed, PredictParams())
    assert share_of_same(answer, predict(image(4)[None])) >= 0.99


def test_the_metadata_are_those_that_other_programs_know(packed):
    metadata = {
        e.key: e.value for e in onnx.load(packed / "segmenter.onnx", load_external_data=False).metadata_props
    }
    assert json.loads(metadata["class_names"]) == {"0": "other", "1": "building", "2": "road", "3": "water"}
    assert float(metadata["resolution"]) == 65
    assert float(metadata["tiles_overlap"]) == 25  # WINDOWS has 12.5
    assert json.loads(metadata["std"]) == pytest.approx([1 / 255] * 3)
    assert json.loads(metadata["mean"]) == [0, 0, 0]


def test_the_card_says_what_a_person_must_know(packed):
    text = (packed / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "cc0-1.0"
    assert front["bands"] == ["red", "green", "blue"]
    for part in (
        "Knows nothing",
        "Tests",
        "| 0.25 | 0.2 to 0.3 |",
        "[Nothing](https://example.org/x)",
        "nobody",
    ):
        assert part in text


def test_the_stac_item_has_what_the_extension_for_models_asks_for(packed):
    item = json.loads((packed / "item.json").read_text())
    properties = item["properties"]
    required = ("mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output")
    assert all(properties[key] for key in required)
    assert properties["mlm:input"][0]["bands"] == SPEC.bands
    assert [c["name"] for c in properties["mlm:output"][0]["classification:classes"]] == SPEC.classes
    for name, asset in item["assets"].items():
        assert asset["file:checksum"] == f"1220{files.sha256(packed / name)}"
        assert ("mlm:model" in asset["roles"]) == ("mlm:artifact_type" in asset)


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(packed, model, fields, tmp_path):
    assert description.describe(packed_into(tmp_path, model, fields)) == description.describe(packed)


@pytest.mark.usefixtures("captured")
def test_a_version_is_kept_as_it_is(packed, model, fields):
    before = packed.stat()
    assert packed_into(packed.parents[1], model, fields) == packed
    assert packed.stat() == before
    other = fields.model_copy(update={"title": "Another"})
    with pytest.raises(PipelineError, match="exists with other content, and versions do not change"):
        packed_into(packed.parents[1], model, other)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"version": "1.0.0-beta"}, "the packed model's version"),
        ({"most_bytes": 100_000}, "MB packed, more than 0.1; train a smaller encoder"),
        ({"check": []}, "gives 0.0000% of the pixels"),
    ],
)
@pytest.mark.usefixtures("captured")
def test_what_can_not_be_shipped_is_one_sentence_and_leaves_nothing(model, fields, tmp_path, options, said):
    with pytest.raises(PipelineError, match=re.escape(said)):
        packed_into(tmp_path / "out", model, fields, **options)
    assert not list((tmp_path / "out").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("license: CC0-1.0\n", "\n", 1), "card.yaml: license: is missing; add it"),
        (("use: train", "use: fun"), r"card.yaml: data.0.use"),
        (("0.3, 1", "0.3"), "card.yaml: pixel_m"),
    ],
)
def test_a_wrong_field_of_the_card_is_named(tmp_path, change, said):
    (tmp_path / "card.yaml").write_text(CARD.replace(*change))
    with pytest.raises(PipelineError, match=said):
        read_fields(tmp_path / "card.yaml")
    with pytest.raises(PipelineError, match="does not exist; name the YAML file"):
        read_fields(tmp_path / "none.yaml")


@pytest.mark.usefixtures("captured")
def test_all_statistics_of_a_training_are_made_of_its_tiles_by_the_model(
    model, fields, tmp_path, monkeypatch
):
    monkeypatch.setattr("urbanseg.workflows.training_statistics.CROPS", {"train": 48, "val": 16})
    grid = Grid(CRS.from_epsg(32632), Affine(0.5, 0, 0, 0, -0.5, 0), 256, 256)
    for name, pixels in (("scene", image(3, 256, 256)), ("labels", np.ones((1, 256, 256), np.uint8))):
        with cog.writing(tmp_path / f"{name}.tif", grid, dtype="uint8", count=len(pixels)) as writer:
            writer.write(pixels)
    tiles = [{"city": "x", "split": split, "row": 0, "col": col, "height": 256, "width": 128}
             for split, col in (("train", 0), ("val", 128))]  # fmt: skip
    places = {f"{name}_of": lambda _, name=name: tmp_path / f"{name}.tif" for name in ("scene", "labels")}
    known = training_statistics(model, pd.DataFrame(tiles), 256, threads=1, **places)
    assert appearance.ALL in known[appearance.KEY]
    folder = packed_into(tmp_path / "weights", model, fields, known=known)
    assert backends.statistics(folder, tmp_path, SPEC) == json.loads(json.dumps(known))
    (folder / domain.FILE).write_text(json.dumps(known | {appearance.KEY: {"water": {}}}))
    with pytest.raises(PipelineError, match=r"domain\.json: its appearance of classes is of another model"):
        backends.statistics(folder, tmp_path, SPEC)


@pytest.mark.parametrize("words", [[], ["--backend", "torch"], ["--backend", "onnx"]], ids=str)
def test_an_image_is_predicted_by_the_name_of_a_shipped_model(packed, model, tmp_path, monkeypatch, words):
    monkeypatch.setattr(registry, "WEIGHTS", packed.parents[1])
    monkeypatch.setenv("URBANSEG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    grid = Grid(CRS.from_epsg(32632), Affine(0.5, 0, 0, 0, -0.5, 0), SIZE, SIZE)
    with cog.writing(tmp_path / "image.tif", grid, dtype="uint8", count=3, descriptions=SPEC.bands) as writer:
        writer.write(image(6))
    found = []
    for folder, options in (
        ("packed", ["--model", "test-rgb", *words]),
        ("original", ["--model", str(model), "--backend", "torch"]),
    ):
        execute(["map", "image.tif", folder, "--only", "classes", *options])
        with rasterio.open(f"{folder}/classes.tif") as classes:
            found.append(classes.read(1))
    assert (found[0] == found[1]).mean() >= 0.97  # some processors compute in bfloat16
