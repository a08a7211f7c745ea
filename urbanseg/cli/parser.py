"""Arguments of a program: errors are sentences like all others, and help shows defaults."""

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, NoReturn

from urbanseg.errors import PipelineError


class _Formatter(ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter):
    """Shows defaults, and descriptions as they are written."""


class Parser(ArgumentParser):
    """A parser of arguments whose errors are sentences like all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, "allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            PipelineError: always.
        """
        raise PipelineError(f"{message}; {self.prog} --help says what it takes")
