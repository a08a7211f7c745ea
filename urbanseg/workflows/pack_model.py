"""A trained model packed to be shipped: one copy of its weights in half precision for PyTorch and ONNX.

Large filters are stored in float16, small ones and vectors in float32 (one in twenty numbers). The
network that is loaded from them computes in float32. The ONNX files hold the
graph alone and take the weights from ``model.safetensors`` beside them, so that a model of 15 MB runs
with and without PyTorch. What was packed is compared with the original before it is kept.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from urbanseg.calibration import stored
from urbanseg.calibration.stored import Calibration
from urbanseg.config import yaml_text
from urbanseg.config.predict import PredictParams
from urbanseg.config.sentences import first_wrong
from urbanseg.errors import PipelineError
from urbanseg.infer import export
from urbanseg.infer.backends import MANIFEST, digest
from urbanseg.infer.backends.onnx import OnnxPredictor
from urbanseg.infer.backends.pixels import as_input
from urbanseg.infer.images import common_name
from urbanseg.infer.onnx_files import onnx_metadata, share_weights, write_deepness
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.io import files
from urbanseg.model import digests, domain, segmenter
from urbanseg.model.spec import FILE, Spec
from urbanseg.packed import registry
from urbanseg.packed.description import DESCRIPTION, Description, FileEntry, describe
from urbanseg.workflows.packed_card import CardFields, card, item

log = logging.getLogger(__name__)

MOST_BYTES = 15_000_000
"""Of a model that ships in the repository."""

MIN_EQUAL = 0.999
"""Share of the pixels that the packed model must give the same class."""

SMALL = 20_000
"""Numbers of a tensor that stays in float32: rounding the small ones changes ten times as many pixels as
the large ones, which are 19 of 20 numbers."""

GRAPH, DEEPNESS = "segmenter.onnx", "deepness.onnx"


def pack(
    model: Path,
    out: Path,
    name: str,
    version: str,
    fields: CardFields,
    *,
    check: Sequence[NDArray[Any]],
    known: Mapping[str, Any] | None = None,
    calibration: Calibration | None = None,
    windows: PredictParams | None = None,
    most_bytes: int = MOST_BYTES,
) -> Path:
    """Write a model as the folder ``out/name/version`` of the registry.

    Args:
        model: folder of the trained segmenter.
        out: the folder of packed models, such as `registry.WEIGHTS`.
        name: of the model: small letters, digits, and hyphens between them.
        version: numbers with dots; it must not exist with other content.
        fields: what a person says of the model.
        check: images ``(bands, height, width)``, with sides in multiples of 32, on which it must agree
            with the original.
        known: statistics of the training (`urbanseg.model.domain`).
        calibration: of its probabilities.
        windows: the `predict` section, for the tiles that other programs are told.
        most_bytes: of all files together.

    Returns:
        The folder.

    Raises:
        PipelineError: if the model is merged of others, is too large, or differs too much in half
            precision; if its name or version is none, or the version exists with other content.
    """
    network, spec = segmenter.load(model)
    if spec.arch in segmenter.OF_MEMBERS:
        raise PipelineError(f"{model} is merged of other models; pack its members, each for itself")
    bands = [common_name(band) for band in spec.bands]
    head = {
        "name": name, "version": version, "title": fields.title, "license": fields.license,
        "credit": fields.credit, "bands": bands, "pixel_m": fields.pixel_m,
    }  # fmt: skip
    _described(head, {FILE: FileEntry(bytes=0, sha256="0" * 64)})  # before the work
    target = out / name / version
    with files.temporary(target) as made:
        made.mkdir(parents=True)
        _write_model(made, model, spec, known)
        _require_small((made / segmenter.WEIGHTS).stat().st_size, most_bytes, model)  # before the long work
        _write_graphs(made, spec, windows)
        _require_same(made, TorchPredictor(network, spec, torch.device("cpu"), 1, "float32"), check)
        _sign(made, spec)
        if calibration is not None:
            # The packed weights differ from the trained ones in their digits, and so in their digest.
            stored.write(made, replace(calibration, model=digest(made)))
        _write_about(made, head, fields, spec, parameters=sum(p.numel() for p in network.parameters()))
        about = describe(made)
        _require_small(about.total_bytes, most_bytes, model)
        registry.check(made, about)
        _put(made, target, about)
    log.info("%s: %.1f MB", target, about.total_bytes / 1e6)
    return target


def read_fields(path: Path) -> CardFields:
    """What a person says of a model, from a YAML file.

    Raises:
        PipelineError: naming the first key that is wrong.
    """
    try:
        text = yaml_text.decoded(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise PipelineError(
            f"{path} does not exist; name the YAML file with the fields of the card"
        ) from None
    raw = yaml_text.read(text, str(path))
    try:
        return CardFields.model_validate(raw)
    except ValidationError as error:
        raise PipelineError(f"{path}: {first_wrong(error, raw)}") from None


def halved(name: str, tensor: Tensor) -> Tensor:
    """A tensor as it is stored: large ones in float16, anything else as it is.

    Raises:
        PipelineError: if float16 can't hold it.
    """
    if tensor.ndim < 2 or tensor.numel() <= SMALL or tensor.dtype != torch.float32:
        return tensor.contiguous()
    half = tensor.half()
    if not half.isfinite().all():
        raise PipelineError(f"the weights {name} are beyond what float16 holds; train with weight_decay")
    return half.contiguous()


def _write_model(folder: Path, model: Path, spec: Spec, known: Mapping[str, Any] | None) -> None:
    """The segmenter itself, without digests of what comes after it."""
    tensors = load_file(model / segmenter.WEIGHTS)
    stored = {name: halved(name, tensor) for name, tensor in tensors.items()}
    (folder / segmenter.WEIGHTS).write_bytes(to_bytes(stored, metadata={"format": "pt"}))
    shutil.copyfile(model / segmenter.CONFIG, folder / segmenter.CONFIG)
    if known is None:
        log.warning(
            "%s is packed without statistics of its training: it will not know what it doesn't know", model
        )
    else:
        domain.write(folder, known)
    _sign(folder, spec)


def _sign(folder: Path, spec: Spec) -> None:
    """Write the spec, and the manifest of the ONNX format if that is there, with digests of all files."""
    files.write_json(folder / FILE, digests.with_digests(folder, FILE, asdict(spec)))
    if (folder / GRAPH).is_file():
        about = {
            "format": "onnx",
            "segmenter_sha256": digest(folder),
            "bands": spec.bands,
            "classes": spec.classes,
        }
        files.write_json(folder / MANIFEST, digests.with_digests(folder, MANIFEST, about))


def _write_graphs(folder: Path, spec: Spec, windows: PredictParams | None) -> None:
    network, _ = segmenter.load(folder)  # as everybody will load it
    program = export.capture(network, spec)
    export.write_onnx(program, folder / GRAPH, onnx_metadata(spec, windows))
    share_weights(folder / GRAPH, folder / segmenter.WEIGHTS)
    write_deepness(folder / GRAPH, folder / DEEPNESS)


def _require_same(folder: Path, original: TorchPredictor, check: Sequence[NDArray[Any]]) -> None:
    packed = OnnxPredictor(folder / GRAPH, 1)
    images = [as_input(pixels[None]) for pixels in check]
    equal = [export.classes_of(original, image) == export.classes_of(packed, image) for image in images]
    share = float(np.mean(np.concatenate([each.ravel() for each in equal]))) if equal else 0.0
    log.info("%.4f %% of the pixels get the same class in half precision", 100 * share)
    if share < MIN_EQUAL:
        raise PipelineError(
            f"packed in half precision, the model gives {share:.4%} of the pixels the class that it gives "
            f"them in full, and {MIN_EQUAL:.1%} are needed; name more images to compare, or train it longer"
        )


def _require_small(size: int, most: int, model: Path) -> None:
    if size > most:
        raise PipelineError(
            f"{model} takes {size / 1e6:.1f} MB packed, more than {most / 1e6:g}; train a smaller encoder or "
            "decoder, or allow more"
        )


def _write_about(folder: Path, head: dict[str, Any], fields: CardFields, spec: Spec, parameters: int) -> None:
    """Card, Item and description: each lists what was there before it."""
    (folder / "README.md").write_text(
        card(_described(head, _entries(folder)), fields, spec), encoding="utf-8"
    )
    files.write_json(folder / "item.json", item(_described(head, _entries(folder)), fields, spec, parameters))
    whole = _described(head, _entries(folder))
    files.write_json(folder / DESCRIPTION, whole.model_dump(mode="json"))


def _entries(folder: Path) -> dict[str, FileEntry]:
    return {
        path.name: FileEntry(bytes=path.stat().st_size, sha256=files.sha256(path))
        for path in sorted(folder.iterdir())
    }


def _described(head: dict[str, Any], entries: dict[str, FileEntry]) -> Description:
    try:
        return Description.model_validate(head | {"files": entries})
    except ValidationError as error:
        raise PipelineError(f"the packed model's {first_wrong(error, head)}") from None


def _put(made: Path, target: Path, about: Description) -> None:
    """Keep the folder, unless its version exists: with the same content nothing is done."""
    if target.exists():
        if describe(target).digest == about.digest:
            return
        raise PipelineError(
            f"{target} exists with other content, and versions do not change; give another version"
        )
    made.rename(target)
