import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from urbanseg.classes import IGNORE
from urbanseg.config.train import LossParams
from urbanseg.learn.data import CORRECTED
from urbanseg.learn.losses import REACH, TERMS, SegmentationLoss, border_weights

NOTHING = {
    "ce_weight": 0,
    "focal_weight": 0,
    "dice_weight": 0,
    "lovasz_weight": 0,
    "tversky_weight": 0,
    "focal_gamma": 2,
    "tversky_alpha": 0.3,
    "tversky_beta": 0.7,
    "class_weights": "none",
    "label_smoothing": 0,
    "boundary_weight": 0,
    "boundary_sigma_px": 2,
}
VARIANTS = {name: {f"{name}_weight": 1} for name in TERMS} | {
    "smoothed": {"ce_weight": 1, "label_smoothing": 0.1},
    "border": {"ce_weight": 1, "boundary_weight": 5, "label_smoothing": 0.1},
    "flat focal": {"focal_weight": 1, "focal_gamma": 0.5},
    "sum": {
        "ce_weight": 0.5,
        "focal_weight": 0.1,
        "dice_weight": 2,
        "lovasz_weight": 1,
        "tversky_weight": 0.3,
    },
}
WEIGHTS = {"none": None, "weighted": torch.tensor([0.2, 2.3, 0.5, 1.0])}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def loss_of(variant, weights=None):
    return SegmentationLoss(LossParams(**NOTHING | VARIANTS[variant]), weights)


def sample(seed=0, size=12, absent=True):
    """Logits of four classes, the last one absent from the target; two rows ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 4, size, size, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3 if absent else 4, (2, size, size), generator=generator)
    target[:, :2] = IGNORE
    return logits, target


def labelled(logits, target):
    """Probabilities ``(pixels, classes)`` and classes ``(pixels,)`` where there is a label."""
    known = (target != IGNORE).numpy()
    scores = np.moveaxis(logits.numpy(), 1, -1)[known]
    odds = np.exp(scores - scores.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True), target.numpy()[known]


def nearness(target, sigma):
    """The border's weight by scipy's distance transform."""
    weights = np.zeros(target.shape)
    for image, out in zip(target.numpy(), weights, strict=True):
        for own in set(np.unique(image)) - {IGNORE}:
            other = (image != own) & (image != IGNORE)
            if other.any():
                distance = ndimage.distance_transform_edt(~other)
                here = (image == own) & (distance <= REACH * sigma)
                out[here] = np.exp(-(distance[here] ** 2) / (2 * sigma**2))
    return weights


def jaccard_loss(wrong, truth):
    return wrong.sum() / (wrong | truth).sum()


def lovasz_extension(errors, truth):
    """By the definition: the growth of the set's loss as it takes in the worst pixels first."""
    wrong, before, total = np.zeros(len(errors), bool), 0.0, 0.0
    for i in np.argsort(-errors):
        wrong[i] = True
        now = jaccard_loss(wrong, truth)
        total, before = total + errors[i] * (now - before), now
    return total


def over_classes(y, weights, loss_of_class):
    present = np.unique(y)
    return np.average([loss_of_class(c) for c in present], weights=weights[present])


def tversky_loss(p, y, c, alpha, beta):
    hits, more, less = p[y == c, c].sum(), p[y != c, c].sum(), (1 - p[y == c, c]).sum()
    return 1 - hits / (hits + alpha * more + beta * less)


def reference(of, logits, target, weights):
    """The sum of all terms in numpy, each from its paper's formula over the labelled pixels."""
    p, y = labelled(logits, target)
    weights = np.ones(4) if weights is None else weights.double().numpy()
    own = p[np.arange(len(y)), y]
    border = of.boundary_weight * nearness(target, of.boundary_sigma_px)[target.numpy() != IGNORE]
    soft = (1 - of.label_smoothing) * np.eye(4)[y] + of.label_smoothing / 4
    terms = {
        "ce": lambda: np.average(-(soft * np.log(p)).sum(1), weights=weights[y] + border),
        "focal": lambda: np.average(-((1 - own) ** of.focal_gamma) * np.log(own), weights=weights[y]),
        "dice": lambda: over_classes(
            y, weights, lambda c: 1 - 2 * p[y == c, c].sum() / (p[:, c].sum() + (y == c).sum())
        ),
        "tversky": lambda: over_classes(
            y, weights, lambda c: tversky_loss(p, y, c, of.tversky_alpha, of.tversky_beta)
        ),
        "lovasz": lambda: over_classes(
            y, weights, lambda c: lovasz_extension(np.abs((y == c) - p[:, c]), y == c)
        ),
    }
    return sum(weight * terms[name]() for name, weight in of.terms.items())


