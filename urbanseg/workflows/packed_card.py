"""What a packed model says of itself: the model card with YAML front matter, and the STAC Item.

The card is after Mitchell et al. 2019, "Model Cards for Model Reporting", with the front matter of the
Hugging Face hub; the Item has the machine learning model extension
(https://github.com/stac-extensions/mlm, version 1.4). Both are plain text of what they are given.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from urbanseg.config.base import ENCODER_STRIDE, Model, Number, Resolution, Time, Unique, Url
from urbanseg.model.spec import FILE, Spec
from urbanseg.packed.description import Description, OneLine

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
FILE_INFO = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Source(Model):
    """Something that a model was trained or scored on."""

    name: OneLine
    use: Literal["train", "validation", "test"]
    license: OneLine
    credit: OneLine
    url: Url | None = None
    sha256: Sha256 | None = None


class Score(Model):
    """A score with its interval."""

    data: OneLine
    metric: OneLine
    value: Number
    low: Number | None = None
    high: Number | None = None


class CardFields(Model):
    """What a person writes of a model before it is packed."""

    title: OneLine
    license: OneLine
    credit: OneLine
    summary: str = Field(min_length=1, max_length=4000)
    units: OneLine
    """Of the pixels."""
    pixel_m: tuple[Resolution, Resolution]
    date: Time
    """Of the training, ISO 8601 with a time zone."""
    trained_on: OneLine
    """The machine, and how long."""
    intended_use: Unique[OneLine] = Field(min_length=1)
    limits: Unique[OneLine] = Field(min_length=1)
    data: list[Source] = Field(min_length=1)
    scores: list[Score] = Field(default_factory=list)


RUN = """\
import numpy as np
import onnxruntime
import rasterio

with rasterio.open("image.tif") as image:  # {bands}: {units}
    pixels = image.read([{numbers}]).astype(np.float32)
