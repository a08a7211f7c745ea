"""What a packed model says of itself: `model.json`, with the size and SHA-256 of each of its files."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from urbanseg.config.base import Model, Resolution, Unique, Whole
from urbanseg.config.sentences import first_wrong
from urbanseg.errors import PipelineError
from urbanseg.model.spec import FILE

DESCRIPTION = "model.json"
"""Describes a packed model and lists its files."""

MOST_BYTES = 2 << 30
"""Of a file of a model."""

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
VERSION = r"(0|[1-9]\d{0,5})(\.(0|[1-9]\d{0,5})){0,2}"
OneLine = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(md|json|onnx|safetensors)$")]
"""Plain files that hold no code; no path leads out of the folder."""


class FileEntry(Model):
    """What a file of a packed model must be."""

    bytes: Whole = Field(ge=0, le=MOST_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Description(Model):
    """A packed model, as its `model.json` has it."""

    name: str = Field(pattern=f"^{NAME}$", max_length=64)
    version: str = Field(pattern=f"^{VERSION}$")
    title: OneLine
    license: OneLine
    """SPDX identifier."""
    credit: OneLine
    """Whom to name, as the licences of the training data ask for."""
    bands: Unique[OneLine] = Field(min_length=1)
    """Common names (`images.common_name`) of the bands, in the model's order."""
    pixel_m: tuple[Resolution, Resolution]
    """Smallest and largest side of a pixel that it was trained for."""
    files: dict[FileName, FileEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _sense(self) -> Self:
        if self.pixel_m[0] > self.pixel_m[1]:
            raise ValueError("the smallest pixel_m is above the largest")
        if FILE not in self.files or DESCRIPTION in self.files:
            raise ValueError(f"files must hold {FILE}, and not {DESCRIPTION} itself")
        return self

    @property
    def label(self) -> str:
        """Name and version, by which it can be named."""
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str:
        """SHA-256 over all that it says, with the digests of all files: the identity of a version."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.bytes for entry in self.files.values())


def describe(folder: Path) -> Description:
    """The description of a packed model.

    Raises:
        PipelineError: if the folder holds none, or one that makes no sense.
    """
    path = folder / DESCRIPTION
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise PipelineError(
            f"{folder} holds no {DESCRIPTION}, so it is no packed model; name another folder, or pack it "
            "with urbanseg models pack"
        ) from None
    except UnicodeDecodeError as error:
        raise PipelineError(f"{path} is no text ({error}); get the model again") from None
    return parse(text, str(path))


def parse(text: str, origin: str) -> Description:
    """A description from JSON.

    Args:
        text: the JSON.
        origin: its path or address, for the error.

    Raises:
        PipelineError: if it makes no sense.
    """
    try:
        raw = json.loads(text)
        return Description.model_validate(raw)
    except ValidationError as error:
        problem = first_wrong(error, raw)
    except (RecursionError, ValueError) as error:
        problem = f"no JSON, {error}"
    raise PipelineError(f"{origin} describes no model ({problem}); get the model again, or name another")
