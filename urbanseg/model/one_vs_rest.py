"""One-vs-rest: several models, each for some of the classes, as one network.

A model that was trained for one class against the rest says for each pixel how likely its
class is. If the classes are taken to be independent and a pixel to have at most one of
them, then class k has the weight ``p_k`` times the product of ``1 - p_j`` of all others,
and the background the product of all ``1 - p_j``. Divided by the background's weight that
is ``p_k / (1 - p_k)``: the merged logits are the members' log-odds against their own
background, and 0 for the background.
"""

from collections.abc import Sequence

from torch import Tensor

from urbanseg.model.members import Member, Members

NEVER = -1e4
"""Logit of a class that no member knows; its probability is 0."""


class OneVsRest(Members):
    """The members' answers as logits over all classes.

    Images come normalised as the first member's are and are brought to each member's own
    normalisation; no class but the background is known to two members.

    Args:
        members: at least one.
        classes: of the answer, in order, the background first.
    """

    def __init__(self, members: Sequence[Member], classes: Sequence[str]) -> None:
        super().__init__(members)
        self.classes = len(classes)
        self.columns = [[classes.index(name) for name in member.classes[1:]] for member in members]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, bands, height, width)``."""
        n, _, height, width = images.shape
        merged = images.new_full((n, self.classes, height, width), NEVER)
        merged[:, 0] = 0
        for index, (network, columns) in enumerate(zip(self.members, self.columns, strict=True)):
            logits = network(self.seen_by(index, images))
            merged[:, columns] = (logits[:, 1:] - logits[:, :1]).to(merged.dtype)
        return merged
