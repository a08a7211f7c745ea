"""Learning from a teacher: another model or an ensemble, whose probabilities are a target beside the labels.

Hinton et al. 2015, "Distilling the knowledge in a neural network". A teacher has an answer for every pixel,
so those that no label tells of are learnt from, too.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from urbanseg.errors import PipelineError
from urbanseg.model import segmenter
from urbanseg.model.spec import Spec

TEMPERATURE = 2.0
"""By which the logits of both are divided, so that classes that are unlikely count, too."""


class Teacher(nn.Module):
    """Logits of a trained network for images that are normalised for another, in the order of its classes.

    Args:
        network: the trained one.
        own: what it was trained for.
        spec: of the network that learns: the same bands and classes, perhaps in another order.
    """

    def __init__(self, network: nn.Module, own: Spec, spec: Spec) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False)
        self.order = [own.classes.index(name) for name in spec.classes]
        mean, std, own_mean, own_std = (
            torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std, own.mean, own.std)
        )
        self.register_buffer("scale", std / own_std)
        self.register_buffer("shift", (mean - own_mean) / own_std)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, bands, height, width)``."""
        logits: Tensor = self.network(images * self.get_buffer("scale") + self.get_buffer("shift"))
        return logits[:, self.order].float()


def load_teacher(folder: Path, spec: Spec) -> Teacher:
    """The teacher in a folder.

    Args:
        folder: of a segmenter or an ensemble.
        spec: of the network that learns.

    Raises:
        PipelineError: if there is no model, or it has other bands or classes.
    """
    network, own = segmenter.load(folder)
    for what, theirs, wanted in (
        ("bands", own.bands, spec.bands),
        ("classes", sorted(own.classes), sorted(spec.classes)),
    ):
        if theirs != wanted:
            raise PipelineError(
                f"params.yaml: train.teacher: {folder} has the {what} {', '.join(theirs)}, but "
                f"{', '.join(wanted)} are learnt; name a teacher of the same {what}"
            )
    return Teacher(network, own, spec)


def distillation_loss(logits: Tensor, taught: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the teacher's softened probabilities, mean over pixels.

    Args:
        logits: of the network that learns, ``(n, classes, height, width)``.
        taught: of the teacher, of the same shape.

    Returns:
        A number, 0 where both agree; times the square of `TEMPERATURE`, so that its gradient has the
        size of that of cross-entropy.
    """
    own, wanted = (F.log_softmax(each / TEMPERATURE, dim=1) for each in (logits, taught))
    return TEMPERATURE**2 * (wanted.exp() * (wanted - own)).sum(1).mean()
