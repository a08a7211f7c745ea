"""The segmenter: a trained network with its input and output specification, and its folder on disk.

A saved model is a folder of safetensors and JSON, no pickle: smp's own `config.json` and
`model.safetensors` (so `smp.from_pretrained` opens it, but for our `DualBranch` and `PlainUNet`), a model
card, and `segmenter.json` with the bands it expects, their normalisation, the classes it
tells apart, and the digests of all files. A merged model is a folder of such folders.
Importing this module imports torch: only training and inference do.
"""

import json
import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urbanseg.errors import PipelineError
from urbanseg.io.files import atomic
from urbanseg.model import digests
from urbanseg.model.card import Card, markdown
from urbanseg.model.dual_branch import DualBranch
from urbanseg.model.ensemble import Ensemble
from urbanseg.model.limits import naming
from urbanseg.model.members import Member
from urbanseg.model.one_vs_rest import OneVsRest
from urbanseg.model.plain_unet import PlainUNet
from urbanseg.model.spec import FILE, Spec, read_spec, unreadable
from urbanseg.paths import MODEL_FILES

CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""smp's files."""

OWN: dict[str, Any] = {"DualBranch": DualBranch, "PlainUNet": PlainUNet}
"""Networks that smp does not know, by their class in its files."""

MERGED, ENSEMBLE = "Merged", "Ensemble"
"""What files call a `OneVsRest`, and an ensemble."""

OF_MEMBERS = {MERGED, ENSEMBLE}
"""Models that are folders of others."""

MEMBER_NAME = re.compile(r"[a-z][a-z0-9_-]*")
LONGEST_MEMBER_NAME = 200
"""Folder of a member inside a merged model's: its classes, as far as a file system takes such names."""


