"""The network on each back end: windows a second on the CPU, and how often its class is torch's.

``python -m bench.backends [--model models/segmenter] [--threads 2] [--windows 8]`` exports the
model into a temporary folder and times all back ends in turn, round after round, so that a busy
moment of the machine falls on all; the fastest round of each counts. Pixels are noise of the
training set's mean and spread. The last line is one JSON object with the ratios to torch.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import trange

from urbanseg import paths
from urbanseg.infer import backends, export
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.model import segmenter

SIDE, ROUNDS = 256, 5


def main() -> None:
    """Export, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=paths.MODEL)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--windows", type=int, default=8)
    asked = parser.parse_args()
    network, spec = segmenter.load(asked.model)
    shape = (asked.windows, len(spec.bands), SIDE, SIDE)
    noise = np.random.default_rng(0).normal(size=shape)
    mean, std = (np.reshape(values, (-1, 1, 1)) for values in (spec.mean, spec.std))
    pixels = (noise * std + mean).astype(np.float32)

    with tempfile.TemporaryDirectory() as folder:
        formats = [format_ for format_ in backends.BACKENDS if format_ != "torch"]
        export.write(Path(folder), formats, asked.model, network, spec, lambda: list(pixels[:, None]))
        torch_predict = TorchPredictor(network, spec, segmenter.device_of("cpu"), asked.threads, "float32")
        predictors = {"torch": torch_predict}
        predictors |= {
            format_: export.predictor(Path(folder) / format_, asked.threads) for format_ in formats
        }
        answers = {name: predict(pixels).argmax(axis=1) for name, predict in predictors.items()}
        seconds = dict.fromkeys(predictors, float("inf"))
        for _ in trange(ROUNDS, unit="round"):
            for name, predict in predictors.items():
                started = time.perf_counter()
                predict(pixels)
                seconds[name] = min(seconds[name], time.perf_counter() - started)

    print("| back end | windows/s | torch = 1 | same class as torch |\n|---|---|---|---|")
    for name in predictors:
        ratio, equal = seconds["torch"] / seconds[name], (answers[name] == answers["torch"]).mean()
        print(f"| {name} | {asked.windows / seconds[name]:.2f} | {ratio:.2f} | {equal:.4%} |")
    print(json.dumps({f"{name}_over_torch": round(seconds["torch"] / seconds[name], 3) for name in formats}))


if __name__ == "__main__":
    main()
