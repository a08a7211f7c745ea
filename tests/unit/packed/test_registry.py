"""Models by name: found, chosen, added from folders, and never changed."""

import json

import pytest

from tests.unit.packed import tiny
from urbanseg.errors import PipelineError
from urbanseg.packed import description, registry


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """No model ships, and the user has none."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("URBANSEG_HOME", str(tmp_path / "home"))


def ship(name="tiny", version="1.0", units=None, **changes):
    folder = registry.WEIGHTS / name / version
    tiny.write(folder, name=name, version=version, units=units, **changes)
    return folder


def test_without_any_model_each_question_has_one_sentence():
    assert registry.entries() == []
    with pytest.raises(PipelineError, match="there is no model tiny; no model is here: urbanseg models add"):
        registry.find("tiny")
    with pytest.raises(PipelineError, match=r"no model is here to choose from; .* --model"):
        registry.choose(["red"], 10)


def test_the_newest_version_is_found_by_number_and_an_older_one_by_name():
    folders = {version: ship(version=version) for version in ("1.9", "1.10", "1.2.3")}
    assert registry.find("tiny") == folders["1.10"]
    assert registry.find("tiny@1.9") == folders["1.9"]
    assert [entry.about.version for entry in registry.entries()] == ["1.10", "1.9", "1.2.3"]
    with pytest.raises(PipelineError, match=r"no model tiny@2; its versions are 1\.10, 1\.9, 1\.2\.3"):
        registry.find("tiny@2")
    with pytest.raises(PipelineError, match="no model tini; perhaps tiny is meant; a folder"):
        registry.find("tini")


def test_a_folder_is_itself(tmp_path, monkeypatch):
    ship()
    monkeypatch.chdir(tmp_path)
    tiny.write(tmp_path / "tiny")
    assert str(registry.find("tiny")) == "tiny"
    assert str(registry.find("models/segmenter")) == "models/segmenter"


@pytest.mark.parametrize(
    ("bands", "pixel_m", "name"),
    [
        (["blue", "green", "red", "nir"], 10, "s2"),
        (["red", "green", "blue"], 10, "rgb-10"),
        (["red", "green", "blue"], 0.5, "aerial"),
        (["blue", "green", "red", "nir"], 0.5, "aerial"),
        (["red", "green", "blue"], 2.5, "aerial"),
        (["Red", "GREEN", "blue"], 19, "rgb-10"),
        (["blue", "green", "red", "nir"], None, "s2"),
    ],
)
def test_a_model_is_chosen_by_bands_and_size_of_pixels(bands, pixel_m, name):
    ship("s2", bands=["blue", "green", "red", "nir"])
    ship("rgb-10", bands=["red", "green", "blue"])
    ship("aerial", bands=["red", "green", "blue"], pixel_m=[0.2, 1.5])
    assert registry.choose(bands, pixel_m).about.name == name


@pytest.mark.parametrize(
    ("is_8bit", "pixel_m", "name"),
    [
        (True, None, "aerial"),
        (False, None, "s2"),
        (None, None, "s2"),
        (True, 2.5, "aerial"),
        (True, 10, "s2"),
    ],
)
def test_a_model_of_the_same_kind_of_numbers_comes_first(is_8bit, pixel_m, name):
    ship("s2", bands=["blue", "green", "red", "nir"], pixel_m=[3, 20], units="reflectance_10000")
    ship("aerial", bands=["red", "green", "blue"], pixel_m=[0.2, 1.5], units="uint8")
    ship("old", bands=["red"], pixel_m=[0.2, 0.3])
    assert registry.choose(["blue", "green", "red", "nir"], pixel_m, is_8bit=is_8bit).about.name == name


@pytest.mark.parametrize(
    ("bands", "pixel_m", "said"),
    [
        (["gray"], 0.5, r"the bands gray and pixels of 0\.5 m \(tiny needs red, green in 8 to 12 m\)"),
        ([], None, r"the bands without names \(tiny needs"),
        (["red", "green"], 100, "pixels of 100 m"),
        (["red", "green"], 0.1, r"pixels of 0\.1 m"),
    ],
)
def test_where_none_fits_the_sentence_says_what_each_needs(bands, pixel_m, said):
    ship()
    with pytest.raises(PipelineError, match=f"no model fits an image with .*{said}.*--bands.*--model"):
        registry.choose(bands, pixel_m)


def test_a_folder_is_added_and_again_is_the_same(tmp_path):
    tiny.write(tmp_path / "mine", title="Mine")
    first = registry.add_folder(tmp_path / "mine")
    assert registry.add_folder(tmp_path / "mine") == first
    assert first.folder == registry.home() / "models/tiny/1.0" == registry.find("tiny")
    assert "Mine: red, green, pixels of 8 to 12 m; licence CC0-1.0; nobody" in first.sentence
    assert len(json.loads((registry.home() / registry.ADDED).read_text())["models"]) == 1


@pytest.mark.parametrize("first", ["shipped", "added"])
def test_a_version_never_gets_other_content(tmp_path, first):
    if first == "shipped":
        ship()
    else:
        tiny.write(tmp_path / "one")
        registry.add_folder(tmp_path / "one")
    tiny.write(tmp_path / "two", weights=b"others")
    with pytest.raises(
        PipelineError, match=r"tiny@1\.0 is here already with other content .* another version"
    ):
        registry.add_folder(tmp_path / "two")
    tiny.write(tmp_path / "three", weights=b"others", version="1.1")
    assert registry.add_folder(tmp_path / "three").label == "tiny@1.1"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda f: (f / "model.safetensors").unlink(),
            r"model\.safetensors is missing, which model\.json lists",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), r"model\.safetensors is not the file that"),
        (lambda f: (f / "model.json").unlink(), r"holds no model\.json, so it is no packed model"),
        (lambda f: (f / "model.json").write_text("{"), r"model\.json describes no model \(no JSON"),
        (lambda f: (f / "model.json").write_text("[]"), "describes no model"),
        (lambda f: (f / "model.json").write_bytes(b"\xff"), "is no text"),
    ],
)
def test_a_damaged_folder_is_refused_and_leaves_nothing(tmp_path, damage, said):
    tiny.write(tmp_path / "mine")
    damage(tmp_path / "mine")
    with pytest.raises(PipelineError, match=said):
        registry.add_folder(tmp_path / "mine")
    assert registry.entries() == []
    assert not (registry.home() / "models/tiny/1.0").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"../escape.json": {"bytes": 1, "sha256": "0" * 64}}},
        {"files": {"weights.pth": {"bytes": 1, "sha256": "0" * 64}}},
        {"files": {}},
        {"name": "../x"},
        {"name": "Tiny"},
        {"version": "1.0/.."},
        {"version": "01"},
        {"pixel_m": [12, 8]},
        {"license": "x\x1b[31m"},
        {"unknown": 1},
    ],
)
def test_a_description_that_makes_no_sense_or_leads_elsewhere_is_one_sentence(tmp_path, changes):
    tiny.write(tmp_path / "mine")
    path = tmp_path / "mine/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(PipelineError, match=r"mine/model\.json describes no model") as caught:
        description.describe(tmp_path / "mine")
    assert str(caught.value).isprintable()


def test_an_added_model_that_was_changed_or_is_gone_is_noticed(tmp_path, caplog):
    tiny.write(tmp_path / "mine")
    folder = registry.add_folder(tmp_path / "mine").folder
    path = folder / "model.json"
    path.write_text(path.read_text().replace("CC0-1.0", "secret"))
    with pytest.raises(PipelineError, match=r"model\.json was changed since it was added"):
        registry.entries()
    folder.rename(tmp_path / "elsewhere")
    assert registry.entries() == []
    assert "is gone, so tiny@1.0 is left out" in caplog.text


def test_an_added_model_that_was_damaged_is_mended_by_adding_it_again(tmp_path):
    tiny.write(tmp_path / "mine")
    weights = registry.add_folder(tmp_path / "mine").folder / "model.safetensors"
    weights.write_bytes(b"damaged")
    registry.add_folder(tmp_path / "mine")
    assert weights.read_bytes() == (tmp_path / "mine/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"models": [{"name": "../x", "version": "1"}]}', '{"models": 3}']
)
def test_a_damaged_registry_is_one_sentence(text):
    registry.home().mkdir(parents=True)
    (registry.home() / registry.ADDED).write_text(text)
    with pytest.raises(PipelineError, match=r"models\.json is no registry of models; remove it"):
        registry.entries()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"URBANSEG_HOME": "/a", "XDG_DATA_HOME": "/b"}, "/a"),
        ({"XDG_DATA_HOME": "/b"}, "/b/urbanseg"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/me"}, "/me/.local/share/urbanseg"),
        ({"HOME": "/me"}, "/me/.local/share/urbanseg"),
    ],
)
def test_the_users_folder_follows_the_environment(monkeypatch, environment, expected):
    for name in ("URBANSEG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(registry.home()) == expected
