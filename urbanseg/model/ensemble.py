"""An ensemble: several models of the same classes as one network, the weighted mean of their probabilities.

Members that were trained apart are wrong in different places, so their mean is right more often, and its
confidence is nearer to the truth (Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty
estimation using deep ensembles"). The work is that of all members together.
"""

from collections.abc import Sequence

from torch import Tensor

from urbanseg.model.members import Member, Members

LEAST = 1e-12
"""Probability below which a logit does not fall."""


class Ensemble(Members):
    """The logarithm of the mean of the members' probabilities: its softmax is that mean.

    Images come normalised as the first member's are and are brought to each member's own normalisation.

    Args:
        members: at least one; all know the same classes, in any order.
        weights: of each member, above 0; they need not add up to 1.
        classes: of the answer, in order.
    """

    def __init__(self, members: Sequence[Member], weights: Sequence[float], classes: Sequence[str]) -> None:
        super().__init__(members)
        self.weights = [weight / sum(weights) for weight in weights]
        self.orders = [[list(member.classes).index(name) for name in classes] for member in members]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, bands, height, width)``."""
        mean: Tensor | None = None
        for index, (network, weight, order) in enumerate(
            zip(self.members, self.weights, self.orders, strict=True)
        ):
            part = weight * network(self.seen_by(index, images))[:, order].float().softmax(1)
            mean = part if mean is None else mean + part
        if mean is None:
            raise ValueError("an ensemble has one member at least")
        return mean.clamp(min=LEAST).log()
