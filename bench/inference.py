"""Full-scene prediction against the bare network, a straightforward loop, and public peers.

``python -m bench.inference [--scene demo] [--model models/segmenter] [--quick]``

The scene is a city of params.yaml that has been made, a GeoTIFF, or a number: a made-up
scene of that many pixels squared. In one process, on one network and with two threads run:
the bare forward pass on as many windows as ours takes, ours (reading to written COGs), the
loop with 50 % overlap, and two public libraries' algorithms at our windows and overlap
(see `bench.peers`). Where the city is labelled, each map's mIoU on the test blocks is given.
Where the model doesn't fit the scene's bands, an untrained network of the default make runs.

Peak memory is that of processes of their own, on made-up scenes. There the network answers
its first batches and then repeats itself: memory is the same, and an hour is saved.

The last line is one JSON object with the ratios.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import segmentation_models_pytorch as smp
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from bench.overlap import miou
from bench.peers import PEERS, Case
from urbanseg import paths
from urbanseg.classes import ClassTable, LandClass
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.grid import strips
from urbanseg.infer import export, outputs
from urbanseg.infer.backends import BACKENDS
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.infer.scene import predict_scene, window_grid
from urbanseg.infer.stitching import Predictor
from urbanseg.io import raster
from urbanseg.model import segmenter
from urbanseg.model.cpu import use_cpu

THREADS = 2
TILE = 256
"""Tiles of the loop, as it would be trained on; its overlap is half of that."""


class Tired(torch.nn.Module):
    """A network that works a few times and then repeats its last answer."""

    def __init__(self, network: torch.nn.Module, calls: int = 3) -> None:
        super().__init__()
        self.network, self.calls, self.last = network, calls, torch.empty(0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, of these images or of earlier ones of the same shape."""
        if self.calls > 0 or self.last.shape[0] != images.shape[0]:
            self.last, self.calls = self.network(images), self.calls - 1
        return self.last


def loaded(case: Case, precision: str) -> Predictor:
    """The network as the predict stage loads it."""
    return TorchPredictor(case.network, case.spec, torch.device("cpu"), THREADS, precision)


def ours(case: Case, options: PredictParams, predict: Predictor) -> NDArray[np.uint8]:
    """The predict stage without a city, its model loaded: from an open file to written COGs."""
    table = ClassTable(tuple(LandClass(i, name, "#888888") for i, name in enumerate(case.spec.classes)))
    with raster.small_cache(), raster.reading(case.scene) as scene:
        found = predict_scene(scene, case.bands, predict, case.spec.classes, options)
        outputs.write(case.folder / "ours", scene.grid, found, table, options)
    with rasterio.open(case.folder / "ours/classes.tif") as written:
        return written.read(1)


def exported(case: Case, model: Path, threads: int) -> dict[str, Predictor]:
    """The network on the other back ends, by name; windows of the scene tell int8 the range of each layer."""
    formats = [name for name in BACKENDS if name != "torch"]
    folder = case.folder / "exported"
    folder.mkdir(exist_ok=True)

    def windows() -> list[NDArray[np.float32]]:
        with rasterio.open(case.scene) as scene:
            corners = np.random.default_rng(0).uniform(size=(16, 2)) * (np.array(scene.shape) - TILE)
            places = [rasterio.windows.Window(int(col), int(row), TILE, TILE) for row, col in corners]
            return [scene.read(case.bands, window=place)[None].astype(np.float32) for place in places]

    export.write(folder, formats, model, case.network, case.spec, windows)
    return {name: export.predictor(folder / name, threads) for name in formats}


@torch.inference_mode()
def bare(case: Case, windows: int, window: tuple[int, int], low: bool = False) -> None:
    """The network alone, on as many windows, which are in memory already; in bfloat16, if `low`."""
    network = case.network.to(memory_format=torch.channels_last)
    images = torch.randn(case.batch_size, len(case.bands), *window).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        for start in range(0, windows, case.batch_size):
            network(images[: windows - start])


