"""What asking for the right blocks saves: labels of Dubai bought block by block, chosen in four ways.

``python -m bench.active FOLDER [--seeds 1 2 3 4 5] [--strategies random entropy diversity ours]``

The 54 images of Dubai are cut into blocks of 256 × 256 pixels. Every third image is for testing; of the
others, the labels of 4 blocks are known at first. A network with ImageNet's encoder is trained on them; then
four times 4 more blocks are chosen and labelled by the published masks, and training goes on from the weights
it had, for a few steps. ``random`` draws blocks; ``entropy`` takes those of the greatest mean entropy;
``diversity`` those farthest from what is labelled (greedy k-centre); ``ours`` is what `urbanseg suggest`
does: uncertainty × expected effect × distance. A seed draws the first blocks and the batches, and is the same
for all strategies, so that they are compared in pairs. Each run (strategy × seed) is a file in FOLDER; what
is there is not run again. Prints a Markdown table: the area under the curve of the test mIoU over labelled
blocks, and differences in pairs with their 90 % intervals (Student's t). The last line is one JSON object.
"""

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import Params, load
from urbanseg.io import files, image_sheet
from urbanseg.labels.rasters import remap
from urbanseg.learn import training
from urbanseg.learn.losses import SegmentationLoss
from urbanseg.metrics.segmentation import class_scores, confusion
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec
from urbanseg.review import suggestions

ROOT = Path(__file__).parents[1]
DATA = ROOT / "../shared/data/dubai"
STRATEGIES = ("random", "entropy", "diversity", "ours")
SIDE, CROP = 256, 128
"""Of a block, and of what the network is shown in training; pixels."""
TEST_IMAGES = ("003", "006", "009")
FIRST, MORE = 4, 4
"""Blocks that are labelled at first, and in each round."""
BATCH, RATE, ENCODER_FACTOR = 8, 0.002, 0.5
DECODER = [128, 64, 32, 16, 8]
"""Half the usual width, for a third of the time."""
MIN_LABELLED = 0.5
"""Share of labelled pixels that a block needs."""
CONFIDENCE = 0.90


