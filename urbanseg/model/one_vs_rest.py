"""One-vs-rest: several models, each for some of the classes, as one network.

A model that was trained for one class against the rest says for each pixel how likely its
class is. If the classes are taken to be independent and a pixel to have at most one of
them, then class k has the weight ``p_k`` times the product of ``1 - p_j`` of all others,
and the background the product of all ``1 - p_j``. Divided by the background's weight that
is ``p_k / (1 - p_k)``: the merged logits are the members' log-odds against their own
background, and 0 for the background.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

NEVER = -1e4
"""Logit of a class that no member knows; its probability is 0."""


@dataclass(frozen=True)
class Member:
    """One of the models: its network, what it tells apart, and how its pixels are normalised."""

    network: nn.Module
    classes: Sequence[str]
    """The background first."""
    mean: Sequence[float]
    std: Sequence[float]


class OneVsRest(nn.Module):
    """The members' answers as logits over all classes.

    Images come normalised as the first member's are and are brought to each member's own
    normalisation; no class but the background is known to two members.

    Args:
        members: at least one.
        classes: of the answer, in order, the background first.
    """

    def __init__(self, members: Sequence[Member], classes: Sequence[str]) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.network for member in members)
        self.classes = len(classes)
        self.columns = [[classes.index(name) for name in member.classes[1:]] for member in members]
        first = members[0]
        for index, member in enumerate(members):
            mean, std, first_mean, first_std = (
                torch.tensor(values)[:, None, None]
                for values in (member.mean, member.std, first.mean, first.std)
            )
            self.register_buffer(f"scale_{index}", first_std / std, persistent=False)
            self.register_buffer(f"shift_{index}", (first_mean - mean) / std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, bands, height, width)``."""
        n, _, height, width = images.shape
        merged = images.new_full((n, self.classes, height, width), NEVER)
        merged[:, 0] = 0
        for index, (network, columns) in enumerate(zip(self.members, self.columns, strict=True)):
            scale, shift = self.get_buffer(f"scale_{index}"), self.get_buffer(f"shift_{index}")
            logits = network(images * scale + shift)
            merged[:, columns] = (logits[:, 1:] - logits[:, :1]).to(merged.dtype)
        return merged
