"""Retraining as any CI runner does it: fetch, reproduce, compare, share, judge.

``python -m ci.retrain --base origin/main`` leaves a report in Markdown, pushes what was
computed, and fails when the mean IoU or the road APLS of all cities together drops significantly
(`comparison.gate`). Nothing here knows a forge: the workflows only call it, and a person may,
too. Results that fail are not recorded in git; they are in the shared run cache, so that nobody
computes them again.
"""

import argparse
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ci import before_dvc, share
from ci.revisions import OVERALL, WORKSPACE, Revision, compare
from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.redact import redact
from urbanseg.report import comparison

log = logging.getLogger(__name__)

REPORT = Path("reports/retraining.md")
PICTURES = ("prediction", "errors")
RAN = re.compile(r"Running stage '(.+?)'")
ON_THIS_MACHINE = {"simulated", "local", "pbf", "none"}
"""Providers that deliver the same as before unless a parameter or a file changes."""


def main() -> None:
    """Retrain, and exit with 1 and a sentence for each drop."""
    options = _options()
    # DVC, and the python of the stages' commands, are those beside this one.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    failures = retrain(options.base, options.branch, refresh=options.refresh, accept=options.accept)
    for failure in failures:
        print(f"gate: {failure}", file=sys.stderr)
    sys.exit(1 if failures and not options.accept else 0)


def retrain(base: str, branch: str | None, *, refresh: bool, accept: bool) -> list[str]:
    """Bring the results up to date, share and report them.

    Args:
        base: revision to compare with.
        branch: where on ``origin`` the results are committed; None is the current branch.
        refresh: ask the providers of imagery and of OpenStreetMap again.
        accept: record the results although a figure drops.

    Returns:
        A sentence for each figure of the gate that drops.

    Raises:
        PipelineError: if params.yaml is wrong, the tree is not clean, the base has no such revision,
            or a step fails.
    """
    before_dvc.check()
    branch = branch or _current_branch()
    if _git("status", "--porcelain", "--untracked-files=no"):
        raise PipelineError("there are changes that are not committed; commit them, so that results fit them")
    base = "HEAD" if set(base) == {"0"} else base  # a forge's way to say that the branch is new
    before = Revision(base)
    shared = bool(_output("dvc", "remote", "list"))
    if shared:
        # An empty or incomplete remote is no failure: what it lacks is computed.
        _run("dvc", "pull", "--run-cache", "--allow-missing")

    try:
        stages = _reproduce(refresh, shared=shared)
    except PipelineError:
        if shared:  # the stages that did run need not run again
            with suppress(PipelineError):
                share.push()
        raise
    after = Revision(WORKSPACE)
    changes = compare(before, after)
    gate = comparison.gate(changes, OVERALL)
    failures = gate.drops
    page = report(base, stages, comparison.table(changes), gate, after.cities, accept=accept)
    files.write_text(REPORT, page)
    log.info("the report is %s", REPORT)

    if shared:
        share.push()
    if accept or not failures:
        _record(branch)
    return failures


def report(
    base: str,
    stages: Sequence[str],
    table: str,
    gate: comparison.Gate,
    cities: Iterable[str],
    *,
    accept: bool,
) -> str:
    """The report as Markdown; pictures are linked relative to its place."""
    judged = "accepted by hand, although it failed" if accept else "failed; the results are not recorded"
    said = [f"**Gate: {judged if gate.drops else 'passed'}**", "", *(f"- {drop}" for drop in gate.drops)]
    said += [f"- not judged: {change}" for change in gate.not_judged]
    pictures = [
        f"![{city}: {what}]({(paths.previews(city) / what).relative_to(REPORT.parent)}.png)"
        for city in cities
        for what in PICTURES
    ]
    parts = [
        "# Retraining",
        f"Compared with `{base}`. " + (f"Ran: {', '.join(stages)}." if stages else "Nothing had to run."),
        table,
        "\n".join(said).rstrip(),
        "\n".join(pictures),
    ]
    return "\n\n".join(parts) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m ci.retrain")
    parser.add_argument("--base", default="HEAD", help="revision to compare with; by default %(default)s")
    parser.add_argument("--branch", help="branch on origin that gets the results; by default the current one")
    parser.add_argument("--refresh", action="store_true", help="ask the providers again, for new imagery")
    parser.add_argument("--accept", action="store_true", help="record the results although a figure drops")
    return parser.parse_args()


