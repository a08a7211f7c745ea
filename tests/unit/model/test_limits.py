import copy
import errno
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.unit.model.test_segmenter import SPEC, save
from urbanseg.errors import PipelineError, is_out_of_memory
from urbanseg.model.limits import enough_memory, naming


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
        Exception("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9"),
    ],
)
def test_memory_that_is_full_is_one_sentence_whoever_says_so(error):
    with (
        pytest.raises(PipelineError, match=r"^there is not enough memory to train; lower train\.crop$"),
        enough_memory("to train", "lower train.crop"),
    ):
        raise error


@pytest.mark.parametrize(
    "ask", [lambda: torch.empty(2**50), lambda: np.empty(2**50), lambda: torch.empty(2**62, 2**10)]
)
def test_what_the_libraries_say_is_known(ask):
    with pytest.raises((MemoryError, RuntimeError, ValueError)) as caught:
        ask()
    assert is_out_of_memory(caught.value), caught.value


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(errno.EACCES, "denied"), PipelineError("out of memory")]
)
def test_other_errors_stay_as_they_are(error):
    with pytest.raises(type(error)) as caught, enough_memory("to train", "lower train.crop"):
        raise error
    assert caught.value is error


@contextmanager
def small_files(at_most):
    """Files can't become larger, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_model_that_does_not_fit_the_disk_is_named(tmp_path):
    with pytest.raises(OSError, match="too large") as caught, small_files(4000):
        save(tmp_path / "model", SPEC)
    assert caught.value.filename == str(tmp_path / "model" / "model.safetensors")
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_what_safetensors_says_of_the_system_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="too large") as caught, small_files(100), naming(tmp_path / "x"):
        save_file({"a": torch.ones(1000)}, tmp_path / "x.part")
    assert caught.value.filename == str(tmp_path / "x")


def test_an_error_that_crosses_processes_stays_one():
    error = copy.copy(PipelineError("there is not enough memory"))  # by the protocol with which it is sent
    assert not is_out_of_memory(error)