@each_variant
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_loss_agrees_with_its_definition_to_1e_6(variant, weights, dtype):
    loss = loss_of(variant, WEIGHTS[weights])
    for seed in range(3):
        logits, target = sample(seed)
        expected = reference(loss.params, logits, target, WEIGHTS[weights])
        value = loss(logits.to(dtype).to(memory_format=torch.channels_last), target)
        assert value.dtype == dtype
        assert value.item() == pytest.approx(expected, abs=1e-6, rel=1e-6)


@pytest.mark.parametrize(
    ("variant", "other"),
    [
        ("dice", smp.DiceLoss("multiclass", ignore_index=IGNORE)),
        ("tversky", smp.TverskyLoss("multiclass", ignore_index=IGNORE, alpha=0.3, beta=0.7)),
        ("ce", nn.CrossEntropyLoss(ignore_index=IGNORE)),
        ("smoothed", nn.CrossEntropyLoss(ignore_index=IGNORE, label_smoothing=0.1)),
    ],
)
def test_where_all_classes_occur_and_weigh_the_same_the_libraries_agree(variant, other):
    logits, target = sample(absent=False)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = loss_of(variant)(ours, target), other(theirs, target)
    torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-6)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-8, rtol=1e-6)


def test_the_library_agrees_on_lovasz_as_far_as_float32_carries_it():
    logits, target = sample()
    value = smp.LovaszLoss("multiclass", ignore_index=IGNORE)(logits.float(), target)
    torch.testing.assert_close(loss_of("lovasz")(logits.float(), target), value, atol=1e-6, rtol=1e-6)


def test_class_weights_of_cross_entropy_are_those_of_torch():
    logits, target = sample()
    expected = F.cross_entropy(logits, target, WEIGHTS["weighted"].double(), ignore_index=IGNORE)
    assert loss_of("ce", WEIGHTS["weighted"])(logits, target).item() == pytest.approx(
        expected.item(), abs=1e-9
    )


@each_variant
def test_the_gradient_is_that_of_the_loss(variant):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 3, (2, 3, 4), generator=generator)
    target[0, 0] = IGNORE
    loss = loss_of(variant, torch.tensor([0.5, 2.0, 0.5]))
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits)


def test_the_gradient_of_lovasz_keeps_its_digits_in_float32_over_many_pixels():
    logits, target = sample(size=256)
    p, y = labelled(logits, target)
    weights = np.zeros_like(p)
    for c in range(3):
        worst_first = np.argsort(-np.abs((y == c) - p[:, c]))
        hits = (y == c)[worst_first]
        losses = 1 - (hits.sum() - hits.cumsum()) / (hits.sum() + (~hits).cumsum())
        weights[worst_first, c] = np.diff(losses, prepend=0) * np.where(hits, -1, 1) / 3
    expected = torch.zeros_like(logits)
    expected.movedim(1, -1)[target != IGNORE] = torch.from_numpy(
        p * (weights - (p * weights).sum(1)[:, None])
    )

    single = logits.float().requires_grad_()
    loss_of("lovasz")(single, target).backward()
    assert (single.grad - expected).norm() < 1e-4 * expected.norm()


@each_variant
def test_ignored_pixels_have_no_gradient_and_labelled_ones_do(variant):
    logits, target = sample()
    logits.requires_grad_()
    loss_of(variant)(logits, target).backward()
    gradient = logits.grad.abs().sum(1)
    assert (gradient[target == IGNORE] == 0).all()
    assert (gradient[target != IGNORE] > 0).all()


@each_variant
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_batch_without_labels_costs_nothing(variant, weights):
    logits, target = sample()
    logits.requires_grad_()
    value = loss_of(variant, WEIGHTS[weights])(logits, torch.full_like(target, IGNORE))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


