"""What is no YAML, or would keep the parser busy, is one sentence at once."""

import time
from pathlib import Path

import pytest

from urbanseg.config import yaml_text
from urbanseg.config.city_entry import added
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import load
from urbanseg.errors import PipelineError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(2000))
LIMITED = {
    "flow": ("[" * 1_000_000, "more than 32 levels"),
    "closed": ("seed: " + "[" * 20_000 + "]" * 20_000, "more than 32 levels"),
    "mappings": ("{a: " * 50_000, "more than 32 levels"),
    "block": ("".join(" " * i + "a:\n" for i in range(1000)), "more than 32 levels"),
    "compact": ("- " * 20_000 + "x", "more than 32 levels"),
    "keys": ("? " * 20_000, "more than 32 levels"),
    "bomb": (BOMB, "anchors expand to more than 500000 values"),
    "chain": (CHAIN, "or 32 levels"),
    "circle": ("a: &a [*a]", "an anchor holds itself, line 1, column 4"),
    "merged": ("a: &a {<<: *a}", "an anchor holds itself"),
    "long": ("a" * 1_000_001, "more than 1000000 characters"),
}


@pytest.mark.parametrize("name", LIMITED)
def test_what_exceeds_a_limit_is_refused_at_once(name: str) -> None:
    text, sentence = LIMITED[name]
    began = time.process_time()
    for read in (yaml_text.read, yaml_text.compose):
        with pytest.raises(PipelineError, match=sentence):
            read(text, "params.yaml")
    assert time.process_time() - began < 10  # it took 21 s


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("9" * 5000, "whole number"),
        ("!!int abc", "whole number"),
        ('!!int ""', "whole number"),
        ("!!float x", "number"),
        ("!!bool x", "boolean"),
        ("2023-13-45", "date or time"),
        ("2023-02-30", "date or time"),
        ("2023-06-14T99:26:00Z", "date or time"),
    ],
)
def test_a_value_that_is_not_what_it_looks_like_is_found(value: str, what: str) -> None:
    with pytest.raises(PipelineError, match=rf"^p is not valid .*: a value is no {what}, line 2, column 4$"):
        yaml_text.read(f"a: 1\nb: {value}", "p")


@pytest.mark.parametrize(
    "text", [r'a: "\U00110000"', "a: \x01", "a: 1\na: 2", "a: {b: 1, b: 2}", "? {a: b}\n: 1"]
)
def test_other_faults_are_one_sentence(text: str) -> None:
    with pytest.raises(PipelineError, match=r"^p is not valid YAML") as caught:
        yaml_text.read(text, "p")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "params.yaml").write_bytes("seed: 7  # Zürich".encode(encoding))
    with pytest.raises(PipelineError, match="it is not in UTF-8; save it so"):
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["", "# nothing", "[1]", "7", "~"])
def test_a_file_without_parameters_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PipelineError, match=r"params\.yaml holds no parameters"):
        load(tmp_path / "params.yaml")


def test_overlays_and_entries_have_the_same_limits() -> None:
    with pytest.raises(PipelineError, match=r"my\.yaml is not valid YAML: more than 32 levels"):
        overlaid("seed: 7", "[" * 99, "my.yaml")
    with pytest.raises(PipelineError, match=r"params\.yaml is not valid YAML: more than 32 levels"):
        added("[" * 99, "town", {})


def test_anchors_are_expanded_as_before() -> None:
    assert yaml_text.read("a: &x {b: 1}\nc: {<<: *x, d: *x}", "p")["c"] == {"b": 1, "d": {"b": 1}}