def timed(runs: dict[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Seconds of the fastest of some runs of each, and what each gave; they take turns."""
    seconds, results = dict.fromkeys(runs, float("inf")), {}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            results[name] = run()
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    return seconds, results


def network_for(model: Path, count: int) -> tuple[segmenter.Segmenter, segmenter.Spec, bool]:
    """The saved model, or an untrained one of the default make for `count` bands; and whether it's saved."""
    if (model / "segmenter.json").exists():
        network, spec = segmenter.load(model)
        if len(spec.bands) <= count:
            return network, spec, True
    torch.manual_seed(7)
    make = smp.Unet("timm-tf_efficientnet_lite0", encoder_weights=None, in_channels=count, classes=6)
    names = [f"class{i}" for i in range(6)]
    bands = [str(i) for i in range(1, count + 1)]
    spec = segmenter.Spec(bands, [128.0] * count, [64.0] * count, names, "Unet", "timm-tf_efficientnet_lite0")
    return segmenter.Segmenter(make, 1).eval(), spec, False


def made_up(path: Path, side: int) -> Path:
    """A scene of ``side × side`` pixels and four bands, smooth with a grain, like reflectance × 10000."""
    grain = np.random.default_rng(3).integers(0, 400, (4, TILE, side)).astype(np.uint16)
    kind = {"driver": "GTiff", "tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "lzw"}
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 5e5, 0, -10, 54e5), "nodata": 0}
    with rasterio.open(path, "w", width=side, height=side, count=4, dtype="uint16", **kind, **place) as file:
        for strip in strips((side, side), TILE):
            wave = 1000 + 500 * np.sin(np.arange(strip.row, strip.row + strip.height) / 90)
            values = grain[:, : strip.height] + wave[:, None].astype(np.uint16)
            file.write(values, window=rasterio.windows.Window(0, strip.row, side, strip.height))
    return path


def own_peak_mb() -> float:
    """Peak resident memory of this process in MB.

    Not getrusage's ru_maxrss: Linux hands a parent's peak down to what it starts.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peak_mb(who: str, side: int, asked: argparse.Namespace) -> float:
    """Peak resident memory in MB of a process that predicts a made-up scene of ``side × side`` pixels."""
    words = ["--scene", str(side), "--peak", who, "--model", str(asked.model)]
    answer = subprocess.run(
        [sys.executable, "-m", "bench.inference", *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(answer.stdout.splitlines()[-1])


def case_of(asked: argparse.Namespace, options: PredictParams, folder: Path) -> tuple[Case, bool, str | None]:
    """What is predicted; whether by the saved model; and the city it is, if any."""
    city = asked.scene if paths.scene(asked.scene).exists() else None
    path = paths.scene(city) if city else Path(asked.scene)
    if asked.scene.isdecimal():
        path = made_up(folder / "scene.tif", int(asked.scene))
    info = raster.describe(path)
    network, spec, saved = network_for(asked.model, info.count)
    bands = [
        info.descriptions.index(band) + 1 if band in info.descriptions else number
        for number, band in enumerate(spec.bands, start=1)
    ]
    if asked.quick:
        path = _corner(path, folder / "corner.tif")
    scratch = (path, bands, options.size, options.overlap, options.batch_size, folder)
    return Case(network, spec, *scratch), saved, None if asked.quick else city


def _corner(path: Path, target: Path) -> Path:
    with rasterio.open(path) as source:
        side = min(640, *source.shape)
        values = source.read(window=rasterio.windows.Window(0, 0, side, side))
        profile = source.profile | {"height": side, "width": side}
    with rasterio.open(target, "w", **profile) as file:
        file.write(values)
    return target


def compare(
    case: Case, options: PredictParams, city: str | None, repeats: int, model: Path | None
) -> dict[str, float]:
    """Run all on one scene; print a table, and return seconds and mIoU by name."""
    with rasterio.open(case.scene) as scene:
        laid = window_grid(scene.shape, options)
    windows = len(laid.rows) * len(laid.cols)
    predictors = {"ours": loaded(case, "float32")}
    runs: dict[str, Callable[[], Any]] = {"bare": lambda: bare(case, windows, laid.window)}
    if segmenter.native_bf16(torch.device("cpu")):
        runs["bare_bf16"] = lambda: bare(case, windows, laid.window, low=True)
        predictors["ours_bf16"] = loaded(case, "bfloat16")
    if model:
        found = exported(case, model, options.threads)
        predictors |= {f"ours_{name}": predict for name, predict in found.items()}
    for name, predict in predictors.items():
        runs[name] = lambda predict=predict: ours(case, options, predict)
    for name, peer in PEERS.items():
        adjusted = replace(case, size=TILE) if name == "loop" else case
        runs[name] = lambda peer=peer, adjusted=adjusted: peer(adjusted)

    bare(case, 2, laid.window)  # the first call of a network is slow
    figures: dict[str, float] = {"windows": windows}
    print(f"\n{windows} windows of {laid.window[0]} × {laid.window[1]} pixels\n")
    print("| what | seconds | mIoU |\n|---|---|---|")
    seconds, results = timed(runs, repeats)
    for name, result in results.items():
        figures[f"{name}_s"] = round(seconds[name], 2)
        score = ""
        if city and result is not None:
            figures[f"{name}_miou"] = round(miou(city, result, case.classes), 4)
            score = f"{figures[f'{name}_miou']:.4f}"
        print(f"| {name} | {seconds[name]:.2f} | {score} |", flush=True)
    return figures


def ratios(figures: dict[str, float]) -> dict[str, float]:
    """Each named so that more is better for ours."""
    found: dict[str, float] = {}
    for name in (*PEERS, "bare", "bare_bf16"):
        for own in ("ours", "ours_bf16"):
            if f"{own}_s" in figures and f"{name}_s" in figures:
                found[f"speed_{own}_over_{name}"] = figures[f"{name}_s"] / figures[f"{own}_s"]
    for name in BACKENDS:
        if f"ours_{name}_s" in figures:
            found[f"speed_ours_{name}_over_ours"] = figures["ours_s"] / figures[f"ours_{name}_s"]
    return {name: round(value, 3) for name, value in found.items()}


def peaks(asked: argparse.Namespace) -> dict[str, float]:
    """Peak memory of ours on a small and a large scene, and of all on one in between."""
    small, middle, large = (512, 512, 1024) if asked.quick else (2048, 4096, 8192)
    memory = {f"ours_{side}_mb": peak_mb("ours", side, asked) for side in sorted({small, middle, large})}
    memory |= {f"{name}_{middle}_mb": peak_mb(name, middle, asked) for name in PEERS}
    for name, value in memory.items():
        print(f"peak memory, {name.removesuffix('_mb').replace('_', ' at ')}²: {value:.0f} MB", flush=True)
    return memory | {"memory_growth": round(memory[f"ours_{large}_mb"] / memory[f"ours_{small}_mb"] - 1, 3)}


def main() -> None:
    """Run, print, and say the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scene", default="demo", help="a city, a GeoTIFF, or a number of pixels")
    parser.add_argument("--model", type=Path, default=paths.MODEL)
    parser.add_argument("--repeats", type=int, default=1, help="of each; the fastest counts")
    parser.add_argument("--quick", action="store_true", help="a corner of the scene, small memory runs")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--peak", choices=["ours", *PEERS], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    options = load(paths.PARAMS).predict.model_copy(update={"threads": THREADS, "rasters": []})
    use_cpu(THREADS)
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the peers' tiles lie nowhere
    folder = Path(tempfile.mkdtemp(prefix="inference-"))
    try:
        case, saved, city = case_of(asked, options, folder)
        if asked.peak:
            tired = replace(case, network=Tired(case.network))
            if asked.peak == "ours":
                ours(tired, options, loaded(tired, "float32"))
            else:
                PEERS[asked.peak](tired)
            print(own_peak_mb())
            return
        print(f"{case.scene.name}, {case.spec.arch} with {case.spec.encoder}, "
              f"{'trained' if saved else 'untrained'}, {THREADS} threads, "
              f"{os.getloadavg()[0]:.1f} processes busy before")  # fmt: skip
        figures = compare(case, options, city, asked.repeats, asked.model if saved else None)
        if not asked.no_memory:
            figures |= peaks(asked)
    finally:
        shutil.rmtree(folder)
    print(json.dumps({"scene": asked.scene, **ratios(figures), **figures}))


if __name__ == "__main__":
    main()