@each_variant
def test_a_sure_answer_has_a_finite_gradient_whether_right_or_wrong(variant):
    _, target = sample()
    answer = F.one_hot(target.clamp(max=3), 4).permute(0, 3, 1, 2) * 500.0
    for logits in (answer.clone().requires_grad_(), answer.roll(1, 1).clone().requires_grad_()):
        value = loss_of(variant)(logits, target)
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("variant", TERMS)
def test_a_perfect_answer_costs_almost_nothing(variant):
    _, target = sample()
    answer = F.one_hot(target.clamp(max=3), 4).permute(0, 3, 1, 2) * 50.0
    assert loss_of(variant)(answer, target) < 1e-6


@each_variant
def test_under_autocast_it_is_computed_in_float32(variant):
    logits, target = sample()
    short = logits.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss_of(variant)(short, target)
    value.backward()
    torch.testing.assert_close(value, loss_of(variant)(short.detach().float(), target))
    assert short.grad.isfinite().all()


def test_focal_without_a_power_is_cross_entropy():
    logits, target = sample()
    flat = SegmentationLoss(LossParams(**NOTHING | {"focal_weight": 1, "focal_gamma": 0}))
    torch.testing.assert_close(flat(logits, target), loss_of("ce")(logits, target))


def test_a_class_without_weight_does_not_count():
    logits, target = sample()
    no_second = torch.tensor([1.0, 0.0, 1.0, 1.0])
    hidden = target.masked_fill(target == 1, IGNORE)
    for variant in ("ce", "focal"):
        torch.testing.assert_close(
            loss_of(variant, no_second)(logits, target), loss_of(variant)(logits, hidden)
        )


@given(
    st.integers(0, 2**31),
    st.integers(1, 24),
    st.integers(1, 24),
    st.sampled_from([0.3, 0.5, 1.0, 2.0, 3.0, 5.5]),
    st.sampled_from([0.01, 0.2, 0.7]),
)
def test_the_border_weight_is_that_of_the_exact_distance(seed, height, width, sigma, unknown):
    rng = np.random.default_rng(seed)
    classes = rng.choice([0, 1, 3], (2, height, width), p=[0.9, 0.07, 0.03])
    classes[rng.random(classes.shape) < unknown] = IGNORE
    target = torch.from_numpy(classes)
    weights = border_weights(target, 4, sigma)
    assert weights.dtype == torch.float32
    np.testing.assert_allclose(weights.numpy(), nearness(target, sigma), atol=1e-6)


def test_the_border_weighs_most_beside_another_class_and_nothing_far_from_it():
    target = torch.zeros(1, 1, 30, dtype=torch.int64)
    target[..., 15:] = 1
    weights = border_weights(target, 2, 3.0)[0, 0]
    assert weights[14] == weights[15] == pytest.approx(np.exp(-1 / 18))
    assert (weights[:15].diff() >= 0).all()
    assert (weights[:6] == 0).all()
    assert weights[6] > 0


@each_variant
def test_a_step_of_the_optimiser_lowers_the_loss(variant):
    torch.manual_seed(0)
    images, (_, target) = torch.randn(2, 4, 12, 12), sample()
    network = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    loss = loss_of(variant, WEIGHTS["weighted"])
    before = loss(network(images), target)
    before.backward()
    optimiser.step()
    assert loss(network(images), target) < before


@pytest.mark.parametrize("variant", ["ce", "focal"])
def test_a_corrected_pixel_counts_as_often_as_its_weight_says(variant):
    logits, target = sample()
    marked = target.clone()
    marked[0, 5, :3] += CORRECTED
    weighed = SegmentationLoss(LossParams(**NOTHING | VARIANTS[variant]), correction_weight=3.0)
    thrice = torch.cat([logits, logits[:1], logits[:1]])
    again = torch.full_like(target[:1], IGNORE)
    again[0, 5, :3] = target[0, 5, :3]
    expected = loss_of(variant)(thrice, torch.cat([target, again, again]))
    assert float(weighed(logits, marked)) == pytest.approx(float(expected), rel=1e-6)
    assert float(loss_of(variant)(logits, marked)) == pytest.approx(float(loss_of(variant)(logits, target)))
