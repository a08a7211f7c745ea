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

from bench import recipe_study
from ci import dataset
from stages.train import training_set
from tests.conftest import ROOT
from tests.pipeline.miniatures import MINIATURES, WORLDCOVER, write_ben_ge
from tests.pipeline.project import Project, small_params
from tests.pipeline.test_classes import run_pipeline, run_stages, values_in
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import Params, load, validated
from urbanseg.config.train import NO_MODEL
from urbanseg.io import files, image_sheet, tables
from urbanseg.learn import fabric, optim, training
from urbanseg.learn.steps import step
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.spec import Spec

RECIPES = sorted(path.stem for path in (ROOT / "params/datasets").glob("*.yaml"))
STEPS, BATCH, WIDTH = 10, 8, 8
SIZE = 128
"""Pixels of the tiles and windows of a test, at most."""
ROADS = {"steps_per_epoch": 40, "batch_size": 4, "learning_rate": 0.003}
"""A training after which the map of a miniature is no noise: thousands of dead ends take long to bridge."""
Weights = dict[str, torch.Tensor]


def recipe(name: str, **train: Any) -> dict[str, Any]:
    """The parameters of a recipe in the size of a test, with its data in this folder."""
    params = values_of(name)
    [city] = params["cities"].values()
    scene = city["scene"]
    if params["train"]["arch"] == "PlainUNet":
        params["train"]["width"] = WIDTH
    else:
        params["train"] |= {"encoder": "resnet18", "encoder_weights": None}
        params["train"]["decoder_channels"] = small_params()["train"]["decoder_channels"]
    if "resample_px" in scene or name == "deepglobe":
        scene["resample_px"] = 320
    if params["tiles"]["size"] > SIZE:
        params["tiles"] |= {"size": SIZE, "overlap": 0, "block": SIZE}
        params["train"]["crop"] = SIZE
    params["tiles"]["min_valid_share"] = min(params["tiles"]["min_valid_share"], 0.1)
    length = {"steps_per_epoch": 3, "batch_size": 2}
    if any(each.get("kind", key) == "road" for key, each in params["classes"].items()):
        length = ROADS
    params["train"] |= {"epochs": 1, "threads": 1} | length | train
    params["export"]["formats"] = []
    params["predict"] |= {"size": SIZE, "threads": 1}
    params["evaluate"]["workers"] = 1
    params["evaluate"]["bootstrap"]["samples"] = 100
    if "rows" in scene["splits"]:
        scene["splits"]["rows"] = {"train": 9, "val": 3, "test": 4}
    if isinstance(scene["splits"].get("train"), float):
        scene["splits"] |= {"train": 0.5, "val": 0.25, "test": 0.25}
    return params


def values_of(name: str) -> dict[str, Any]:
    """The parameters of a recipe as they are, but with its data in this folder."""
    text = overlaid((ROOT / "params.yaml").read_text(), (ROOT / f"params/datasets/{name}.yaml").read_text())
    return yaml.safe_load(text.replace("../datasets/", ""))


def test_every_recipe_is_valid_and_says_what_it_is_and_has_a_miniature_and_a_page():
    assert set(RECIPES) == set(MINIATURES)
    parts = (ROOT / "docs/datasets.md").read_text().split("\n## ")
    pages = [part for part in parts if "\n- source: " in part]
    counts = set()
    for name in RECIPES:
        about = dataset.head(ROOT / f"params/datasets/{name}.yaml")
        assert about.keys() >= {"about", "source", "licence", "size", "folder", "published", "differs"}, name
        [section] = [part for part in pages if f"params/datasets/{name}.yaml" in part.split("```")[1]]
        for key in ("source", "licence", "size", "folder", "published", "differs"):
            assert f": {about[key]}\n" in section, (name, key)
        values = values_of(name)
        validated(values, name)
        counts.add(len(values["classes"]))
    assert counts >= {2, 3, 7, 11, 24}


