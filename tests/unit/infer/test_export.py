"""Export of a small segmenter with random weights: one capture, all formats, shared by the tests."""

import json
import shutil
import sys
import zipfile

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from pydantic import ValidationError

from urbanseg import paths
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.infer import backends, export
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

ENCODER = "resnet18"
SPEC = Spec(["red", "nir"], [1000.0, 2000.0], [300.0, 500.0], ["a", "b", "c"], "Unet", ENCODER, upsample=2)
FORMATS = ["torch_export", "onnx", "deepness", "openvino", "openvino_int8"]


def options(**changes):
    values = {"backend": "torch", "size": 64, "overlap": 32, "batch_size": 2, "device": "cpu", "threads": 1}
    return PredictParams(**values | changes)


def pixels(n=1, height=64, width=96, seed=0):
    return np.random.default_rng(seed).integers(0, 4000, (n, 2, height, width)).astype(np.uint16)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(3)
    shallow = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
    network = smp.create_model("Unet", ENCODER, encoder_weights=None, in_channels=2, classes=3, **shallow)
    folder = tmp_path_factory.mktemp("models") / "segmenter"
    segmenter.save(folder, Segmenter(network.eval(), 2), SPEC, Card(cities=["x"]))
    return folder


def write(folder, model, formats):
    network, spec = segmenter.load(model)
    calibration = [pixels(seed=i).astype(np.float32) for i in range(2)]
    export.write(folder, formats, model, network, spec, lambda: calibration)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    write(folder, model, FORMATS)
    return folder


def reference(model):
    network, spec = segmenter.load(model)
    return TorchPredictor(network, spec, torch.device("cpu"), 1, "float32")


@pytest.mark.parametrize("name", ["torch_export", "onnx", "openvino"])
def test_a_float_format_answers_like_torch_whatever_the_number_and_size_of_images(model, exported, name):
    predict, expected = export.predictor(exported / name, 1), reference(model)
    for shape in [(1, 32, 32), (3, 64, 160)]:
        batch = pixels(*shape)
        found = predict(batch)
        np.testing.assert_allclose(found, expected(batch), atol=1e-4)
        assert found.dtype == np.float32
        assert found.flags.writeable


def test_int8_is_close_to_torch_and_a_quarter_of_its_size(model, exported):
    batch = pixels(2)
    found = export.predictor(exported / "openvino_int8", 1)(batch)
    assert np.abs(found - reference(model)(batch)).mean() < 0.05
    sizes = [(exported / name / "segmenter.bin").stat().st_size for name in ("openvino_int8", "openvino")]
    assert sizes[0] < 0.35 * sizes[1]


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino", "openvino_int8"])
def test_each_back_end_is_loaded_by_its_name_and_takes_nan_for_zero(model, exported, name):
    predict, spec = backends.load(model, exported, options(backend=name))
    assert spec == SPEC
    holed = pixels().astype(np.float32)
    filled = holed.copy()
    holed[:, :, 5:9, 5:9], filled[:, :, 5:9, 5:9] = np.nan, 0
    answer = predict(filled)
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(predict(holed), answer)


def test_an_unknown_back_end_is_refused_with_the_names_there_are():
    with pytest.raises(ValidationError, match="'torch', 'onnx', 'openvino' or 'openvino_int8'"):
        options(backend="tensorflow")
    names = PredictParams.model_fields["backend"].annotation.__args__
    assert names == tuple(backends.BACKENDS)


FLOATS = ["torch_export", "onnx", "openvino"]


def files_of(folder):
    return sorted(path.relative_to(folder) for name in FLOATS for path in (folder / name).iterdir())


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(model, exported, tmp_path):
    write(tmp_path, model, FLOATS)
    assert files_of(tmp_path) == files_of(exported)
    for name in files_of(tmp_path):
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes(), name


def test_what_is_exported_holds_no_path_and_no_pickle(exported):
    assert len(files_of(exported)) == 10
    for name in files_of(exported):
        content = (exported / name).read_bytes()
        assert b"site-packages" not in content, name
        assert str(exported).encode() not in content, name
    with zipfile.ZipFile(exported / "torch_export/segmenter.pt2") as archive:
        assert all(archive.getinfo(n).file_size == 0 for n in archive.namelist() if n.endswith(".pt"))
        assert not any(b'"use_pickle": true' in archive.read(n) for n in archive.namelist())


def test_a_format_that_was_not_exported_or_is_of_another_model_is_refused(model, exported, tmp_path):
    with pytest.raises(PipelineError, match=r"add onnx to export\.formats and run the export stage"):
        backends.load(model, tmp_path, options(backend="onnx"))
    network, _ = segmenter.load(model)
    with torch.no_grad():
        next(network.parameters()).mul_(2)
    segmenter.save(tmp_path / "other", network, SPEC, Card(cities=["x"]))
    with pytest.raises(PipelineError, match="was made of another model than"):
        backends.load(tmp_path / "other", exported, options(backend="onnx"))


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_damaged_file_is_one_sentence(exported, tmp_path, name):
    path = tmp_path / name
    path.mkdir()
    file = paths.EXPORT_FILES[name]
    (path / file).write_bytes((exported / name / file).read_bytes()[:1000])
    with pytest.raises(PipelineError, match=f"{file} is damaged .*; run the export stage again"):
        export.predictor(path, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backend": "onnx", "device": "cuda"}, "the onnx back end runs on the CPU"),
        ({"backend": "openvino", "device": "cuda"}, "the openvino back end runs on the CPU"),
        ({"backend": "onnx", "precision": "bfloat16"}, "which the onnx back end doesn't have"),
    ],
)
def test_what_a_back_end_can_not_do_is_said(model, exported, changes, said):
    with pytest.raises(PipelineError, match=said):
        backends.load(model, exported, options(**changes))


