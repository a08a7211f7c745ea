"""Each recipe of params/datasets on a miniature in the published layout; training beside a plain loop."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import yaml
from torch import nn

from stages.train import training_set
from tests.conftest import ROOT
from tests.pipeline.miniatures import MINIATURES, WORLDCOVER, write_ben_ge
from tests.pipeline.project import Project, small_params
from tests.pipeline.test_classes import run_pipeline, run_stages, values_in
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import Params, load
from urbanseg.io import files, image_sheet, tables
from urbanseg.learn import fabric, optim, training
from urbanseg.learn.steps import step

RECIPES = sorted(path.stem for path in (ROOT / "params/datasets").glob("*.yaml"))
STEPS, BATCH, WIDTH = 10, 8, 8
Weights = dict[str, torch.Tensor]


def recipe(name: str, **train: Any) -> dict[str, Any]:
    """The parameters of a recipe in the size of a test, with its data in this folder."""
    text = overlaid((ROOT / "params.yaml").read_text(), (ROOT / f"params/datasets/{name}.yaml").read_text())
    params = yaml.safe_load(text.replace("../datasets/", ""))
    small = small_params()
    if params["train"]["arch"] != "PlainUNet":
        params["train"] |= {"encoder": "resnet18", "encoder_weights": None}
        params["train"]["decoder_channels"] = small["train"]["decoder_channels"]
    params["train"] |= {
        "width": WIDTH,
        "epochs": 1,
        "steps_per_epoch": 3,
        "batch_size": 2,
        "threads": 1,
    } | train
    params["export"]["formats"] = []
    params["predict"] |= {"size": 128, "threads": 1}
    params["evaluate"]["workers"] = 1
    params["evaluate"]["bootstrap"]["samples"] = 100
    if name == "ben_ge_800":
        [city] = params["cities"].values()
        city["scene"]["splits"]["rows"] = {"train": 9, "val": 3, "test": 4}
    return params


def test_every_recipe_has_a_miniature_and_a_page():
    assert set(RECIPES) == set(MINIATURES)
    page = (ROOT / "docs/datasets.md").read_text()
    assert all(f"params/datasets/{name}.yaml" in page for name in RECIPES)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_from_the_published_files_to_the_page(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, write = MINIATURES[name]
    write(Path(folder))
    params = recipe(name)
    [city] = params["cities"]
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_pipeline(monkeypatch, city)
    ids = {each["id"] for each in params["classes"].values()}
    assert values_in(paths.labels(city)) <= {*ids, IGNORE}
    assert len(values_in(paths.labels(city))) > len(ids) // 2
    scores = json.loads(paths.metrics(city).read_text())
    assert scores["test_pixels"] > 0
    assert ("by_batch" in scores) == (params["evaluate"]["batch_size"] is not None)
    assert paths.REPORT.stat().st_size > 10_000


@pytest.mark.slow
def test_a_recipe_runs_through_dvc_and_a_second_run_does_nothing(tmp_path):
    project = Project(tmp_path / "project", recipe("ben_ge_800"))
    write_ben_ge(project.folder / "ben-ge-800")
    project.write_params()
    assert "report" in project.repro()
    scores = json.loads((project.folder / "metrics/ben_ge.json").read_text())
    assert scores["by_batch"]["size"] == 64
    assert project.repro() == []


class PlainLoop:
    """A notebook's loop: files read by hand, a network of plain layers, Adam and cross-entropy."""

    def __init__(self, network: nn.Module, optimiser: type[torch.optim.Optimizer], **options: float) -> None:
        self.network = network.train().to(memory_format=torch.channels_last)
        self.optimiser = optimiser(network.parameters(), **options)
        self.loss = nn.CrossEntropyLoss(ignore_index=IGNORE)

    def step(self, patches: list[str]) -> float:
        images, targets = zip(*map(self.sample, patches), strict=True)
        self.optimiser.zero_grad()
        batch = torch.stack(images).contiguous(memory_format=torch.channels_last)
        loss = self.loss(self.network(batch), torch.stack(targets))
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def sample(self, patch: str) -> tuple[torch.Tensor, torch.Tensor]:
        bands = []
        for band, divisor in {"B02": 3000, "B03": 3000, "B04": 3000, "B08": 6000}.items():
            with rasterio.open(f"ben-ge-800/sentinel-2/{patch}/{patch}_{band}.tif") as file:
                bands.append(np.pad(file.read(1) / divisor, ((0, 8), (0, 8)), mode="reflect"))
        with rasterio.open(f"ben-ge-800/esaworldcover/{patch}_esaworldcover.tif") as file:
            codes = file.read(1)
        target = np.full((128, 128), IGNORE)
        for number, code in enumerate(WORLDCOVER):
            target[:120, :120][codes == code] = number
        return torch.tensor(np.stack(bands), dtype=torch.float32), torch.tensor(target)