@dataclass(frozen=True)
class Blocks:
    """Colours of blocks, ``(blocks, 3, 256, 256)`` uint8, and classes, ``(blocks, 256, 256)`` uint8."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """What a network says of blocks: classes, pixels of each, and mean entropy as a share of the greatest."""

    classes: NDArray[np.uint8]
    counts: NDArray[np.int64]
    entropy: NDArray[np.float64]


@dataclass
class Learner:
    """A network, what it is for, and how it goes on learning."""

    network: Segmenter
    spec: Spec
    params: Params
    steps: int
    labelled: list[int] = field(default_factory=list)

    def fit(self, pool: Blocks, rng: np.random.Generator) -> None:
        """Train on crops of the labelled blocks, turned and mirrored; the rate falls to 0 as a cosine."""
        encoder = [p for n, p in self.network.named_parameters() if n.startswith("network.encoder.")]
        others = [p for n, p in self.network.named_parameters() if not n.startswith("network.encoder.")]
        groups = [{"params": encoder, "lr": RATE * ENCODER_FACTOR}, {"params": others, "lr": RATE}]
        optimiser = torch.optim.AdamW(groups, weight_decay=self.params.train.weight_decay)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        loss = SegmentationLoss(self.params.train.loss)
        torch.manual_seed(int(rng.integers(1 << 31)))  # of what the network leaves out
        self.network.train()
        for _ in range(self.steps):
            images, targets = zip(*(self._crop(pool, rng) for _ in range(BATCH)), strict=True)
            scores = self.network(_tensor(np.stack(images)))
            optimiser.zero_grad()
            loss(scores, torch.from_numpy(np.stack(targets).astype(np.int64))).backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimiser.step()
            falling.step()
        self.network.eval()

    def _crop(self, pool: Blocks, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        number = self.labelled[rng.integers(len(self.labelled))]
        row, col = rng.integers(0, SIDE - CROP + 1, 2)
        part = np.s_[..., row : row + CROP, col : col + CROP]
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        image, target = (
            np.rot90(values[number][part], turns, (-2, -1)) for values in (pool.images, pool.labels)
        )
        if mirrored:
            image, target = image[..., ::-1], target[..., ::-1]
        return self.spec.normalise(image), target

    @torch.inference_mode()
    def look(self, images: NDArray[np.uint8]) -> Seen:
        """Predict blocks."""
        n = len(self.spec.classes)
        classes, entropy = [], []
        for start in range(0, len(images), BATCH):
            batch = np.stack([self.spec.normalise(image) for image in images[start : start + BATCH]])
            logs = self.network(_tensor(batch)).log_softmax(1)
            classes.append(logs.argmax(1).to(torch.uint8).numpy())
            entropy.append((-(logs.exp() * logs).sum(1).mean((1, 2)) / math.log(n)).numpy())
        found = np.concatenate(classes)
        counts = np.stack([np.bincount(block.ravel(), minlength=n) for block in found])
        return Seen(found, counts, np.concatenate(entropy).astype(np.float64))


def _tensor(images: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(images).to(memory_format=torch.channels_last)


def read_blocks(params: Params) -> tuple[Blocks, Blocks]:
    """The blocks that may be labelled, and those for testing."""
    labels: Any = params.cities["dubai_tiles"].labels
    table = {int(str(key)[1:], 16): name for key, name in labels.remap.items()}
    found: dict[bool, list[Any]] = {False: [], True: []}
    for path in sorted(DATA.glob("tile*/images/*.jpg")):
        pixels, colours = _read(path), _read(path.parents[1] / "masks" / f"{path.stem}.png")
        truth = remap(image_sheet.colors(colours), table, params.class_table)
        for row in range(0, truth.shape[0] - SIDE + 1, SIDE):
            for col in range(0, truth.shape[1] - SIDE + 1, SIDE):
                part = np.s_[..., row : row + SIDE, col : col + SIDE]
                if (truth[part] != IGNORE).mean() >= MIN_LABELLED:
                    found[path.stem.endswith(TEST_IMAGES)].append((pixels[part], truth[part]))
    pool, test = (Blocks(*map(np.stack, zip(*found[kind], strict=True))) for kind in (False, True))
    return pool, test


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def create(pool: Blocks, params: Params, seed: int) -> tuple[Segmenter, Spec]:
    """A network with ImageNet's encoder, normalised by the pixels of the pool, which need no labels."""
    pixels = pool.images.transpose(1, 0, 2, 3).reshape(3, -1)[:, ::97].astype(np.float64)
    spec = Spec(
        bands=["red", "green", "blue"],
        mean=pixels.mean(axis=1).tolist(),
        std=pixels.std(axis=1).tolist(),
        classes=params.class_table.names,
        arch=params.train.arch,
        encoder=params.train.encoder,
    )
    torch.manual_seed(seed)
    return training.create(params.train, spec).to(memory_format=torch.channels_last), spec


