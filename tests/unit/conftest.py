"""What tests of the map of an image share; modules that need another model have their own."""

import pytest

from tests.unit.workflows.painted import write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a model that tells painted colours apart."""
    return write_model(tmp_path_factory.mktemp("model") / "onnx")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)
