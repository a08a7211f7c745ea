import json

import pytest

from urbanseg.files import atomic, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_folder_whole(tmp_path):
    path = tmp_path / "model"
    for name in ("first", "second"):
        with atomic(path) as temporary:
            temporary.mkdir()
            (temporary / name).write_text("x")
    assert [p.name for p in path.iterdir()] == ["second"]


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["b", "a"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
