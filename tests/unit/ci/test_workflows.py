"""When the forges retrain, and with what rights; their linters check the rest (`make check`)."""

import re
import subprocess

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

READS = [
    "params.yaml",
    "cities/template.yaml",
    "regions/template.yaml",
    "cities/demo/dvc.lock",
    "dvc.lock",
    "dvc.yaml",
    "stages/train.py",
    "urbanseg/learn/model.py",
    "data/none/README.md",
]
IGNORES = ["README.md", "docs/experiments.md", "tests/conftest.py", "bench/baseline.py", "Makefile"]


def load(path):
    return YAML(typ="safe", pure=True).load((ROOT / path).read_text())


def github_paths():
    return load(".github/workflows/retrain.yml")["on"]["push"]["paths"]


def gitlab_paths():
    (changes,) = (rule["changes"] for rule in load(".gitlab-ci.yml")["retrain"]["rules"] if "changes" in rule)
    return changes


def matches(path, patterns):
    """Whether a pattern is the path or all of a folder above it, the two forms that are used."""
    folders = [re.sub(r"\*\*(/\*)?$", "", pattern) for pattern in patterns if "*" in pattern]
    return path in patterns or path.startswith(tuple(folders))


@pytest.mark.parametrize("patterns", [github_paths(), gitlab_paths()], ids=["github", "gitlab"])
def test_what_the_pipeline_reads_starts_a_retraining_and_nothing_else_does(patterns):
    assert all(matches(path, patterns) for path in READS)
    assert not any(matches(path, patterns) for path in IGNORES)


def test_both_forges_watch_the_same_paths():
    assert [p.removesuffix("/*") for p in gitlab_paths()] == github_paths()


def test_every_file_in_git_that_a_stage_depends_on_is_watched():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    stages = [
        stage
        for name in ("dvc.yaml", "cities/template.yaml", "regions/template.yaml")
        for stage in load(name)["stages"].values()
    ]
    deps = {dep for stage in stages for dep in stage["deps"] if isinstance(dep, str)}
    made_by_stages = {"metrics", "reports/evaluation", "reports/training"}
    assert made_by_stages <= deps
    read = [path for path in tracked if any(under(path, dep) for dep in deps - made_by_stages)]
    assert len(read) > 50
    patterns = github_paths()
    assert [path for path in read if not matches(path, patterns)] == []


def under(path, folder):
    return path == folder or path.startswith(f"{folder}/")


@pytest.mark.parametrize("name", ["tests", "retrain"])
def test_workflows_pin_actions_by_commit_and_grant_nothing_by_default(name):
    text = (ROOT / f".github/workflows/{name}.yml").read_text()
    uses = re.findall(r"uses: (\S+)", text)
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in uses)
    assert load(f".github/workflows/{name}.yml")["permissions"] == {}
    assert re.findall(r"secrets\.(\w+)", text) == re.findall(r"\$\{\{ secrets\.(\w+) \}\}", text)


def test_the_forges_only_call_the_script():
    steps = load(".github/workflows/retrain.yml")["jobs"]["retrain"]["steps"]
    on_github = [step["run"] for step in steps if step.get("name") in {"Set up", "Retrain"}]
    on_gitlab = load(".gitlab-ci.yml")["retrain"]["script"][-2:]
    for setup, retrain in (on_github, on_gitlab):
        assert setup == "make setup"
        assert retrain.startswith('.venv/bin/python -m ci.retrain --base "$')


def builds_the_page(commands):
    """Whether a job needs node and no Python; it compares the page that ships with what it built."""
    lines = list(commands)
    return "make ui" in lines and "git diff --exit-code urbanseg/review/page" in lines


def test_both_forges_build_the_page_of_the_review_desk():
    github = load(".github/workflows/tests.yml")["jobs"]["page"]["steps"]
    assert builds_the_page(step.get("run", "") for step in github)
    assert builds_the_page(load(".gitlab-ci.yml")["page"]["script"])


@pytest.mark.parametrize("name", ["nightly", "retrain", "tests"])
def test_each_job_keeps_the_environment_by_the_digest_of_its_requirements(name):
    jobs = load(f".github/workflows/{name}.yml")["jobs"].values()
    for job in (job for job in jobs if not builds_the_page(step.get("run", "") for step in job["steps"])):
        (kept,) = (step["with"] for step in job["steps"] if "actions/cache@" in step.get("uses", ""))
        assert kept["path"] == ".venv"
        assert "${{ hashFiles('requirements*.txt', 'pyproject.toml') }}" in kept["key"]


def test_each_job_of_gitlab_does_so_too():
    jobs = load(".gitlab-ci.yml")
    assert jobs[".environment"]["cache"]["key"]["files"] == ["requirements.txt", "pyproject.toml"]
    making = [
        job
        for job in jobs.values()
        if isinstance(job, dict) and any(line.startswith("make ") for line in job.get("script", ()))
    ]
    making = [job for job in making if not builds_the_page(job["script"])]
    assert len(making) == 3
    assert {job.get("extends") for job in making} == {".environment"}
