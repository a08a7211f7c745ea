"""The `train` section of params.yaml."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from urbanseg.config.base import ENCODER_STRIDE, Model, Positive, Share

NO_MODEL = Path("data/none")
"""What `init_from` says where training starts anew: a path that DVC can watch."""
REST = "other"
"""What a network that learns `only_class` calls all the rest."""
Weight = Annotated[float, Field(ge=0)]


class LossParams(Model):
    ce_weight: Weight
    focal_weight: Weight
    dice_weight: Weight
    lovasz_weight: Weight
    tversky_weight: Weight
    focal_gamma: Weight
    tversky_alpha: Weight
    tversky_beta: Weight
    class_weights: Literal["none", "inverse_frequency", "effective_number", "median_frequency"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    boundary_weight: Weight
    boundary_sigma_px: Positive

    @property
    def terms(self) -> dict[str, float]:
        """Weight of each term that counts."""
        names = ("ce", "focal", "dice", "lovasz", "tversky")
        return {name: weight for name in names if (weight := getattr(self, f"{name}_weight")) > 0}

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.terms:
            raise ValueError("at least one of ce_weight, focal_weight, dice_weight, … must be above 0")
        return self


class AugmentParams(Model):
    flips: bool
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, le=1)
    gamma: float = Field(ge=0, lt=1)
    bands: float = Field(ge=0, le=1)
    noise: float = Field(ge=0, le=1)
    scale: float = Field(ge=0, lt=1)


class TrainParams(Model):
    arch: str
    encoder: str
    encoder_weights: str | None
    init_from: Path
    fraction: Annotated[float, Field(gt=0, le=1)]
    decoder_channels: list[Annotated[int, Field(gt=0)]] = Field(min_length=5, max_length=5)
    upsample: int = Field(ge=1, le=8)
    only_class: str | None
    crop: int = Field(ge=ENCODER_STRIDE, multiple_of=ENCODER_STRIDE)
    epochs: int = Field(ge=1)
    steps_per_epoch: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    accumulate: int = Field(ge=1)
    balance: Share
    optimizer: Literal["adamw", "adam", "sgd"]
    learning_rate: Positive
    encoder_rate_factor: Positive
    freeze_encoder_epochs: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    momentum: Annotated[float, Field(ge=0, lt=1)]
    schedule: Literal["cosine", "step", "poly", "one_cycle"]
    warmup_epochs: int = Field(ge=0)
    step_epochs: int = Field(ge=1)
    step_factor: Annotated[float, Field(gt=0, le=1)]
    poly_power: Positive
    clip_norm: float = Field(ge=0)
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    patience: int = Field(ge=1)
    loss: LossParams
    augment: AugmentParams
    device: Literal["auto", "cpu", "cuda"]
    devices: int = Field(ge=1)
    precision: Literal["auto", "32-true", "bf16-mixed"]
    compile: bool
    workers: int = Field(ge=0)
    threads: int = Field(ge=1)

    @field_validator("only_class")
    @classmethod
    def _not_the_rest(cls, name: str | None) -> str | None:
        if name == REST:
            raise ValueError(f"{REST} is what the rest is called; name another class")
        return name

    @property
    def start(self) -> Path | None:
        """The model to start from, if any."""
        return None if self.init_from == NO_MODEL else self.init_from

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.batch_size % (self.accumulate * self.devices):
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of accumulate × devices, "
                f"{self.accumulate} × {self.devices}"
            )
        return self
