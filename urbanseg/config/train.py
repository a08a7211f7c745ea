"""The `train` section of params.yaml."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from urbanseg.config.base import ENCODER_STRIDE, FilePath, Model, Number, Processes, Seed, Share, Whole

NO_MODEL = Path("data/none")
"""What `init_from` says where training starts anew: a path that DVC can watch."""
PLAIN = "plainunet"
"""`arch` of the network without a learnt encoder, in lower case."""
CORRECTION_WEIGHT = 4.0
"""How many times a pixel that somebody corrected counts, if params.yaml does not say."""
PLAIN_WIDTH = 64
"""Its usual width."""
NO_TEACHER = NO_MODEL / "README.md"
"""What `teacher` says where nobody teaches: another path than `NO_MODEL`, as DVC watches each path once."""
Weight = Annotated[Number, Field(ge=0, le=1000)]
Epochs = Annotated[Whole, Field(ge=1, le=100_000)]
Factor = Annotated[Number, Field(gt=0, le=1000)]
MAX_NETWORK_PX = 8192
"""Largest side of an image that the network sees in training, after `upsample`."""


def _is_off(value: float) -> bool:
    """Whether a change is left out of what is written, as it was before there was any such."""
    return value == 0


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
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)]
    boundary_weight: Weight
    boundary_sigma_px: Factor

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
    brightness: Number = Field(ge=0, le=1)
    contrast: Number = Field(ge=0, le=1)
    gamma: Number = Field(ge=0, lt=1)
    bands: Number = Field(ge=0, le=1)
    noise: Number = Field(ge=0, le=1)
    scale: Number = Field(ge=0, lt=1)
    blur: Number = Field(default=0.0, ge=0, le=10, exclude_if=_is_off)
    fourier: Number = Field(default=0.0, ge=0, le=1, exclude_if=_is_off)
    convolution: Number = Field(default=0.0, ge=0, le=1, exclude_if=_is_off)
    light: Number = Field(default=0.0, ge=0, le=4, exclude_if=_is_off)


class TrainParams(Model):
    seed: Seed | None = None
    arch: str
    encoder: str
    encoder_weights: str | None
    init_from: FilePath
    teacher: FilePath = Field(default=NO_TEACHER, exclude_if=lambda path: path == NO_TEACHER)
    teacher_weight: Weight = Field(default=1.0, exclude_if=lambda weight: weight == 1)
    fraction: Annotated[Number, Field(gt=0, le=1)]
    decoder_channels: list[Annotated[Whole, Field(gt=0, le=4096)]] = Field(min_length=5, max_length=5)
    width: Whole = Field(default=PLAIN_WIDTH, ge=1, le=256, exclude_if=lambda width: width == PLAIN_WIDTH)
    upsample: Whole = Field(ge=1, le=8)
    only_class: str | None
    instances: bool = Field(default=False, exclude_if=lambda wanted: not wanted)
    crop: Whole = Field(ge=ENCODER_STRIDE, le=2048, multiple_of=ENCODER_STRIDE)
    epochs: Epochs
    steps_per_epoch: Whole = Field(ge=1, le=1_000_000)
    batch_size: Whole = Field(ge=2, le=65_536)
    accumulate: Whole = Field(ge=1, le=65_536)
    balance: Share
    optimizer: Literal["adamw", "adam", "sgd"]
    learning_rate: Factor
    encoder_rate_factor: Factor
    freeze_encoder_epochs: Whole = Field(ge=0, le=100_000)
    weight_decay: Number = Field(ge=0, le=1000)
    momentum: Annotated[Number, Field(ge=0, lt=1)]
    schedule: Literal["cosine", "step", "poly", "one_cycle"]
    warmup_epochs: Whole = Field(ge=0, le=100_000)
    step_epochs: Epochs
    step_factor: Annotated[Number, Field(gt=0, le=1)]
    poly_power: Factor
    clip_norm: Number = Field(ge=0, le=1e9)
    ema_decay: Annotated[Number, Field(ge=0, lt=1)]
    patience: Epochs
    correction_weight: Weight = Field(
        default=CORRECTION_WEIGHT, exclude_if=lambda weight: weight == CORRECTION_WEIGHT
    )
    loss: LossParams
    augment: AugmentParams
    device: Literal["auto", "cpu", "cuda"]
    devices: Processes
    precision: Literal["auto", "32-true", "bf16-mixed"]
    compile: bool
    workers: Whole = Field(ge=0, le=1024)
    threads: Processes

    @property
    def start(self) -> Path | None:
        """The model to start from, if any."""
        return None if self.init_from == NO_MODEL else self.init_from

    @property
    def taught_by(self) -> Path | None:
        """The model that teaches, if any."""
        return None if self.teacher == NO_TEACHER else self.teacher

    @model_validator(mode="after")
    def _network_px(self) -> Self:
        if self.crop * self.upsample > MAX_NETWORK_PX:
            raise ValueError(
                f"crop {self.crop} × upsample {self.upsample} must be {MAX_NETWORK_PX} pixels at most"
            )
        return self

    @model_validator(mode="after")
    def _plain(self) -> Self:
        is_plain = self.arch.lower() == PLAIN
        if is_plain and self.encoder_weights is not None:
            raise ValueError("arch PlainUNet has no learnt encoder; set encoder_weights to null")
        if not is_plain and self.width != PLAIN_WIDTH:
            raise ValueError(f"width is of arch PlainUNet alone; leave it at {PLAIN_WIDTH}")
        return self

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.batch_size % (self.accumulate * self.devices):
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of accumulate × devices, "
                f"{self.accumulate} × {self.devices}"
            )
        return self