def test_an_exported_format_runs_without_the_model_that_it_was_made_of(model, exported, tmp_path):
    alone = shutil.copytree(exported / "onnx", tmp_path / "moved")
    assert backends.is_exported(alone)
    assert not backends.is_exported(model)
    predict, spec = backends.load_exported(alone, options())
    beside, own = backends.load(model, exported, options(backend="onnx"))
    pixels = np.random.default_rng(0).integers(0, 255, (1, len(spec.bands), 64, 64)).astype(np.uint8)
    np.testing.assert_array_equal(predict(pixels), beside(pixels))
    assert spec == own
    (alone / "segmenter.onnx").unlink()
    with pytest.raises(PipelineError, match="holds no exported model that runs here"):
        backends.load_exported(alone, options())


def test_torch_alone_needs_no_capture(model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "capture", None)
    write(tmp_path, model, ["torch"])
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "torch",
        "torch/export.json",
        "torch/segmenter.json",
    ]


def test_nothing_reports_to_the_vendor():
    telemetry = sys.modules["openvino.tools.ovc.telemetry_utils"].tm
    assert telemetry.__name__.endswith("telemetry_stub")


FORMER = {"sha256": None}


def changed(exported, tmp_path, name, file, **changes):
    """A copy of an exported format whose JSON file was changed."""
    folder = shutil.copytree(exported / name, tmp_path / name)
    for path in (folder / "export.json", folder / file):
        content = json.loads(path.read_text()) | (changes if path.name == file else {})
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return folder


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("onnx", "segmenter.onnx"),
        ("onnx", "segmenter.json"),
        ("openvino", "segmenter.bin"),
        ("openvino", "segmenter.xml"),
    ],
)
def test_an_exported_file_with_a_flipped_bit_is_refused(model, exported, tmp_path, name, file):
    folder = shutil.copytree(exported / name, tmp_path / name)
    flip_a_bit(folder / file)
    with pytest.raises(PipelineError) as caught:
        backends.load_exported(folder, options())
    assert str(caught.value).isprintable()
    with pytest.raises(PipelineError):
        backends.load(model, tmp_path, options(backend=name))


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["c", "b", "a"]},
        {"classes": ["a", "b", "c", "d"]},
        {"bands": ["red"], "mean": [0.0], "std": [1.0]},
        {"std": [1.0, 0.0]},
        {"mean": [float("nan")] * 2},
    ],
)
def test_an_exported_format_whose_spec_was_changed_is_refused(exported, tmp_path, changes):
    folder = changed(exported, tmp_path, "onnx", "segmenter.json", **changes)
    with pytest.raises(PipelineError, match=r"onnx holds no complete model .*; .* run the"):
        backends.load_exported(folder, options())


def test_an_exported_format_of_before_opens_with_a_warning_unless_it_makes_no_sense(
    exported, tmp_path, caplog
):
    folder = changed(exported, tmp_path, "onnx", "export.json", **FORMER)
    backends.load_exported(folder, options())
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder} is from before models had digests: damage to it would go unnoticed"
    ]
    spec = json.loads((folder / "segmenter.json").read_text())
    (folder / "segmenter.json").write_text(json.dumps(spec | {"classes": ["a", "b", "c", "d"]}))
    with pytest.raises(PipelineError, match="it does not answer with 4 finite numbers"):
        backends.load_exported(folder, options())


@pytest.mark.parametrize("manifest", ["[]", '{"format": ["onnx"]}', "{", '{"format": "torch_export"}'])
def test_a_manifest_that_makes_no_sense_is_one_sentence(exported, tmp_path, manifest):
    folder = shutil.copytree(exported / "onnx", tmp_path / "onnx")
    (folder / "export.json").write_text(manifest)
    with pytest.raises(PipelineError):
        backends.load_exported(folder, options())


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_classes_come_in_the_order_that_is_wanted_matched_by_name(model, exported, backend, caplog):
    own, _ = backends.load(model, exported, options(backend=backend))
    wanted = ["c", "new", "a", "b"]
    predict, spec = backends.load(model, exported, options(backend=backend), wanted)
    assert spec.classes == wanted
    assert "doesn't know new: no pixel gets that class" in caplog.text
    expected = own(pixels())
    found = predict(pixels())
    for column, name in enumerate(wanted):
        values = expected[:, SPEC.classes.index(name)] if name in SPEC.classes else 0
        np.testing.assert_array_equal(found[:, column], values)


def test_a_class_that_the_parameters_do_not_have_is_named(model, exported):
    with pytest.raises(PipelineError, match=r"tells apart a, b, c, but .* are a, b, d, without c; name them"):
        backends.load(model, exported, options(), ["a", "b", "d"])


def test_the_variant_for_deepness_takes_pixels_divided_by_255(model, exported):
    batch = pixels(2)
    np.testing.assert_allclose(
        export.predictor(exported / "deepness", 1)(batch), reference(model)(batch), atol=1e-4
    )
    with pytest.raises(PipelineError, match="holds no exported model that runs here"):
        backends.load_exported(exported / "deepness", options())
