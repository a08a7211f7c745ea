"""The `train` section of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from urbanseg.sections import ENCODER_STRIDE, Model, Positive


class LossParams(Model):
    ce_weight: float = Field(ge=0)
    dice_weight: float = Field(ge=0)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.ce_weight + self.dice_weight == 0:
            raise ValueError("ce_weight and dice_weight must not both be 0")
        return self


class AugmentParams(Model):
    flips: bool
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, le=1)
    noise: float = Field(ge=0, le=1)


class TrainParams(Model):
    arch: str
    encoder: str
    encoder_weights: Literal["imagenet"] | None
    decoder_channels: list[Annotated[int, Field(gt=0)]] = Field(min_length=5, max_length=5)
    upsample: int = Field(ge=1, le=8)
    crop: int = Field(ge=ENCODER_STRIDE, multiple_of=ENCODER_STRIDE)
    epochs: int = Field(ge=1)
    steps_per_epoch: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: Positive
    weight_decay: float = Field(ge=0)
    warmup_epochs: int = Field(ge=0)
    patience: int = Field(ge=1)
    loss: LossParams
    augment: AugmentParams
    device: Literal["auto", "cpu", "cuda"]
    workers: int = Field(ge=0)
    threads: int = Field(ge=1)
