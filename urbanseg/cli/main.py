"""The command line, ``urbanseg <verb>``: a verb is a module of `verbs`, imported when it is called."""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from urbanseg.cli.guard import guarded
from urbanseg.cli.parser import Parser
from urbanseg.errors import PipelineError
from urbanseg.io.processes import stop_while_importing
from urbanseg.io.startup import prepare

VERBS = {
    "adapt": "Adapt a model to images without labels.",
    "assess": "Estimate the accuracy of a city's map from a sample of interpreted points.",
    "change": "Compare two maps of one place.",
    "city": "Add, list and remove the cities of params.yaml.",
    "completion": "Print a script that completes this command in a shell.",
    "doctor": "Say what this machine has of what the project needs.",
    "explain": "Say why a model gives a place of an image its class.",
    "map": "Map the land cover of any image, or of a place.",
    "merge": "Merge models into one.",
    "models": "List, show, add and pack models that can be named.",
    "params": "Put an overlay into params.yaml.",
    "publish": "Publish the map of a city or a region to PostGIS.",
    "review": "Look at scenes and maps in the browser, and correct them.",
    "sample": "Draw a sample of a city's map for visual interpretation in QGIS.",
    "suggest": "Say which blocks of a city are worth looking at next.",
}
"""Each verb and the first line of its module."""

FORMER = {"apply": "map --only classes,confidence,preview"}
"""Verbs that there were, and what does the same."""

AFTER = """
urbanseg <verb> --help says what a verb takes. The stages of the pipeline are run by DVC: make repro.

exit codes: 0 done; 1 an error, in one sentence; 130 stopped by Ctrl-C; 143 stopped by SIGTERM;
129 its terminal is gone; 141 nobody reads its output (as with | head)
"""


def main() -> None:
    """Run the verb that the arguments name; errors are one sentence and exit code 1."""
    stop_while_importing()
    prepare()
    guarded(lambda: execute(sys.argv[1:]))


def execute(words: Sequence[str]) -> None:
    """Run a verb.

    Args:
        words: the verb and its arguments.

    Raises:
        PipelineError: if there is no such verb, or it cannot do what it is asked for.
    """
    if not words or words[0] in {"-h", "--help"}:
        print(overview())
    elif words[0] == "--version":
        print(_version())
    elif words[0] in FORMER:
        raise PipelineError(f"{words[0]} is now {FORMER[words[0]]}; urbanseg map --help says what it takes")
    elif words[0] not in VERBS:
        near = difflib.get_close_matches(words[0], VERBS, n=1)
        meant = f"did you mean {near[0]}?" if near else "urbanseg --help lists them"
        raise PipelineError(f"there is no verb {words[0]!r}; {meant}")
    else:
        verb = verb_module(words[0])
        verb.run(
            describe(words[0], Parser(prog=f"urbanseg {words[0]}", description=verb.__doc__)).parse_args(
                words[1:]
            )
        )


def verb_module(name: str) -> Any:
    """The module of a verb."""
    return import_module(f"urbanseg.cli.verbs.{name}")


def describe(name: str, parser: Parser) -> Parser:
    """Add the arguments of a verb to a parser."""
    verb_module(name).arguments(parser)
    return parser


def overview() -> str:
    """What ``urbanseg --help`` says."""
    wide = max(map(len, VERBS))
    lines = [f"  {name:{wide}}  {about}" for name, about in VERBS.items()]
    return "\n".join(
        ["usage: urbanseg <verb> [arguments]", "", "Land-cover maps of cities.", "", *lines, AFTER.rstrip()]
    )


def _version() -> str:
    try:
        return version("urbanseg")
    except PackageNotFoundError:
        return "urbanseg, from a checkout"