class Segmenter(nn.Module):
    """A network that works on an image enlarged `upsample` times; its logits are averaged back.

    Encoders halve the image at their first layer, so objects of one or two pixels, as
    houses and streets are at 10 m, are lost before any decoder could keep them. Enlarged,
    they survive.
    """

    def __init__(self, network: nn.Module, upsample: int) -> None:
        super().__init__()
        self.network, self.upsample = network, upsample

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, Spec.channels, height, width)`` of images ``(n, bands, height, width)``."""
        if self.upsample == 1:
            logits: Tensor = self.network(images)
            return logits
        finer = F.interpolate(images, scale_factor=self.upsample, mode="bilinear", align_corners=False)
        return F.avg_pool2d(self.network(finer), self.upsample)


def made_with() -> dict[str, str]:
    """Versions of the libraries that make the weights what they are."""
    return {name: version(name) for name in ("torch", "segmentation-models-pytorch", "timm")}


def save(folder: Path, segmenter: Segmenter, spec: Spec, card: Card) -> None:
    """Write a model's folder with its card, atomically.

    Args:
        folder: the model's folder.
        segmenter: the segmenter, on the CPU.
        spec: what it was trained for.
        card: what the model card says.

    Raises:
        OSError: naming the model's file, if it can't be written.
    """
    make = f"{spec.arch} with the encoder {spec.encoder}, on images enlarged {spec.upsample} times."
    with naming(folder / WEIGHTS), atomic(folder, MODEL_FILES) as temporary:
        temporary.mkdir(parents=True)
        _write_card(temporary, spec, card, make)  # first, or smp writes one of its own
        segmenter.network.save_pretrained(temporary)  # type: ignore[operator]
        _write_spec(temporary, spec)


def load(folder: Path) -> tuple[Segmenter, Spec]:
    """Read a model's folder: the segmenter on the CPU, in evaluation mode, and its spec.

    Raises:
        PipelineError: if the folder is missing, incomplete or not as it was saved, or if its
            parts don't go together.
    """
    spec = read_spec(folder)
    digests.check(folder, FILE, "train")
    return _load(folder, spec), spec


def _load(folder: Path, spec: Spec) -> Segmenter:
    try:
        network = _network(folder, spec)
    except PipelineError:
        raise
    except Exception as error:  # of any kind: whatever the libraries say of what they can't read
        raise unreadable(folder, error) from error
    return Segmenter(network, spec.upsample).eval()


def merge(folder: Path, members: Sequence[Path], classes: Sequence[str]) -> Spec:
    """Write a model that is made of others, each for some of the classes; see `merged`.

    Args:
        folder: of the merged model, which exists; it gets copies of the members.
        members: folders of models whose first class is the background, as `train.only_class` makes them.
        classes: of the merged model, in order, the background first. One that no member
            knows is never predicted.

    Raises:
        PipelineError: if a member is no model, has other bands than the first, tells buildings apart, or
            tells apart a class that is not among `classes` or that another member has.
    """
    specs = {path: load(path)[1] for path in members}
    first = specs[members[0]]
    owners: dict[str, Path] = {}
    for path, spec in specs.items():
        if spec.bands != first.bands:
            raise PipelineError(
                f"{path} has the bands {', '.join(spec.bands)} but {members[0]} has "
                f"{', '.join(first.bands)}; merge models of the same bands"
            )
        if spec.instances:
            raise PipelineError(
                f"{path} also tells buildings apart, which a merged model does not; train it with "
                "train.instances: false"
            )
        if spec.classes[0] != classes[0]:
            raise PipelineError(
                f"{path} has {spec.classes[0]} as its first class, where {classes[0]} must be"
            )
        for name in spec.classes[1:]:
            if name not in classes:
                raise PipelineError(f"{path} knows {name}, but the classes are {', '.join(classes)}")
            if name in owners:
                raise PipelineError(f"{path} and {owners[name]} both know {name}; merge one of them")
            owners[name] = path
    names = {path: _member_name(spec.classes[1:]) for path, spec in specs.items()}
    whole = replace(first, classes=list(classes), arch=MERGED, encoder="", upsample=1, made_with=made_with())
    told = "; ".join(f"{', '.join(spec.classes[1:])} by {spec.arch}" for spec in specs.values())
    _write_members(folder, names, whole, {}, f"Merged: {told}.")
    return whole


def average(folder: Path, members: Sequence[Path], weights: Sequence[float]) -> Spec:
    """Write an ensemble: the weighted mean of the probabilities of models of the same classes.

    Args:
        folder: of the ensemble, which exists; it gets copies of the members.
        members: folders of models that are not made of others.
        weights: of each, above 0.

    Returns:
        What it is for: the first member's, its classes in their order.

    Raises:
        PipelineError: if a member is no model, is made of others, or has other bands or classes.
    """
    specs = [load(path)[1] for path in members]
    first = specs[0]
    for path, spec in zip(members, specs, strict=True):
        if spec.arch in OF_MEMBERS:
            raise PipelineError(f"{path} is made of other models; name its members instead")
        for what, own, others in (
            ("bands", spec.bands, first.bands),
            ("classes", sorted(spec.classes), sorted(first.classes)),
        ):
            if own != others:
                raise PipelineError(
                    f"{path} has the {what} {', '.join(own)} but {members[0]} has {', '.join(others)}; an "
                    f"ensemble is of models of the same {what}"
                )
    whole = replace(first, arch=ENSEMBLE, encoder="", upsample=1, made_with=made_with())
    told = ", ".join(f"{spec.arch} by {weight:g}" for spec, weight in zip(specs, weights, strict=True))
    names = {path: f"member-{number}" for number, path in enumerate(members, start=1)}
    _write_members(folder, names, whole, {"weights": list(weights)}, f"The mean of {told}.")
    return whole


def _write_members(
    folder: Path, names: dict[Path, str], whole: Spec, more: dict[str, Any], told: str
) -> None:
    """Copy members into folders of their names, and describe the whole."""
    for path, name in names.items():
        shutil.copytree(path, folder / name)
    config = {"_model_class": whole.arch, "members": list(names.values())} | more
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _write_card(folder, whole, Card(cities=["what the cards of its members say"]), told)
    _write_spec(folder, whole)


def _member_name(classes: Sequence[str]) -> str:
    name = "-".join(classes)
    return name if len(name) <= LONGEST_MEMBER_NAME else f"{classes[0]}-and-{len(classes) - 1}-more"


def _network(folder: Path, spec: Spec) -> nn.Module:
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    make = config["_model_class"]
    if make.lower() != spec.arch.lower():
        raise ValueError(f"{CONFIG} says {make}, and {FILE} {spec.arch}")
    if make in OF_MEMBERS:
        members = _members(folder, config["members"], spec)
        if make == MERGED:
            return OneVsRest(members, spec.classes)
        return Ensemble(members, _weights(config["weights"], len(members)), spec.classes)
    for name, expected in (
        ("encoder_name", spec.encoder),
        ("in_channels", len(spec.bands)),
        ("classes", len(spec.channels)),
    ):
        if config.get(name, expected) != expected:
            raise ValueError(f"{CONFIG} says {name} {config[name]}, where {FILE} has {expected}")
    (folder / WEIGHTS).open("rb").close()  # an error of the system names the file, a library's doesn't
    source, options = (OWN[make], {}) if make in OWN else (smp, {"encoder_weights": None})
    network: nn.Module = source.from_pretrained(str(folder), local_files_only=True, strict=True, **options)
    for name, tensor in network.state_dict().items():
        if not tensor.isfinite().all() or (name.endswith("running_var") and (tensor < 0).any()):
            raise ValueError(f"{name} in {WEIGHTS} holds numbers that no training gives, as NaN is")
    return network


def _members(folder: Path, names: Sequence[str], spec: Spec) -> list[Member]:
    members = []
    for name in names:
        if not MEMBER_NAME.fullmatch(name):
            raise ValueError(f"a member can't be called {name!r}")
        own = read_spec(folder / name)
        if own.bands != spec.bands:
            raise ValueError(f"{name} has other bands than {FILE}")
        members.append(Member(_load(folder / name, own), own.classes, own.mean, own.std))
    return members


def _weights(given: Any, members: int) -> list[float]:
    weights = [float(weight) for weight in given]
    if len(weights) != members or not all(0 < weight < math.inf for weight in weights):
        raise ValueError(f"its weights are no {members} numbers above 0")
    return weights


def _write_spec(folder: Path, spec: Spec) -> None:
    """Write the spec with the digests of all files, which must be there."""
    content = digests.with_digests(folder, FILE, spec.to_json())
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_card(folder: Path, spec: Spec, card: Card, make: str) -> None:
    text = markdown(
        card,
        make=make,
        bands=spec.bands,
        classes=spec.classes,
        normalisation=list(zip(spec.mean, spec.std, strict=True)),
        made_with=spec.made_with,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def device_of(choice: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        PipelineError: if `cuda` is asked for and there is none.
    """
    if choice == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if choice == "cuda" and not torch.cuda.is_available():
        raise PipelineError(
            "params.yaml: device is cuda, but this machine has no usable GPU; set it to auto or cpu"
        )
    return torch.device(choice)


def native_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 itself; where it must emulate it, float32 is far faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return any(features.get(name) for name in ("avx512_bf16", "amx_bf16"))
