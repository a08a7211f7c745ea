"""DVC knows the code that each stage's result depends on: its imports, and theirs, are its deps in dvc.yaml.

A lazy import counts as any other. What a stage's parameters are checked by is a module of
`urbanseg.config` for each section; `params` puts them together, which is the work of the stage
of that name: the others depend on what it writes.
"""

import ast
import re
from functools import cache
from itertools import accumulate

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.unit.test_layers import MODULES, imports
from urbanseg.learn import resume

EXCEPTIONS = {
    "urbanseg",  # names for people who write Python, which no stage uses
    "stages",
    "stages._cli",
    "urbanseg.config.params",  # all sections; those that a stage uses it imports itself, or through an area
    "urbanseg.errors",
    "urbanseg.paths",  # another place is another output in dvc.yaml
    "urbanseg.redact",
}
"""Modules that change no byte of a result."""

STAGES = {
    name: stage
    for pipeline in ("dvc.yaml", "cities/template.yaml", "regions/template.yaml")
    for name, stage in YAML(typ="safe", pure=True).load(ROOT / pipeline)["stages"].items()
}


@cache
def closure(module):
    """All modules of the project that a module imports, directly or not, with the packages they are in."""
    found, open_ = set(), [module]
    exceptions = EXCEPTIONS - {module.replace("stages", "urbanseg.config")}
    while open_:
        name = open_.pop()
        if name in found or name not in MODULES:
            continue
        found.add(name)
        if name not in exceptions:
            open_ += imports(MODULES[name], MODULES)
            open_ += accumulate(name.split("."), "{}.{}".format)
    return {str(MODULES[name].relative_to(ROOT)) for name in found - exceptions if has_code(MODULES[name])}


@cache
def has_code(path):
    """Whether a module is more than a docstring, which most packages are not."""
    return len(ast.parse(path.read_text("utf-8")).body) > 1


def code_of(stage):
    return [
        dep for dep in STAGES[stage]["deps"] if isinstance(dep, str) and re.match(r"(stages|urbanseg)/", dep)
    ]


def covers(dep, path):
    return path == dep or path.startswith(f"{dep}/")


def missing(stage, deps):
    return {path for path in closure(f"stages.{stage}") if not any(covers(dep, path) for dep in deps)}


@pytest.mark.parametrize("stage", STAGES)
def test_the_deps_of_a_stage_are_what_it_imports_no_less_and_no_more(stage):
    deps, used = code_of(stage), closure(f"stages.{stage}")
    assert missing(stage, deps) == set()
    assert [dep for dep in deps if not any(covers(dep, path) for path in used)] == []


@pytest.mark.parametrize(
    ("stage", "dep"),
    [("labels", "urbanseg/labels"), ("predict", "urbanseg/model"), ("train", "urbanseg/classes.py")],
)
def test_a_dep_that_is_taken_away_is_missed(stage, dep):
    assert dep in code_of(stage)
    assert missing(stage, [each for each in code_of(stage) if each != dep])


def test_a_training_resumes_only_by_the_code_that_it_was_begun_with():
    deps = [f"urbanseg/{name}" for name in resume.CODE]
    assert {path for path in missing("train", deps) if path != "stages/train.py"} == set()