def looks(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and spread of each band in each block, as `suggestions.looks` measures them in a scene."""
    values = images.reshape(*images.shape[:2], -1)
    return suggestions.standard(np.hstack([values.mean(axis=2), values.std(axis=2)]))


def choose(
    strategy: str, seen: Seen, looked: NDArray[np.float64], labelled: list[int], seed: int
) -> list[int]:
    """The next blocks to label.

    Args:
        strategy: one of `STRATEGIES`.
        seen: what the network says of the pool.
        looked: ``(blocks, features)`` of the pool.
        labelled: blocks that are labelled.
        seed: of the random choice.
    """
    n = len(looked)
    known = np.isin(np.arange(n), labelled)
    if strategy == "random":
        rng = np.random.default_rng((seed, len(labelled)))
        return [int(n) for n in rng.choice(np.flatnonzero(~known), MORE, replace=False)]
    if strategy == "entropy":
        return [int(n) for n in np.argsort(-np.where(known, -1, seen.entropy), kind="stable")[:MORE]]
    features = np.hstack([seen.counts / SIDE**2, looked])
    worth = np.ones(n)
    if strategy == "ours":
        worth = seen.entropy * suggestions.effect(seen.counts, np.full(n, SIDE**2))
    return [s.number for s in suggestions.rank(worth, features, np.ones(n, bool), known, MORE)]


def run(strategy: str, seed: int, first: Learner, data: tuple[Blocks, Blocks], rounds: int) -> dict[str, Any]:
    """Mean IoU of the test blocks after each round, and the blocks that were labelled."""
    pool, test = data
    began, looked, learner = time.process_time(), looks(pool.images), copy.deepcopy(first)
    curve = [score(learner, test)]
    for number in range(rounds):
        seen = learner.look(pool.images)
        learner.labelled += choose(strategy, seen, looked, learner.labelled, seed)
        learner.fit(pool, np.random.default_rng((seed, number + 1)))
        curve.append(score(learner, test))
    return {
        "strategy": strategy, "seed": seed, "steps": learner.steps, "miou": [round(v, 5) for v in curve],
        "blocks": [int(block) for block in learner.labelled], "cpu_s": round(time.process_time() - began),
    }  # fmt: skip


def score(learner: Learner, test: Blocks) -> float:
    """Mean IoU of the test blocks together, over the classes that they hold."""
    known, seen = test.labels != IGNORE, learner.look(test.images)
    matrix = confusion(test.labels[known], seen.classes[known], len(learner.spec.classes))
    return float(class_scores(matrix).iou[matrix.sum(axis=1) > 0].mean())


def area(curve: Sequence[float]) -> float:
    """Area under a curve of equal steps, as its mean height."""
    return float(np.trapezoid(curve) / (len(curve) - 1))


def difference(ours: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Mean of paired differences, and its interval."""
    gaps = np.subtract(ours, other)
    half = 0.0
    if len(gaps) > 1:
        half = float(
            stats.t.ppf((1 + CONFIDENCE) / 2, len(gaps) - 1) * gaps.std(ddof=1) / math.sqrt(len(gaps))
        )
    middle = float(gaps.mean())
    return {"mean": round(middle, 4), "low": round(middle - half, 4), "high": round(middle + half, 4)}


def report(
    found: dict[tuple[str, int], dict[str, Any]], strategies: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """Print the table; the figures of the last line."""
    areas = {s: [area(found[s, seed]["miou"]) for seed in seeds] for s in strategies}
    figures: dict[str, Any] = {"seeds": len(seeds), "areas": {}, "ours_over": {}}
    print("| strategy | area under the curve | mIoU at the end | ours minus it, 90 % |\n|---|---|---|---|")
    for name in strategies:
        last = np.mean([found[name, seed]["miou"][-1] for seed in seeds])
        figures["areas"][name] = round(float(np.mean(areas[name])), 4)
        cell = "–"
        if name != "ours" and "ours" in strategies:
            gap = figures["ours_over"][name] = difference(areas["ours"], areas[name])
            cell = f"{gap['mean']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
        print(f"| {name} | {figures['areas'][name]:.4f} | {last:.4f} | {cell} |")
    return figures


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=40, help="of each training; the first has twice as many")
    parser.add_argument(
        "--every", type=int, default=1, help="take each so-manieth block alone, to try it out"
    )
    asked = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"{DATA} is missing: the real tiles are not on this machine")
    asked.folder.mkdir(parents=True, exist_ok=True)
    chosen = asked.folder / "params.yaml"
    text = overlaid((ROOT / "params.yaml").read_text(), (ROOT / "params/dubai_tiles.yaml").read_text())
    files.write_text(chosen, text)
    params = load(chosen)
    params = params.model_copy(
        update={"train": params.train.model_copy(update={"decoder_channels": DECODER})}
    )
    torch.set_num_threads(params.train.threads)
    data: Any = [Blocks(b.images[:: asked.every], b.labels[:: asked.every]) for b in read_blocks(params)]
    print(f"{len(data[0].images)} blocks to choose from, {len(data[1].images)} for testing", file=sys.stderr)
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for seed in tqdm(asked.seeds, unit="seed"):
        todo = []
        for strategy in asked.strategies:
            kept = asked.folder / f"{strategy}-{seed}.json"
            if kept.exists():
                found[strategy, seed] = files.read_json(kept)
            else:
                todo.append((strategy, kept))
        if not todo:
            continue
        network, spec = create(data[0], params, seed)
        rng = np.random.default_rng(seed)
        learner = Learner(network, spec, params, 2 * asked.steps)
        learner.labelled = rng.choice(len(data[0].images), FIRST, replace=False).tolist()
        learner.fit(data[0], rng)
        learner.steps = asked.steps
        for strategy, kept in todo:
            found[strategy, seed] = run(strategy, seed, learner, data, asked.rounds)
            files.write_json(kept, found[strategy, seed])
            print(json.dumps(found[strategy, seed]), file=sys.stderr)
    print(json.dumps(report(found, asked.strategies, asked.seeds)))


if __name__ == "__main__":
    main()
