"""Arguments of a program: errors are sentences like all others, and help shows defaults."""

import re
import sys
from argparse import Action, ArgumentDefaultsHelpFormatter, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from urbanseg.errors import PipelineError

NEGATIVE_LIST = re.compile(r"-[\d.][\d.eE+-]*(,[^,]*)+")
"""Numbers with commas between them, of which the first is negative: argparse takes them for an option."""


class _Formatter(ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter):
    """Shows defaults where there are any, and descriptions as they are written."""

    def _get_help_string(self, action: Action) -> str | None:
        has_default = action.default is not None and action.default is not False
        return super()._get_help_string(action) if has_default else action.help


class Parser(ArgumentParser):
    """A parser of arguments whose errors are sentences like all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, "allow_abbrev": False, **options})

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse words; options may stand between files, as in ``map a.tif --model m b.tif folder``."""
        if self._subparsers is not None:
            return super().parse_args(args, namespace)
        return self.parse_intermixed_args(args, namespace)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse words; a list of numbers may begin with a minus, as in ``--bbox -0.5,51.3,0.2,51.6``."""
        return super().parse_known_args(list(_joined(sys.argv[1:] if args is None else args)), namespace)

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            PipelineError: always.
        """
        raise PipelineError(f"{message}; {self.prog} --help says what it takes")


def _joined(words: Sequence[str]) -> Iterator[str]:
    """The words, with an option and its list of numbers in one word, ``--bbox=-0.5,51.3,0.2,51.6``."""
    held = ""
    for word in words:
        if held and NEGATIVE_LIST.fullmatch(word):
            yield f"{held}={word}"
            held = ""
            continue
        if held:
            yield held
        held = word if re.fullmatch(r"--[a-z][a-z-]*", word) else ""
        if not held:
            yield word
    if held:
        yield held