def test_the_steps_of_a_data_set_are_told_and_those_of_none_name_all(monkeypatch):
    monkeypatch.chdir(ROOT)
    told = dataset.steps("landcover_ai")
    assert "\n4. urbanseg params params/datasets/landcover_ai.yaml\n5. make repro\n" in told
    assert "metrics/landcover_ai.json" in told
    with pytest.raises(SystemExit, match=r"NAME must be one of aeroscapes, .*, as in make dataset NAME="):
        dataset.steps("none")


def test_the_study_of_a_recipe_is_a_table_of_published_figures_and_ours_with_their_interval():
    scores = json.loads((ROOT / "metrics/demo.json").read_text())
    low, high = scores["intervals"]["miou"]
    batches = {"by_batch": {"size": 64, "batches": 3, "iou": 0.25, "f1": 0.5}}
    lines = recipe_study.table(
        "landcover_ai", {"recipe": scores, "unet-resnet34": scores | batches}
    ).splitlines()
    ours = f"**{scores['miou']:.3f}** ({low:.3f}–{high:.3f})"
    assert lines[2].startswith(f"| recipe | – | {ours} |")
    assert lines[3].startswith(f"| unet-resnet34 | mIoU 0.884 | {ours} |")
    assert "| 0.250, 0.500 |" in lines[3]
    assert set(recipe_study.ROWS) >= {
        "recipe",
        "unet-resnet18",
        "unetplusplus-resnet34",
        "unet-resnet34-dice",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_from_the_published_files_to_the_page(name, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    folder, write = MINIATURES[name]
    write(Path(folder))
    params = recipe(name)
    if params["train"]["init_from"] == "models/aeroscapes":
        write_model(Path("models/aeroscapes"), params, recipe("aeroscapes")["classes"])
    [city] = params["cities"]
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    with caplog.at_level("INFO"):
        run_pipeline(monkeypatch, city)
    ids = {each["id"] for each in params["classes"].values()}
    assert values_in(paths.labels(city)) <= {*ids, IGNORE}
    assert len(values_in(paths.labels(city))) > len(ids) // 2
    scores = json.loads(paths.metrics(city).read_text())
    assert scores["test_pixels"] > 0
    assert ("by_batch" in scores) == (params["evaluate"]["batch_size"] is not None)
    assert paths.REPORT.stat().st_size > 10_000
    if name == "landcovernet":
        assert "16 of 24 dates are clear enough" in caplog.text
    if name == "ghana_crops":
        with rasterio.open(paths.scene(city)) as scene:
            assert scene.descriptions[-2:] == ("VV", "VH")
            assert (scene.read(11)[scene.read_masks(1) > 0] < 10).all()


def write_model(folder: Path, params: dict[str, Any], classes: dict[str, Any]) -> None:
    """An untrained model of the recipe's network with other classes, as of another data set."""
    train = validated(params, "params.yaml").train.model_copy(update={"init_from": NO_MODEL})
    spec = Spec(["red", "green", "blue"], [120.0] * 3, [60.0] * 3, [*classes], train.arch, train.encoder)
    segmenter.save(folder, training.create(train, spec), spec, Card(["aeroscapes"]))


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


def ours(params: Params) -> tuple[list[float], list[list[str]], Weights, Weights]:
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
    return losses, batches, before, names_of_the_notebook(run.network.network.state_dict())


@pytest.mark.slow
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

    params = load(Path("params.yaml"))
    assert params.train.optimizer == "adam"
    losses, batches, before, after = ours(params)
    plain = PlainNetwork(4, len(WORLDCOVER), WIDTH)
    plain.load_state_dict(before)
    # The fused kernel rounds as ours does. Adam divides each gradient by its size, so that a last digit
    # decides the sign of the smallest: the other kernels part from this one by 1.5e-4 in nine steps.
    loop = PlainLoop(plain, torch.optim.Adam, lr=params.train.learning_rate, fused=True)
    assert losses == pytest.approx([loop.step(batch) for batch in batches], abs=1e-4)
    assert losses[-1] < losses[0] - 0.3
    for name, weights in plain.state_dict().items():
        torch.testing.assert_close(after[name], weights, atol=1e-4, rtol=1e-4, msg=name)
