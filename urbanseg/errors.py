"""The one exception meant for a person to read, and the sentence about a package that is not installed."""

from urbanseg.redact import redact


class PipelineError(Exception):
    """A sentence for the user: names the file or parameter, what is wrong and what to do.

    Stages print it without a traceback and exit with code 1. Programming errors are left
    to be tracebacks. What it quotes of parameters, servers and libraries is redacted here.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(redact(sentence))


def missing_package(error: ModuleNotFoundError, extra: str, otherwise: str = "") -> PipelineError:
    """The error for a package that belongs to an extra.

    Args:
        error: what the import raised.
        extra: name of the extra of this project that brings the package.
        otherwise: how to do without it, if that is possible.
    """
    how = f"install it with: pip install 'urbanseg[{extra}]'"
    return PipelineError(f"this needs the package {error.name}; {how}{', ' + otherwise if otherwise else ''}")
