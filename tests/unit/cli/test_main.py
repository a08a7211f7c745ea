"""The command line: one file a verb, quick help, sentences for errors, completion."""

import errno
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from urbanseg.cli.guard import guarded
from urbanseg.cli.main import VERBS, describe, execute, overview, verb_module
from urbanseg.cli.parser import Parser
from urbanseg.errors import PipelineError


def test_every_verb_is_a_file_and_every_file_a_verb():
    files = {path.stem for path in (ROOT / "urbanseg/cli/verbs").glob("[a-z]*.py")}
    assert files == set(VERBS)
    assert list(VERBS) == sorted(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_listed_by_the_first_line_of_its_module_and_has_help(name, capsys):
    assert verb_module(name).__doc__.splitlines()[0] == VERBS[name]
    with pytest.raises(SystemExit) as stop:
        execute([name, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: urbanseg {name} ")


def test_help_shows_defaults():
    parser = Parser(prog="x")
    parser.add_argument("--most", default=15, help="size")
    assert "size (default: 15)" in parser.format_help()
    helps = {name: describe(name, Parser(prog="x")).format_help() for name in VERBS}
    assert [name for name, said in helps.items() if "None)" in said or "False)" in said] == []


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_overview_lists_verbs_and_exit_codes(words, capsys):
    execute(words)
    said = capsys.readouterr().out
    assert said == overview() + "\n"
    assert all(f"  {name} " in said for name in VERBS)
    assert "130 stopped by Ctrl-C" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mapp"], "there is no verb 'mapp'; did you mean map"),
        (["qqq"], "there is no verb 'qqq'; urbanseg --help lists them"),
        (["map"], "the following arguments are required: IMAGE… OUT; urbanseg map --help"),
        (["map", "a", "b", "--over"], "unrecognized arguments: --over; urbanseg map --help"),
        (["apply", "a", "b"], "^apply is now map --only classes,confidence,preview; urbanseg map --help"),
        (["apply", "--help"], "^apply is now map"),
    ],
)
def test_what_it_does_not_understand_is_one_sentence(words, sentence):
    with pytest.raises(PipelineError, match=sentence):
        execute(words)


def run(*words):
    """The command in a process of its own; exit code, and both outputs."""
    done = subprocess.run(
        [sys.executable, "-m", "urbanseg.cli", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_errors_exit_with_1_and_no_traceback():
    assert run("mapp") == (1, "", "error: there is no verb 'mapp'; did you mean map?\n")


@pytest.mark.parametrize("words", [["--help"], ["doctor", "--offline"], ["city", "list"]])
def test_an_output_that_nobody_reads_ends_without_a_word(words):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "urbanseg.cli", *words],
        cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "params.yaml: it may not be read or written by this user"),
        (errno.EROFS, "params.yaml: its file system can only be read"),
        (errno.ENAMETOOLONG, "params.yaml: the name is too long"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(number, sentence):
    def work():
        raise OSError(number, os.strerror(number), "params.yaml")

    with pytest.raises(SystemExit, match=sentence):
        guarded(work)


def test_a_list_of_numbers_may_begin_with_a_minus():
    parser = Parser(prog="x")
    parser.add_argument("--box")
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("rest", nargs="*")
    assert parser.parse_args(["--box", "-.5,1,-2e0,3"]).box == "-.5,1,-2e0,3"
    assert parser.parse_args(["--flag", "--box", "a", "b"]).rest == ["b"]
    with pytest.raises(PipelineError, match="unrecognized arguments: -a,b"):
        parser.parse_args(["--flag", "-a,b"])
    with pytest.raises(PipelineError, match="expected one argument"):
        parser.parse_args(["--box"])


def test_help_and_completion_import_nothing_large():
    program = (
        "import sys; from urbanseg.cli.main import execute\n"
        "execute(['--help']); execute(['completion', 'bash'])\n"
        "large = {'torch', 'rasterio', 'geopandas', 'numpy', 'dvc', 'pandas'} & set(sys.modules)\n"
        "assert not large, large"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--overwrite" in done.stdout
    assert all(f"_shtab_urbanseg_{verb}" in done.stdout for verb in VERBS)
