import pytest

from urbanseg.errors import PipelineError
from urbanseg.io.output_folder import MANIFEST, output_folder, require_free


def run(folder, *, overwrite=False, **written):
    with output_folder(folder, overwrite=overwrite) as made:
        for name, text in written.items():
            (made / name).write_text(text)


def everything(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in folder.rglob("*")
        if p.is_file() and p.name != MANIFEST
    }


def test_a_folder_that_is_new_or_empty_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty", "deep/er"):
        run(tmp_path / name, a="1")
        assert everything(tmp_path / name) == {"a": "1"}


def test_what_the_command_wrote_itself_is_replaced_whole(tmp_path):
    run(tmp_path / "out", a="1", b="1")
    run(tmp_path / "out", a="2")
    assert everything(tmp_path / "out") == {"a": "2"}


@pytest.mark.parametrize("name", ["thesis.txt", "sub/thesis.txt", "a"])
def test_files_of_somebody_else_are_refused_before_any_work_and_kept(tmp_path, name):
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text("mine")
    with (
        pytest.raises(PipelineError, match=rf"{name}.*--overwrite"),
        output_folder(tmp_path / "out", overwrite=False),
    ):
        raise AssertionError("refused too late")
    assert everything(tmp_path / "out") == {name: "mine"}


def test_what_a_person_changed_after_it_was_written_is_theirs(tmp_path):
    run(tmp_path / "out", a="1", b="1")
    (tmp_path / "out" / "a").write_text("edited")
    with pytest.raises(PipelineError, match="a, which this command did not write, or not as it is now"):
        run(tmp_path / "out", a="2")
    assert everything(tmp_path / "out") == {"a": "edited", "b": "1"}


def test_with_overwrite_files_of_the_same_name_are_replaced_and_the_others_stay(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("thesis.txt", "a"):
        (tmp_path / "out" / name).write_text("mine")
    run(tmp_path / "out", overwrite=True, a="1", b="1")
    assert everything(tmp_path / "out") == {"thesis.txt": "mine", "a": "1", "b": "1"}
    with pytest.raises(PipelineError, match=r"thesis\.txt"):
        run(tmp_path / "out", a="2")


def test_with_overwrite_a_folder_is_never_replaced_by_a_file(tmp_path):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match="is a folder"):
        run(tmp_path / "out", overwrite=True, a="1", b="1")
    assert everything(tmp_path / "out") == {"a/thesis.txt": "mine"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_command_that_fails_leaves_the_folder_as_it_was(tmp_path, overwrite):
    run(tmp_path / "out", a="1")
    if overwrite:
        (tmp_path / "out" / "thesis.txt").write_text("mine")
    before = everything(tmp_path)
    with pytest.raises(ZeroDivisionError), output_folder(tmp_path / "out", overwrite=overwrite) as made:
        (made / "a").write_text(str(1 / 0 if (made / "b").write_text("2") else 0))
    assert everything(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(PipelineError, match="out is a file"):
        run(tmp_path / "out", overwrite=True, a="1")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", '{"sha256": 3}', '{"sha256": {"../thesis.txt": "0"}}', "\0"])
def test_a_manifest_that_is_damaged_or_foreign_vouches_for_nothing(tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("mine")
    (tmp_path / "out" / MANIFEST).write_text(text)
    with pytest.raises(PipelineError, match="out holds a"):
        run(tmp_path / "out", a="1")


def test_a_file_that_exists_is_replaced_only_if_that_is_asked_for(tmp_path):
    require_free(tmp_path / "a.md", overwrite=False)
    (tmp_path / "a.md").write_text("mine")
    with pytest.raises(PipelineError, match=r"a\.md exists; .*--overwrite"):
        require_free(tmp_path / "a.md", overwrite=False)
    require_free(tmp_path / "a.md", overwrite=True)
