"""Broken models, states of a training, and tables between the stages."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from bench.faults.case import Case, Change, damages, flipped, replace, truncated, write
from bench.faults.rasters import BANDS

MAP = ("urbanseg", "map", "scene.tif", "out", "--model", "project", *BANDS)
MODEL, STATE = "models/segmenter", "models/.resume/state.safetensors"
SPEC, CONFIG, WEIGHTS = f"{MODEL}/segmenter.json", f"{MODEL}/config.json", f"{MODEL}/model.safetensors"


def field(name: str, key: str, value: Any) -> Change:
    """Set a key of a JSON file; `...` removes it; a function is given the old value."""

    def change(folder: Path, _: Random) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        if value is ...:
            del content[key]
        else:
            content[key] = value(content[key]) if callable(value) else value
        replace(folder / name, json.dumps(content).encode())

    return change


def header(name: str, edit: Callable[[dict[str, Any]], None]) -> Change:
    """Edit the header of a safetensors file."""

    def change(folder: Path, _: Random) -> None:
        content = (folder / name).read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        values = json.loads(content[8 : 8 + size])
        edit(values)
        text = json.dumps(values).encode()
        replace(folder / name, struct.pack("<Q", len(text)) + text + content[8 + size :])

    return change


def pixels(name: str, value: float) -> Change:
    """Fill the first tensors of a safetensors file with a value."""

    def change(folder: Path, _: Random) -> None:
        content = bytearray((folder / name).read_bytes())
        (size,) = struct.unpack("<Q", content[:8])
        content[8 + size : 8 + size + 4000] = struct.pack("<f", value) * 1000
        replace(folder / name, bytes(content))

    return change


def _renamed(values: dict[str, Any]) -> None:
    first = next(name for name in values if name != "__metadata__")
    values["alien"] = values.pop(first)


def _dropped(values: dict[str, Any]) -> None:
    del values[next(name for name in values if name != "__metadata__")]


def _reshaped(values: dict[str, Any]) -> None:
    first = next(value for name, value in values.items() if name != "__metadata__")
    first["shape"] = [7, *first["shape"]]


def _backwards(old: list[Any]) -> list[Any]:
    return old[::-1]


def _with_a_hut(old: list[Any]) -> list[Any]:
    return [*old[:-1], "hut"]


def _nan(old: list[Any]) -> list[Any]:
    return [float("nan")] * len(old)


def _zeros(old: list[Any]) -> list[Any]:
    return [0] * len(old)


def _negative(old: list[Any]) -> list[Any]:
    return [-1] * len(old)


SPECS: tuple[tuple[str, Any], ...] = (
    ("classes", ["other"]), ("classes", _backwards), ("classes", _with_a_hut),
    ("classes", "other"), ("classes", []), ("classes", None), ("bands", []), ("bands", ["red"]), ("bands", 7),
    ("mean", [0]), ("mean", _nan), ("mean", "x"), ("std", ...),
    ("std", _zeros), ("std", _nan),
    ("std", _negative), ("upsample", 0), ("upsample", 3), ("upsample", "x"),
    ("upsample", 10**9), ("arch", "Nothing"), ("arch", None), ("encoder", "nothing"), ("alien", 1),
)  # fmt: skip
CONFIGS: tuple[tuple[str, Any], ...] = (
    ("_model_class", "Nothing"), ("_model_class", "FPN"), ("_model_class", ...), ("encoder_name", "nothing"),
    ("classes", 2), ("in_channels", 9), ("decoder_channels", [1]), ("decoder_channels", "x"), ("alien", 1),
)  # fmt: skip
HEADERS = {"a tensor renamed": _renamed, "a tensor missing": _dropped, "a tensor reshaped": _reshaped}
TABLES = {
    "data/dataset.parquet": ("train",), "data/dataset.json": ("train",),
    "data/scene/town/scene.tif": ("predict", "town"),
    "data/labels/town.tif": ("tiles", "town"), "data/params/seed.json": ("params",),
}  # fmt: skip


def cases() -> list[Case]:
    """All cases of models, states and tables."""
    made = [
        Case(f"spec: {key} {getattr(value, '__name__', value)}", field(SPEC, key, value), MAP, "segmenter")
        for key, value in SPECS
    ]
    made += [
        Case(f"config: {key} {value}", field(CONFIG, key, value), MAP, "segmenter") for key, value in CONFIGS
    ]
    for name in (SPEC, CONFIG, WEIGHTS):
        made += [Case(f"{name}: {n}", change, MAP, "segmenter") for n, change in damages(name).items()]
    made += [Case(f"weights: {n}", header(WEIGHTS, edit), MAP, "segmenter") for n, edit in HEADERS.items()]
    made += [
        Case(f"weights: {value}", pixels(WEIGHTS, value), MAP, "segmenter")
        for value in (float("nan"), float("inf"))
    ]
    made += [Case(f"weights: flipped bytes {i}", flipped(WEIGHTS, 3), MAP, "segmenter") for i in range(6)]
    train = ("train",)
    made += [Case(f"state: {n}", change, train, may_work=True) for n, change in damages(STATE).items()]
    made += [Case(f"state: {n}", header(STATE, edit), train, may_work=True) for n, edit in HEADERS.items()]
    made += [
        Case(f"state: cut to {share}", truncated(STATE, share), train, may_work=True)
        for share in (0.1, 0.9, 0.999)
    ]
    made += [Case("state: NaN", pixels(STATE, float("nan")), train, may_work=True)]
    made += [
        Case(f"state: flipped bytes {i}", flipped(STATE, 3, 0, 2000), train, may_work=True) for i in range(4)
    ]
    made += [Case("state: a huge header", write(STATE, b"\xff" * 64), train, may_work=True)]
    for name, stage in TABLES.items():
        regenerated = name.startswith("data/params")
        made += [
            Case(f"{name}: {n}", c, stage, Path(name).stem, regenerated) for n, c in damages(name).items()
        ]
    return made
