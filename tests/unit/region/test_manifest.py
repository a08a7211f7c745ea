"""A cell is done if it was made by what is wanted, and is whole."""

import pytest

from urbanseg.region import manifest


@pytest.fixture
def cell(tmp_path):
    (tmp_path / "classes.tif").write_bytes(b"12345")
    manifest.write(tmp_path, "key", {"cell": "e0001n0001"})
    return tmp_path


def test_a_cell_that_is_as_it_was_written_is_done(cell):
    assert manifest.is_done(cell, "key")


@pytest.mark.parametrize("content", [b"1234", None])
def test_a_cell_that_lacks_something_is_not(cell, content):
    if content is None:
        (cell / "classes.tif").unlink()
    else:
        (cell / "classes.tif").write_bytes(content)
    assert not manifest.is_done(cell, "key")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "key"}', '{"key": "key", "files": {"x": {}}}'])
def test_a_damaged_file_is_no_cell(cell, text):
    (cell / manifest.FILE).write_text(text)
    assert not manifest.is_done(cell, "key")


def test_other_inputs_code_or_parameters_make_it_stale(cell):
    assert not manifest.is_done(cell, "another")
    assert manifest.key({"a": 1, "b": 2}) == manifest.key({"b": 2, "a": 1}) != manifest.key({"a": 1, "b": 3})


def test_the_digest_of_code_tells_its_files_apart(tmp_path):
    (tmp_path / "infer").mkdir()
    for name in ("infer/a.py", "grid.py", "other.py"):
        (tmp_path / name).write_text(name)
    before = manifest.of_code(tmp_path, ["infer", "grid.py"])
    (tmp_path / "other.py").write_text("changed")
    assert manifest.of_code(tmp_path, ["infer", "grid.py"]) == before
    (tmp_path / "infer/a.py").write_text("changed")
    assert manifest.of_code(tmp_path, ["infer", "grid.py"]) != before
