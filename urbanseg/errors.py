"""The one exception meant for a person to read."""

from urbanseg.redact import redact


class PipelineError(Exception):
    """A sentence for the user: names the file or parameter, what is wrong and what to do.

    Stages print it without a traceback and exit with code 1. Programming errors are left
    to be tracebacks. What it quotes of parameters, servers and libraries is redacted here.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(redact(sentence))
