"""A state that can't be taken up is worth a warning, whatever is wrong with it; training starts anew."""

import json
import os
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.unit.learn.recipes import recipe, run, stripes
from urbanseg.learn import fabric, resume, training

NAME = "state.safetensors"
PARAMS = {"encoder": "tu-test_resnet", "ema_decay": 0.9, "epochs": 2, "steps_per_epoch": 1, "batch_size": 2}


class KilledError(Exception):
    pass


def die(_):
    raise KilledError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return stripes(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def left(data, tmp_path_factory):
    """The state that a run left which was killed after its first epoch."""
    folder = tmp_path_factory.mktemp("left") / "state"
    with pytest.raises(KilledError):
        run(data, folder, recipe(**PARAMS), on_epoch=die)
    return folder


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("undisturbed"), recipe(**PARAMS))[1]


def record_of(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def rewritten(change=len, digest=False, **record):
    """Make the state another, its key as it is; with `digest`, so that it says of itself that it is whole."""

    def damage(path):
        tensors, kept = load_file(path), record_of(path)
        change(tensors)
        kept = {k: v for k, v in (kept | record).items() if v is not None}
        if digest:
            kept.pop("sha256")
            kept["sha256"] = resume._digest(kept, tensors)
        save_file(tensors, path, kept)

    return damage


def each(prefix, change):
    def apply(tensors):
        for name in [name for name in tensors if name.startswith(prefix)]:
            tensors[name] = change(tensors[name])

    return apply


def replaced_by(make):
    def damage(path):
        path.unlink()
        make(path)

    return damage


def without(prefix):
    return lambda tensors: [tensors.pop(name) for name in list(tensors) if name.startswith(prefix)]


def folder_is_a_file(path):
    shutil.rmtree(path.parent)
    path.parent.write_text("x")


DAMAGES = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:2000]),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "a header of 2^63 bytes": lambda path: path.write_bytes(b"\xff" * 7 + b"\x7f" + b"{}"),
    "a header that is a list": lambda path: path.write_bytes((2).to_bytes(8, "little") + b"[]"),
    "a pickle": replaced_by(lambda path: torch.save({"a": torch.ones(3)}, path)),
    "a folder": replaced_by(lambda path: path.mkdir()),
    "a link to itself": replaced_by(lambda path: path.symlink_to(path)),
    "a pipe": replaced_by(os.mkfifo),
    "no folder around it": folder_is_a_file,
    "a flipped bit": lambda path: path.write_bytes(
        path.read_bytes()[:-9] + bytes([path.read_bytes()[-9] ^ 1]) + path.read_bytes()[-8:]
    ),
    "of another run": rewritten(key="0123"),
    "without a key": rewritten(key=None),
    "without a digest": rewritten(sha256=None),
    "progress of nothing": rewritten(progress="{"),
    "progress by another name": rewritten(progress='{"epochs": 1}', digest=True),
    "progress nested deeply": rewritten(progress="[" * 100_000, digest=True),
    "an epoch less": rewritten(progress=json.dumps({"epoch": 0})),
    "weights missing": rewritten(without("network.")),
    "weights of nobody": rewritten(without("average."), digest=True),
    "no moments": rewritten(without("optimiser.")),
    "other keys": rewritten(lambda tensors: tensors.update(alien=torch.ones(2)), digest=True),
    "moments of a number too high": rewritten(
        lambda tensors: tensors.update({"optimiser.9999.exp_avg": torch.ones(2)}), digest=True
    ),
    "other shapes": rewritten(each("network.", lambda t: t.new_zeros(3)), digest=True),
    "moments of another shape": rewritten(each("optimiser.", lambda t: t.new_zeros(3)), digest=True),
    "other types": rewritten(each("network.", lambda t: t.to(torch.float64))),
    "NaN weights": rewritten(each("network.", lambda t: t.float() * float("nan")), digest=True),
}


@pytest.fixture(scope="module")
def waiting(data):
    """A run that has not begun."""
    params = recipe(**PARAMS)
    processes = fabric.launch(params, 7)
    return training.set_up(processes, training.create(params, data.spec), data, params, 7)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_state_that_is_not_what_was_saved_is_a_warning(waiting, left, tmp_path, caplog, kind):
    state = shutil.copytree(left, tmp_path / "state")
    key = record_of(state / NAME)["key"]
    DAMAGES[kind](state / NAME)
    assert training._restore(waiting, state, key) == (resume.Progress(), {})
    assert waiting.optimiser.state_dict()["state"] == {}
    (warning,) = [record.getMessage() for record in caplog.records]
    assert f"{state / NAME} is not resumed, training starts anew: " in warning
    assert warning.isprintable()


IN_THE_WAY = ["a folder", "a pipe", "a link to itself", "no folder around it"]


@pytest.mark.parametrize("kind", ["cut short", *IN_THE_WAY])
def test_a_new_start_gives_what_an_undisturbed_run_gives(data, left, undisturbed, tmp_path, kind):
    state = shutil.copytree(left, tmp_path / "state")
    DAMAGES[kind](state / NAME)
    assert run(data, state, recipe(**PARAMS))[1] == undisturbed
    assert record_of(state / NAME)


def test_a_state_that_is_whole_is_taken_up_without_a_warning(waiting, left, caplog):
    progress, best = training._restore(waiting, left, record_of(left / NAME)["key"])
    assert progress.epoch == 1
    assert best
    assert waiting.optimiser.state_dict()["state"]
    assert not caplog.records


def test_memory_that_is_full_is_no_reason_to_throw_a_state_away(left, tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    state = shutil.copytree(left, tmp_path / "state")
    monkeypatch.setattr(resume, "_digest", full)
    with pytest.raises(MemoryError):
        resume.load(state, record_of(state / NAME)["key"], None, {})
    assert (state / NAME).is_file()
