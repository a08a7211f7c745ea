"""The example notebook runs from top to bottom, and its figures are those of the image."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.unit.workflows.painted import grid, town, write_image, write_model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_of_one_image_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_image(tmp_path / "image.tif", grid())
    write_model(tmp_path / "onnx")
    notebook = nbformat.read(ROOT / "docs/examples/map_image.ipynb", as_version=4)
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    cells["names"]["source"] = 'image, model = "image.tif", "onnx"'
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {
        name: cell["outputs"][-1]["data"]["text/plain"] for name, cell in cells.items() if cell.get("outputs")
    }
    assert shown["map"].endswith("'ha')")
    assert f"'water': {(town() == 2).sum() / 1e4}" in shown["map"]
    assert shown["warnings"] == "[]"
    assert "'map.gpkg'" in shown["list"]