class PlainNetwork(nn.Module):
    """The U-Net as a notebook writes it, with the names of its weights as they are in ours."""

    def __init__(self, bands: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width, 16 * width]
        self.down = nn.ModuleList(
            [self.twice(a, b) for a, b in zip([bands, *widths[:-1]], widths, strict=True)]
        )
        pairs = [(3, 4), (2, 3), (1, 2), (0, 1)]
        self.up = nn.ModuleList([self.twice(widths[a] + widths[b], widths[a]) for a, b in pairs])
        self.out = nn.Conv2d(width, classes, 1)

    @staticmethod
    def twice(before: int, after: int) -> nn.Sequential:
        def once(channels: int) -> list[nn.Module]:
            return [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

        return nn.Sequential(*once(before), *once(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = []
        for level, layers in enumerate(self.down):
            x = layers(nn.functional.max_pool2d(x, 2) if level else x)
            seen.append(x)
        for layers, skipped in zip(self.up, seen[-2::-1], strict=True):
            larger = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = layers(torch.cat([skipped, larger], dim=1))
        return self.out(x)


def names_of_the_notebook(weights: Weights) -> Weights:
    renamed = {"encoder.levels.": "down.", "decoder.levels.": "up.", "segmentation_head.": "out."}
    found = {}
    for name, tensor in weights.items():
        [start] = [start for start in renamed if name.startswith(start)]
        found[renamed[start] + name.removeprefix(start)] = tensor.clone()
    return found


def ours(
    params: Params,
) -> tuple[list[float], list[list[str]], Weights, Weights]:
    """Losses of ten steps, the patches of each batch, and the weights before and after."""
    recipe, seed = params.train, params.training_seed
    processes = fabric.launch(recipe, seed)
    data = training_set(files.read_json(paths.DATASET_SUMMARY), params)
    start = training.create(recipe, data.spec)
    before = names_of_the_notebook(start.network.state_dict())
    run = training.set_up(processes, start, data, recipe, seed)
    images = image_sheet.from_table(tables.read(paths.image_sheet("ben_ge")))
    name_at = {(image.window.row, image.window.col): image.name for image in images}
    losses, batches = [], []
    with closing(training.train_batches(run, seed, 0)) as stream:
        for number in range(STEPS):
            windows = [data.train[draw.tile].window for draw in run.sampler.batch(number)]
            batches.append([name_at[window.row, window.col] for window in windows])
            optim.set_learning_rates(run.optimiser, recipe, number)
            run.network.train()
            losses.append(step(run, [next(stream)]))
    return losses, batches, before


def test_ten_steps_of_the_ben_ge_recipe_are_those_of_a_plain_loop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    order = write_ben_ge(Path("ben-ge-800"))
    values = recipe("ben_ge_800", batch_size=BATCH, steps_per_epoch=STEPS)
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    run_stages(monkeypatch, "ben_ge", ("scene", "osm", "labels", "tiles", "dataset"))
    summary = files.read_json(paths.DATASET_SUMMARY)
    assert (summary["mean"], summary["std"]) == ([0.0] * 4, [3000.0, 3000.0, 3000.0, 6000.0])
    sheet = tables.read(paths.image_sheet("ben_ge")).set_index("name")["split"]
    assert sheet[order].tolist() == ["train"] * 9 + ["val"] * 3 + ["test"] * 4

    for name, optimiser, options, close in (
        ("sgd", torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}, 1e-4),
        # Adam divides by the gradient's size, so that rounding decides the sign of the smallest: a plain loop
        # differs from itself by 2e-3 within six steps where its pixels differ by 1e-7.
        ("adam", torch.optim.Adam, {"lr": 0.001}, 1e-2),
    ):
        params = load(Path("params.yaml"))
        wanted = params.train.model_copy(update={"optimizer": name, "learning_rate": options["lr"]})
        losses, batches, before = ours(params.model_copy(update={"train": wanted}))
        plain = PlainNetwork(4, len(WORLDCOVER), WIDTH)
        plain.load_state_dict(before)
        loop = PlainLoop(plain, optimiser, **options)
        assert losses == pytest.approx([loop.step(batch) for batch in batches], abs=close), name
        assert losses[-1] < losses[0] - 0.05
