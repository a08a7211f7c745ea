"""The verb models: what people see of the registry."""

import pytest

from tests.unit.packed import tiny
from urbanseg.cli.main import execute
from urbanseg.errors import PipelineError
from urbanseg.packed import registry


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("URBANSEG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def run(*words):
    execute(["models", *map(str, words)])


def test_without_models_the_list_says_how_to_get_one(capsys):
    run("list")
    assert capsys.readouterr().out == (
        "no model is here; get one with: urbanseg models add FOLDER_OR_ADDRESS\n"
    )


def test_a_model_that_was_added_is_listed_shown_and_found(tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    tiny.write(tmp_path / "mine")
    run("add", "mine")
    folder = capsys.readouterr().out.strip()
    assert "tiny@1.0, Tiny: licence CC0-1.0; nobody (0.1 MB)" in caplog.text
    run("path", "tiny")
    assert capsys.readouterr().out.strip() == folder
    run("show", "tiny@1.0")
    assert capsys.readouterr().out == "# A card\n"
    run("list")
    assert capsys.readouterr().out == (
        "tiny@1.0, Tiny: red, green, pixels of 8 to 12 m; licence CC0-1.0; nobody "
        f"(0.1 MB, {tmp_path / 'mine'})\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: {list,show,path,add,pack}"),
        (["show", "x"], "there is no model x; no model is here"),
        (["path", "models/segmenter"], "there is no model models/segmenter"),
        (["add", "nowhere"], "nowhere holds no model.json, so it is no packed model"),
        (["add", "https://user:word@host/x"], "the address of the model holds a user name"),
        (["pack", "m", "out", "--name", "x", "--version", "1", "--card", "c.yaml"], "c.yaml does not exist"),
    ],
    ids=str,
)
def test_what_can_not_be_done_is_one_sentence(words, said):
    with pytest.raises(PipelineError) as caught:
        run(*words)
    assert said in str(caught.value)
    assert "word@" not in str(caught.value)