def _reproduce(refresh: bool, *, shared: bool) -> list[str]:
    """`dvc repro`; returns the stages that ran, in order. What comes from the run cache does not run."""
    # The run cache says what gave which result; --pull also fetches those results.
    pull = ["--pull"] if shared else []
    printed = ""
    if refresh and (sources := remote_sources(params.load(paths.PARAMS).cities)):
        printed += _run("dvc", "repro", "--force", "--single-item", *sources)
    printed += _run("dvc", "repro", *pull)
    return list(dict.fromkeys(RAN.findall(printed)))


def remote_sources(cities: Mapping[str, params.CityParams]) -> list[str]:
    """Stages that fetch from a server, which DVC cannot know to have something new."""
    providers: dict[str, str] = {
        paths.city_stage("scene", name): city.scene.provider for name, city in cities.items()
    }
    providers |= {paths.city_stage("osm", name): city.osm.provider for name, city in cities.items()}
    return [stage for stage, provider in providers.items() if provider not in ON_THIS_MACHINE]


def _record(branch: str) -> None:
    """Commit what DVC locked and the metrics, and push them; nothing if they are as before."""
    _run("git", "add", "--update")
    _run("git", "add", "dvc.lock", str(paths.CITIES), str(paths.TRAINING.parent))
    if not _git("diff", "--cached", "--name-only"):
        log.info("the results are as recorded")
        return
    _run("git", *_identity(), "commit", "--quiet", "--message", "Retrain")
    if _succeeds("git", "push", "origin", f"HEAD:refs/heads/{branch}"):
        return
    # Someone pushed meanwhile. If that changed nothing the pipeline reads, the results still hold.
    _run("git", *_identity(), "pull", "--rebase", "origin", branch)
    params.load(paths.PARAMS)
    if not _succeeds("dvc", "status", "--quiet"):
        raise PipelineError(
            f"{branch} has moved on and changes what the pipeline reads; run again, "
            "what is still valid comes from the cache"
        )
    _run("git", "push", "origin", f"HEAD:refs/heads/{branch}")


def _identity() -> list[str]:
    """An author for commits on machines that have none."""
    if _succeeds("git", "var", "GIT_COMMITTER_IDENT"):
        return []
    return ["-c", "user.name=Retraining", "-c", "user.email=retraining@localhost"]


def _current_branch() -> str:
    if not (branch := _git("branch", "--show-current")):
        raise PipelineError("no branch is checked out; say with --branch where the results belong")
    return branch


def _git(*words: str) -> str:
    return _output("git", *words)


def _output(*command: str) -> str:
    """What a short command prints.

    Raises:
        PipelineError: if it fails.
    """
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise PipelineError(f"{' '.join(command)} failed: {' '.join(done.stderr.split())}")
    return done.stdout.strip()


def _succeeds(*command: str) -> bool:
    done = subprocess.run(
        command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    )
    sys.stderr.write(redact(done.stderr))
    return done.returncode == 0


def _run(*command: str) -> str:
    """Run a command of any length, showing what it prints, redacted; returns its standard output.

    Raises:
        PipelineError: if it fails.
    """
    log.info("$ %s", " ".join(command))
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as running:
        try:
            errors = threading.Thread(target=_show, args=(running.stderr, sys.stderr, []))
            errors.start()
            _show(running.stdout, sys.stdout, lines)
            errors.join()
        except BaseException:
            running.terminate()  # and with DVC the stage that it runs ends
            raise
    if running.returncode:
        raise PipelineError(f"{' '.join(command)} failed with code {running.returncode}; its output is above")
    return "".join(lines)


def _show(printed: IO[str] | None, stream: IO[str], lines: list[str]) -> None:
    """Copy what a command prints to a stream, redacted, and add its lines to a list."""
    for line in printed or ():
        lines.append(redact(line))
        stream.write(lines[-1])
        stream.flush()


if __name__ == "__main__":
    guarded(main)
