import pytest
import segmentation_models_pytorch as smp
import torch

from urbanseg.model.dual_branch import BRANCHES, DualBranch, position_embedding

CHANNELS = (8, 8, 8, 8, 8)
ENCODER = "timm-tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DualBranch(ENCODER, in_channels=4, classes=5, decoder_channels=CHANNELS).eval()


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (160, 32)])
@torch.no_grad()
def test_logits_have_the_size_of_the_image(network, size):
    assert network(torch.rand(2, 4, *size)).shape == (2, 5, *size)


def test_an_image_that_does_not_fit_is_refused(network):
    with pytest.raises(ValueError, match="must be multiples of 32"):
        network(torch.rand(1, 4, 48, 64))


def test_the_loss_reaches_both_branches_and_what_joins_them():
    network = DualBranch(ENCODER, 4, 5, CHANNELS)
    network(torch.rand(2, 4, 64, 64)).square().mean().backward()
    for name, weight in network.named_parameters():
        if "conv_head" in name or ".bn2." in name:  # what a classifier has behind its last feature
            continue
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
    for part in [
        *(getattr(network, kind)[b] for kind in ("encoder", "decoder") for b in BRANCHES),
        network.exchange,
    ]:
        assert any(weight.grad is not None and weight.grad.any() for weight in part.parameters())


@torch.no_grad()
def test_what_lies_far_away_matters_here_as_it_does_not_to_a_plain_unet(network):
    plain = smp.Unet(
        ENCODER, encoder_weights=None, in_channels=4, classes=5, decoder_channels=CHANNELS
    ).eval()
    image = torch.rand(1, 4, 32, 1024)
    other = image.clone()
    other[..., :64] += 2
    here = (..., slice(-64, None))
    assert torch.equal(plain(image)[here], plain(other)[here])
    assert (network(image)[here] - network(other)[here]).abs().max() > 1e-4


@torch.no_grad()
def test_both_branches_have_a_say(network):
    image = torch.rand(1, 4, 64, 64)
    whole = network(image)
    for branch in BRANCHES:
        head = network.segmentation_head[branch][0]
        kept = head.bias.clone()
        head.bias += 1
        assert (network(image) - whole).abs().min() > 0.01
        head.bias.copy_(kept)


def test_places_alike_in_both_branches_are_embedded_alike():
    fine = position_embedding(torch.arange(8) + 0.5, torch.arange(8) + 0.5, 32).unflatten(0, (8, 8))
    coarse = position_embedding(torch.tensor([2.0, 6.0]), torch.tensor([2.0, 6.0]), 32).unflatten(0, (2, 2))
    distance = (fine - coarse[0, 1]).norm(dim=2)
    rows, columns = (distance < distance.min() + 1e-4).nonzero(as_tuple=True)
    assert set(rows.tolist()) == {1, 2}
    assert set(columns.tolist()) == {5, 6}


def test_training_is_repeatable():
    def trained():
        torch.manual_seed(3)
        network = DualBranch(ENCODER, 4, 5, CHANNELS)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        network(torch.rand(2, 4, 64, 64)).square().mean().backward()
        optimiser.step()
        return network.state_dict()

    first, second = trained(), trained()
    assert all(torch.equal(first[name], second[name]) for name in first)