height, width = pixels.shape[1:]
pixels = np.pad(pixels, [(0, 0), (0, -height % {stride}), (0, -width % {stride})], mode="symmetric")
session = onnxruntime.InferenceSession("segmenter.onnx")
(probabilities,) = session.run(None, {{"pixels": pixels[None]}})
classes = probabilities[0, :, :height, :width].argmax(axis=0)  # {classes}
"""


def card(about: Description, fields: CardFields, spec: Spec) -> str:
    """The model card as Markdown with YAML front matter.

    Args:
        about: name, version and files; those of the card itself don't count.
        fields: what a person wrote.
        spec: of the model.
    """
    parts = [
        _front_matter(about, fields),
        f"# {about.name} {about.version}: {fields.title}\n\n{fields.summary.strip()}",
        "## Intended use\n\n" + _bullets(fields.intended_use),
        "## Limits\n\n" + _bullets(fields.limits),
        "## Input and output\n\n" + _input(about, fields, spec),
        "## Data and licences\n\n"
        + _table(
            ("data", "use", "licence", "credit"),
            [(_linked(s), s.use, s.license, s.credit) for s in fields.data],
        )
        + f"\n\nTrained on {fields.trained_on}, {fields.date[:10]}. "
        + f"The model is under {fields.license}; {fields.credit}.",
        "## Scores\n\n" + _scores(fields.scores),
        "## Run it\n\n"
        f"`urbanseg map IMAGE OUT --model {about.name}`, or ten lines of plain ONNX Runtime in this folder:"
        "\n\n```python\n" + _run(spec, fields) + "```\n\n`model.safetensors` and `config.json` open with "
        "`segmentation_models_pytorch.from_pretrained`. The QGIS plugin Deepness loads `deepness.onnx`, "
        "which takes pixels divided by 255, as the plugin does with pixels of any type. Weights of both ONNX "
        "files lie in `model.safetensors`, so keep the three together.",
        "## Made with\n\n"
        + _bullets([f"{name} {version}" for name, version in spec.made_with.items()] or ["–"]),
    ]
    return "\n\n".join(parts) + "\n"


def item(about: Description, fields: CardFields, spec: Spec, parameters: int) -> dict[str, Any]:
    """The STAC Item of a packed model, ready for JSON.

    Args:
        about: name, version and files, of which each becomes an asset.
        fields: what a person wrote.
        spec: of the model.
        parameters: number of the network's weights.
    """
    classes = [{"value": value, "name": name} for value, name in enumerate(spec.classes)]
    properties = {
        "title": fields.title,
        "description": fields.summary.strip(),
        "datetime": fields.date,
        "license": fields.license,
        "version": about.version,
        "mlm:name": about.name,
        "mlm:architecture": f"{spec.arch} with {spec.encoder}",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "ONNX",
        "mlm:total_parameters": parameters,
        "mlm:pretrained": True,
        "mlm:input": [
            {
                "name": "pixels",
                "description": f"{fields.units}; normalised inside the graph; sides in multiples of "
                f"{ENCODER_STRIDE}",
                "bands": spec.bands,
                "input": {
                    "shape": [-1, len(spec.bands), -1, -1],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": None,
                "resize_type": None,
            }
        ],
        "mlm:output": [
            {
                "name": "probabilities",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, len(classes), -1, -1],
                    "dim_order": ["batch", "class", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": classes,
                "post_processing_function": None,
            }
        ],
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [CLASSIFICATION, FILE_INFO, MLM],
        "id": f"{about.name}-{about.version}",
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {name: _asset(name, about) for name in about.files},
    }


ROLES: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "segmenter.onnx": (
        "application/octet-stream",
        ["mlm:model", "mlm:inference-runtime"],
        {"mlm:artifact_type": "onnx"},
    ),
    "deepness.onnx": ("application/octet-stream", ["mlm:model"], {"mlm:artifact_type": "onnx"}),
    "model.safetensors": (
        "application/octet-stream",
        ["mlm:model", "mlm:weights"],
        {"mlm:artifact_type": "safetensors"},
    ),
    "README.md": ("text/markdown", ["metadata"], {}),
}
"""Media type and roles of assets; the others are JSON."""


def _asset(name: str, about: Description) -> dict[str, Any]:
    kind, roles, more = ROLES.get(name, ("application/json", ["metadata"], {}))
    entry = about.files[name]
    checksum = {"file:size": entry.bytes, "file:checksum": f"1220{entry.sha256}"}  # a multihash of SHA-256
    return {"href": f"./{name}", "title": name, "type": kind, "roles": roles, **more, **checksum}


def _front_matter(about: Description, fields: CardFields) -> str:
    content: Mapping[str, Any] = {
        "model_name": about.name,
        "version": about.version,
        "license": fields.license.lower(),
        "library_name": "segmentation-models-pytorch",
        "pipeline_tag": "image-segmentation",
        "tags": ["land-cover", "remote-sensing", "onnx", "safetensors"],
        "bands": list(about.bands),
        "pixel_m": list(about.pixel_m),
        "datasets": [source.name for source in fields.data if source.use == "train"],
    }
    lines = [
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items()
    ]  # JSON is YAML
    return "\n".join(["---", *lines, "---"])


def _input(about: Description, fields: CardFields, spec: Spec) -> str:
    least, most = fields.pixel_m
    rows = [
        (band, common, f"{mean:g}", f"{std:g}")
        for band, common, mean, std in zip(spec.bands, about.bands, spec.mean, spec.std, strict=True)
    ]
    return (
        f"Pixels of {least:g} to {most:g} m, {fields.units}; normalised inside the model, (x - mean) / std, "
        "then clipped.\n\n"
        + _table(("band", "common name", "mean", "std"), rows)
        + "\n\nProbabilities of the classes "
        + ", ".join(f"{value} {name}" for value, name in enumerate(spec.classes))
        + f". `{FILE}` has all of this in full, `domain.json` how the training data look: an image unlike "
        "them is warned of, or refused."
    )


def _scores(scores: Sequence[Score]) -> str:
    if not scores:
        return "None: it was scored on nothing."
    rows = [(s.data, s.metric, f"{s.value:.4g}", _interval(s)) for s in scores]
    return _table(("data", "metric", "value", "95 % interval"), rows)


def _interval(score: Score) -> str:
    return "–" if score.low is None or score.high is None else f"{score.low:.4g} to {score.high:.4g}"


def _run(spec: Spec, fields: CardFields) -> str:
    return RUN.format(
        bands=", ".join(spec.bands),
        units=fields.units,
        numbers=", ".join(str(number + 1) for number in range(len(spec.bands))),
        stride=ENCODER_STRIDE,
        classes=", ".join(f"{value} {name}" for value, name in enumerate(spec.classes)),
    )


def _linked(source: Source) -> str:
    return f"[{source.name}]({source.url})" if source.url else source.name


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
