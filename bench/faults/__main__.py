"""Try broken inputs of every kind: ``python -m bench.faults [--only PATTERN] [--all]``.

Each case breaks something in a copy of a small project and runs a stage or a verb on it, in a forked
process with a time limit. It is clear if the program exits with 1 and one sentence that names the file
or parameter; ``traceback``, ``wrong`` (exit code 0, or another sentence) and ``hung`` are listed. The
last line counts them. Needs two minutes on two cores, and is no part of the tests.
"""

import fcntl
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from argparse import ArgumentParser
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import NoReturn

from bench.faults import archives, models, params, project, rasters, vectors
from bench.faults.case import Case, outcome
from stages import dataset, labels, osm, predict, scene, tiles, train, vectorize  # noqa: F401, before the forks

LIMIT_S = 60.0
"""Time of a case; the slowest good one is a training of two steps."""
PIPE_BYTES = 1 << 20
"""Of a case's output; none has so much."""
KINDS = ("clear", "traceback", "wrong", "hung")


@dataclass(frozen=True)
class Running:
    """A case in a process of its own."""

    case: Case
    process: int
    said: int
    """Reading end of the pipe with its output: a file would be subject to the limits of the case."""
    deadline: float


def main() -> None:
    """Try all cases and print what was not clear; exit with 1 if there was any."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a pattern of names")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--seed", type=int, default=7, help="of random damage")
    parser.add_argument("--all", action="store_true", help="print the clear ones, too")
    asked = parser.parse_args()
    tables = (params, rasters, vectors, models, archives)
    cases = [case for table in tables for case in table.cases() if re.search(asked.only, case.name)]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        _make(root / "project")
        counted = Counter(dict.fromkeys(KINDS, 0))
        for case, kind, said in _tried(cases, root, asked.jobs, asked.seed):
            counted[kind] += 1
            if kind != "clear" or asked.all:
                print(
                    f"{kind:9} {case.name}: {' '.join(case.command)[:60]}\n{' ' * 10}{_last_words(said)}",
                    flush=True,
                )
    print(f"{len(cases)} tried, {', '.join(f'{counted[kind]} {kind}' for kind in KINDS)}")
    sys.exit(int(counted["clear"] < len(cases)))


def _tried(cases, root, jobs, seed):
    """Run the cases, some at a time; yields each with its kind and what it said."""
    waiting, running = list(enumerate(cases))[::-1], []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(_start(*waiting.pop(), root, seed))
        for each in list(running):
            ended, status = os.waitpid(each.process, os.WNOHANG)
            is_late = not ended and time.monotonic() > each.deadline
            if is_late:
                os.killpg(each.process, signal.SIGKILL)
                os.waitpid(each.process, 0)
            if ended or is_late:
                running.remove(each)
                with os.fdopen(each.said, "rb") as pipe:
                    said = pipe.read(PIPE_BYTES).decode(errors="replace")
                code = None if is_late else os.waitstatus_to_exitcode(status)
                yield each.case, outcome(each.case, code, said), said
        time.sleep(0.01)


def _make(folder: Path) -> None:
    """Make the project in another process, so that this one starts no threads before it forks."""
    folder.mkdir()
    if not (child := os.fork()):
        os.chdir(folder)
        _ended(lambda: project.make(folder, _run))
    if os.waitpid(child, 0)[1]:
        sys.exit("the project of the cases could not be made")


def _start(number: int, case: Case, root: Path, seed: int) -> Running:
    folder = root / f"{number}"
    project.copy(root / "project", folder)
    case.change(folder, Random(f"{seed} {case.name}"))  # noqa: S311
    said, output = os.pipe()
    fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    if not (child := os.fork()):
        _ended(lambda: _try(case, folder, output))
    os.close(output)
    return Running(case, child, said, time.monotonic() + LIMIT_S)


def _try(case: Case, folder: Path, output: int) -> None:
    """Run a case in this process, which was forked for it."""
    os.setsid()
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(output, number)
        setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1))
    for name, value in case.limits.items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
    _run(*case.command)


def _run(program: str, *words: str) -> None:
    """Run a stage or a verb in this process, by its entry point."""
    sys.argv = [program, *words]
    import_module("urbanseg.cli.main" if program == "urbanseg" else f"stages.{program}").main()


def _ended(work) -> NoReturn:
    """Do the work and end this process as Python would."""
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _last_words(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return next(
        (line for line in lines if line.startswith("error: ")), lines[-1] if lines else "nothing said"
    )[:300]


if __name__ == "__main__":
    main()
