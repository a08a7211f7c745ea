import json
import os
import re
import signal
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.conftest import ROOT
from urbanseg.errors import PipelineError
from urbanseg.io.files import atomic, atomic_files, partial, replace_folder, write_json, write_text


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
        with atomic(path, ["first", "second"]) as temporary:
            temporary.mkdir()
            (temporary / name).write_text("x")
    assert [p.name for p in path.iterdir()] == ["second"]


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["b", "a"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def make(path, names):
    path.mkdir(parents=True)
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("old")


def everything(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["thesis.txt", "deep/notes.md", ".hidden", "scene.tif.txt", "my.partial.md"])
def test_a_folder_that_holds_a_file_of_somebody_else_is_left_as_it_is(tmp_path, name):
    path = tmp_path / "mydocs"
    make(path, ["scene.tif", name])
    with pytest.raises(PipelineError, match=re.escape(name)), atomic(path, ["scene.tif"]):
        raise AssertionError("nothing may be done before it is refused")
    assert everything(tmp_path) == {"mydocs/scene.tif": "old", f"mydocs/{name}": "old"}


def test_a_file_that_somebody_adds_meanwhile_is_not_lost(tmp_path):
    path = tmp_path / "scene"
    make(path, ["scene.tif"])

    def write():
        with atomic(path, ["scene.tif"]) as temporary:
            make(temporary, ["scene.tif"])
            (path / "thesis.txt").write_text("mine")

    with pytest.raises(PipelineError, match=r"thesis\.txt"):
        write()
    assert everything(tmp_path) == {"scene/scene.tif": "old", "scene/thesis.txt": "mine"}


def test_what_gis_programs_derive_from_own_files_goes_with_them(tmp_path):
    path = tmp_path / "scene"
    make(path, ["scene.tif", "scene.tif.aux.xml", "scene.tif.ovr"])
    with atomic(path, ["scene.tif"]) as temporary:
        make(temporary, ["scene.tif"])
    assert everything(tmp_path) == {"scene/scene.tif": "old"}


def test_a_file_never_replaces_a_folder_nor_a_folder_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()

    def folder_for_file():
        with atomic(tmp_path / "file") as temporary:
            temporary.mkdir()

    def file_for_folder():
        write_text(tmp_path / "folder", "x")

    for write in (folder_for_file, file_for_folder):
        with pytest.raises(PipelineError, match="where a"):
            write()
    assert everything(tmp_path) == {"file": "mine"}
    assert {p.name for p in tmp_path.iterdir()} == {"file", "folder"}


def test_a_link_to_a_folder_is_followed_and_stays(tmp_path):
    make(tmp_path / "disk" / "scene", ["a"])
    (tmp_path / "scene").symlink_to(tmp_path / "disk" / "scene")
    with atomic(tmp_path / "scene", ["a"]) as temporary:
        make(temporary, ["b"])
    assert (tmp_path / "scene").is_symlink()
    assert everything(tmp_path / "disk") == {"scene/b": "old"}


def test_a_link_to_a_file_is_replaced_and_its_target_stays(tmp_path):
    """DVC may make an output a link into its cache, whose bytes must not change."""
    (tmp_path / "cached").write_text("old")
    (tmp_path / "output").symlink_to(tmp_path / "cached")
    write_text(tmp_path / "output", "new")
    assert everything(tmp_path) == {"cached": "old", "output": "new"}


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("step", range(6))
def test_killed_at_any_step_of_replacing_a_folder_the_old_or_the_new_is_there(tmp_path, exchanges, step):
    path = tmp_path / "model"
    make(path, ["weights"])
    code = f"""
import os, signal, sys
from pathlib import Path
from urbanseg.io import files
files._exchanged = files._exchanged if {exchanges} else lambda *_: False
left = {step}
def audit(event, _):
    global left
    if event in ("os.rename", "shutil.rmtree", "os.remove", "os.rmdir") and armed:
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
armed = False
sys.addaudithook(audit)
with files.atomic(Path({str(path)!r}), ["weights"]) as made:
    made.mkdir()
    (made / "weights").write_text("new")
    armed = True
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    assert done.returncode == (-signal.SIGKILL if step < 2 else done.returncode)
    # what a reader finds after the next writer came, whatever that does
    with pytest.raises(RuntimeError), atomic(path, ["weights"]):
        raise RuntimeError
    assert (path / "weights").read_text() in {"old", "new"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
def test_where_names_can_be_exchanged_no_reader_ever_misses_the_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    make(old, ["a"])
    make(new, ["b"])
    seen = []
    armed = False

    def audit(event, _):
        if armed and event in ("os.rename", "shutil.rmtree", "os.remove", "os.rmdir"):
            seen.append(old.is_dir())

    sys.addaudithook(audit)
    armed = True
    replace_folder(new, old)
    armed = False
    assert len(seen) > 1
    assert all(seen)
    assert everything(tmp_path) == {"old/b": "old"}


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    keep = ["demo.tif", "demo_split.tif", "demo.notes.part.txt", "other.0123456789ab.part.tif"]
    gone = ["demo.0123456789ab.part.tif", "demo.0123456789ab.part.tif.draft.tif", ".demo.tif.part.lock"]
    for name in (*keep, *gone):
        (tmp_path / name).write_text("old")
    write_text(tmp_path / "demo.tif", "new")
    assert {p.name for p in tmp_path.iterdir()} == set(keep)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_temporary_names_are_ignored_by_git_and_dvc_keep_the_suffix_and_are_never_the_same(name):
    assume(name not in {".", ".."})
    path = Path("folder") / name
    first, second = partial(path), partial(path)
    assert first != second
    assert first.parent == path.parent
    assert first.suffix == path.suffix or not path.suffix
    assert any(fnmatch(first.name, pattern) for pattern in ("*.part", "*.part.*"))


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
@pytest.mark.parametrize("kind", ["file", "folder", "files"])
def test_permissions_are_those_of_new_files_whichever_library_wrote_them(tmp_path, kind, umask, mode):
    before = os.umask(umask)
    try:
        if kind == "file":
            with atomic(tmp_path / "a.bin") as made:
                made.touch(0o600)
        elif kind == "folder":
            with atomic(tmp_path / "model") as made:
                (made / "deep").mkdir(parents=True)
                (made / "deep/a.bin").touch(0o600)
        else:
            with atomic_files(tmp_path) as made:
                (made / "a.bin").touch(0o600)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    [found] = tmp_path.rglob("a.bin")
    assert found.stat().st_mode & 0o777 == mode
