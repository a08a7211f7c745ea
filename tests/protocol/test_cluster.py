"""Prediction on a real Dask scheduler with two worker processes, on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from affine import Affine
from distributed import Client
from pydantic import ValidationError
from pyproj import CRS

from tests.conftest import ROOT
from urbanseg.classes import ClassTable, LandClass
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.infer import backends, cluster, outputs, worker
from urbanseg.infer.job import Job
from urbanseg.infer.scene import predict_scene, window_grid
from urbanseg.io import cog, dask_cluster, raster
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec

GRID = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 700, 90)
ENCODER = "timm-tf_efficientnet_lite0"
SPEC = Spec(["red", "nir"], [1000.0, 2000.0], [300.0, 500.0], ["other", "b", "c"], "Unet", ENCODER)
CLASSES = ClassTable(tuple(LandClass(i, name, "#112233") for i, name in enumerate(SPEC.classes)))
DEADLINE_S = 240


def options(**changes):
    values = {"size": 32, "overlap": 16, "batch_size": 4, "device": "cpu", "threads": 1}
    return PredictParams(**values | changes)


class Cluster:
    """A scheduler and workers as a user starts them, each a process of its own."""

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--no-dashboard", "--no-show")
        self.workers = {}
        self._wait(self.file.exists)
        for name in ("one", "two"):
            words = ("--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard")
            self.workers[name] = self._start("dask_worker", *words)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, command, *words):
        line = [sys.executable, "-m", f"distributed.cli.{command}", "--scheduler-file", str(self.file)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*line, *words], env=self.environment, **quiet)

    def _wait(self, happened):
        deadline = time.monotonic() + DEADLINE_S
        while not happened():
            assert time.monotonic() < deadline, "the cluster did not come up"
            time.sleep(0.05)

    def kill_a_busy_worker(self):
        """SIGKILL a worker that has parts at work, or done and not handed over; returns how many."""
        with Client(self.address, set_as_default=False) as client:
            held = client.run_on_scheduler(
                lambda dask_scheduler: {
                    str(state.name): len(state.processing) + len(state.has_what)
                    for state in dask_scheduler.workers.values()
                }
            )
        name = max(held, key=held.get)
        os.kill(self.workers[name].pid, signal.SIGKILL)
        self.workers[name].wait()
        return held[name]

    def close(self):
        """End all processes."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    with Client(started.address, timeout=DEADLINE_S, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=DEADLINE_S)
    yield started
    started.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A scene with a hole of nodata, and a small model with random weights."""
    folder = tmp_path_factory.mktemp("town")
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 4000, (2, *GRID.shape)).astype(np.uint16)
    pixels[:, 300:360, :50] = 0
    names = {"count": 2, "nodata": 0, "descriptions": SPEC.bands}
    with cog.writing(folder / "scene.tif", GRID, dtype="uint16", **names) as writer:
        writer.write(pixels)
    torch.manual_seed(3)
    channels = {"decoder_channels": [16, 16, 8, 8, 8]}
    network = smp.create_model("Unet", ENCODER, encoder_weights=None, in_channels=2, classes=3, **channels)
    segmenter.save(folder / "segmenter", Segmenter(network.eval(), 1), SPEC, Card(cities=["x"]))
    return folder


def job(town, **changes):
    return Job(town / "scene.tif", town / "segmenter", town / "export", options(**changes))


def write(folder, strips):
    outputs.write(folder, GRID, strips, CLASSES, options())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def locally(town):
    predict, spec = backends.load(town / "segmenter", town / "export", options())
    with raster.reading(town / "scene.tif") as scene:
        yield from predict_scene(scene, [1, 2], predict, spec.classes, options())


def test_a_worker_without_the_scene_or_with_another_is_named(running, town, tmp_path):
    wanted = job(town, scheduler=running.address)
    expected = worker.facts(wanted)
    with Client(running.address, set_as_default=False) as client:
        absent = Job(tmp_path / "scene.tif", wanted.model, wanted.exported, wanted.options)
        with pytest.raises(PipelineError, match=r"the worker tcp://\S+ does not see \S+scene.tif"):
            client.submit(cluster.predict_part, absent, expected, range(9)).result()
        other = expected | {str(wanted.scene): "5 bytes, 0123"}
        with pytest.raises(PipelineError, match=r"has another \S+scene.tif \(.*than this machine \(5 bytes"):
            client.submit(cluster.predict_part, wanted, other, range(9)).result()


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing(running, town, tmp_path):
    expected = write(tmp_path / "local", locally(town))
    wanted = job(town, scheduler=running.address)
    held = []

    def disturbed():
        for number, strip in enumerate(cluster.predict_strips(wanted)):
            if number == 2:
                held.append(running.kill_a_busy_worker())
            yield strip

    found = write(tmp_path / "cluster", disturbed())
    assert held[0] > 0
    assert sum(process.poll() is None for process in running.workers.values()) == 1
    assert set(found) == {
        "classes.tif", "classes.tif.aux.xml", "classes.qml", "confidence.tif", "confidence.qml",
    }  # fmt: skip
    assert found == expected


def test_a_scheduler_that_does_not_answer_is_one_sentence(town, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SCHEDULER_TIMEOUT_S", 1)
    with pytest.raises(PipelineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9, which"):
        next(cluster.predict_strips(job(town, scheduler="tcp://127.0.0.1:9")))


@pytest.mark.parametrize("name", ["cluster", "tcp://", "127.0.0.1:8786", "http://host:80"])
def test_what_is_no_scheduler_is_refused(name):
    with pytest.raises(ValidationError, match="scheduler"):
        options(scheduler=name)


def test_parts_are_many_enough_for_the_test_to_be_one():
    parts = window_grid(GRID.shape, options()).parts(1000, 4)
    assert len(parts) > 8


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:9", "tcp://nowhere.invalid:8786", "tcp://127.0.0.1:99999"]
)
def test_what_can_not_be_a_scheduler_is_said_at_once(town, address):
    began = time.monotonic()
    with pytest.raises(PipelineError, match="no Dask scheduler answers at"):
        next(cluster.predict_strips(job(town, scheduler=address)))
    assert time.monotonic() - began < dask_cluster.SCHEDULER_TIMEOUT_S


def test_a_port_where_somebody_else_listens_is_said_in_time(town, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SCHEDULER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(PipelineError, match="no Dask scheduler answers at"):
            next(cluster.predict_strips(job(town, scheduler=address)))


@pytest.fixture(scope="module")
def merged(town):
    """A copy of the town whose model is merged of two, in another order of classes than is wanted."""
    for name in ("b", "c"):
        spec = replace(SPEC, classes=["other", name])
        network = smp.create_model("Unet", "tu-test_resnet", encoder_weights=None, in_channels=2, classes=2)
        spec = replace(spec, encoder="tu-test_resnet")
        segmenter.save(town / name, Segmenter(network.eval(), 1), spec, Card(cities=["x"]))
    (town / "merged").mkdir()
    segmenter.merge(town / "merged", [town / "c", town / "b"], ["other", "c", "b"])
    return replace(job(town), model=town / "merged", classes=tuple(SPEC.classes))


@pytest.mark.slow
def test_workers_take_a_merged_model_and_the_order_of_classes_that_is_wanted(running, merged, tmp_path):
    predict, spec = backends.load(merged.model, merged.exported, options(), merged.classes)
    assert spec.classes == SPEC.classes
    with raster.reading(merged.scene) as scene:
        expected = write(tmp_path / "local", predict_scene(scene, [1, 2], predict, spec.classes, options()))
    wanted = replace(merged, options=options(scheduler=running.address))
    assert write(tmp_path / "cluster", cluster.predict_strips(wanted)) == expected


def test_a_worker_with_another_member_of_a_merged_model_or_other_code_is_named(running, merged):
    expected = worker.facts(merged)
    with Client(running.address, set_as_default=False) as client:
        for name in (str(merged.model / "b" / "model.safetensors"), "code of urbanseg"):
            with pytest.raises(PipelineError, match=f"has another {name} "):
                client.submit(cluster.predict_part, merged, expected | {name: "0123"}, range(9)).result()


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'urbanseg'"),
        AttributeError("Can't get attribute 'predict_part'"),
        RuntimeError("Error during deserialization of the task graph.\nThis frequently occurs …"),
    ],
)
def test_a_worker_that_lacks_the_code_is_one_sentence(error):
    failed = Future()
    failed.set_exception(error)
    with pytest.raises(PipelineError, match="has other code than this machine") as caught:
        cluster._result(range(9), failed)
    assert str(caught.value).isprintable()
