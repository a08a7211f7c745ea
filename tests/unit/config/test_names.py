"""Names of cities and classes: what they are made of, and which words are taken."""

import re
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, whole_params
from tests.unit.test_dependencies import STAGES
from urbanseg import paths
from urbanseg.classes import REST
from urbanseg.cli.main import VERBS
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.config.names import RESERVED, check_name, check_title
from urbanseg.config.params import Params, load, validated
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS

MALFORMED = [
    "",
    "a b",
    "a/../../ESCAPED",
    "../x",
    "/etc",
    "a.b",
    "-h",
    "_a",
    "1a",
    "Demo",
    "a-b",
    "ä",
    "demo\n",
    "a\nb",
    "a\x00",
    "a;b",
    "$(a)",
    "'",
    '"',
    "<b>",
    "x" * 65,
    "٣",
    "ａ",
]
WELL_FORMED = ["a", "a1", "dry_soil", "x" * 64, "exports", "classes_", "other"]
RESULTS = ("data", "metrics", "models", "reports")


WHOLE = whole_params()


def with_name(section, name):
    """The parameters with the first city or a further class called `name`, validated."""
    params = deepcopy(WHOLE)
    if section == "classes":
        params["classes"][name] = {"id": len(params["classes"]), "color": "#000000"}
    else:
        params["cities"] = {name: params["cities"]["demo"]}
    return validated(params, "params.yaml")


@pytest.mark.parametrize(("section", "what"), [("cities", "city"), ("classes", "class")])
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_name_is_one_sentence(section, what, name):
    with pytest.raises(PipelineError, match=f": {section}: a {what} can't be called ") as caught:
        with_name(section, name)
    said = str(caught.value)
    assert repr(name)[1:-1][:64] in said
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_word_is_no_name(name):
    with pytest.raises(ValueError, match=f"a city can't be called {name}, .* choose"):
        check_name(name, what="city")


@pytest.mark.parametrize(("section", "what"), [("cities", "city"), ("classes", "class")])
@pytest.mark.parametrize("name", ["all", "null", "train"])
def test_a_reserved_word_is_one_sentence(section, what, name):
    with pytest.raises(PipelineError, match=f": {section}: a {what} can't be called {name}, .* choose"):
        with_name(section, name)


@pytest.mark.parametrize("section", ["cities", "classes"])
@pytest.mark.parametrize("name", WELL_FORMED)
def test_a_well_formed_name_is_taken(section, name):
    if (section, name) == ("classes", "other"):
        assert REST in load(ROOT / "params.yaml").classes
    else:
        assert name in getattr(with_name(section, name), section)


def words_of(path):
    """Names of a path's folders and file, as far as no city's name is in it; of code, its first folder."""
    parts = Path(path).parts if path.startswith(RESULTS) else Path(path).parts[:1]
    fixed = parts[: next((i for i, part in enumerate(parts) if "{" in part), len(parts))]
    return {part.split(".")[0] for part in fixed}


def named_paths():
    """Every path in a dvc.yaml."""
    for stage in STAGES.values():
        for kind in ("deps", "outs", "metrics", "plots"):
            for entry in stage.get(kind, []):
                path = next(iter(entry)) if isinstance(entry, dict) else entry
                if not path.startswith(("${", "inputs", "model_inputs")):  # which stand for paths of the user
                    yield path


def test_every_stage_folder_and_file_that_a_name_could_meet_is_reserved():
    stages = set(STAGES)
    commands = {path.stem for path in (ROOT / "stages").glob("[a-z]*.py")} | set(VERBS)
    in_pipeline = set().union(*map(words_of, named_paths()))
    constants = {str(path) for path in vars(paths).values() if isinstance(path, Path)}
    in_code = {word for path in constants for word in words_of(path) if word}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    top = {line.split("/")[0] for line in tracked.stdout.splitlines() if "/" in line}
    folders = {folder for folder in top if not folder.startswith(".")}
    ids = set(re.findall(r'id="(\w+)"', (ROOT / "urbanseg/report/template/page.html").read_text()))
    assert {"export", "scene"} <= stages
    assert {"map", "sample"} <= commands
    assert {"index", "training", "segmenter", "evaluation"} <= in_pipeline
    assert {"urbanseg", "docs", "ci"} <= folders
    assert len(ids) > 2
    met = stages | commands | in_pipeline | in_code | folders | ids | set(Params.model_fields)
    assert met - RESERVED == set()


def test_marks_in_tables_and_splits_are_reserved():
    assert {IGNORE_NAME, "overall", "workspace", "none", "all", *SPLITS} <= RESERVED
    assert REST not in RESERVED
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", word) for word in RESERVED)


@pytest.mark.parametrize(
    "title", ["built-up", "Snow/ice", "<script>", "A & B", '"', "森林", "a\u00a0b", "نیم\u200cفاصله"]
)
def test_a_title_says_anything_in_one_line(title):
    assert check_title(title) == title


@pytest.mark.parametrize("key", ["classes.building.title", "cities.demo.title"])
@pytest.mark.parametrize(
    "title", ["", " ", " a", "a\n", "a\nb", "a\x1b[31m", "\u202ea", "\u2028", "x" * 101, "\ufffe"]
)
def test_a_title_that_could_not_be_printed_is_refused(key, title):
    params = deepcopy(WHOLE)
    section, name, _ = key.split(".")
    params[section][name]["title"] = title
    with pytest.raises(PipelineError, match=f": {key}: ") as caught:
        validated(params, "params.yaml")
    assert str(caught.value).isprintable()


def test_two_classes_are_not_shown_alike(tmp_path):
    params = whole_params()
    params["classes"]["road"]["title"] = "bare soil"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    with pytest.raises(PipelineError, match="road and bare_soil are both shown as 'bare soil'"):
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["../x", "a b", "A"])
def test_a_layer_of_labels_is_named_likewise(tmp_path, text):
    params = whole_params()
    params["cities"]["demo"]["labels"] = {"layers": [text], "sources": {text: {"source": "osm"}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    with pytest.raises(PipelineError, match=r"cities\.demo\.labels\.sources: a layer can't be called "):
        load(tmp_path / "params.yaml")


def test_a_free_name_is_given_back():
    assert check_name("bare_soil") == "bare_soil"
