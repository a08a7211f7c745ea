"""Models that are the members of one network, which share its images and normalise them each in its way."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Member:
    """One of the models: its network, what it tells apart, and how its pixels are normalised."""

    network: nn.Module
    classes: Sequence[str]
    """Of one class against the rest, the background first."""
    mean: Sequence[float]
    std: Sequence[float]


class Members(nn.Module):
    """Networks whose images come normalised as the first member's are.

    Args:
        members: at least one.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.network for member in members)
        first = members[0]
        for index, member in enumerate(members):
            mean, std, first_mean, first_std = (
                torch.tensor(values)[:, None, None]
                for values in (member.mean, member.std, first.mean, first.std)
            )
            self.register_buffer(f"scale_{index}", first_std / std, persistent=False)
            self.register_buffer(f"shift_{index}", (first_mean - mean) / std, persistent=False)

    def seen_by(self, index: int, images: Tensor) -> Tensor:
        """Images in the normalisation of a member."""
        return images * self.get_buffer(f"scale_{index}") + self.get_buffer(f"shift_{index}")
