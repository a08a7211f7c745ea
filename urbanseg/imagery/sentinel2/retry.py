"""Asking again: what went wrong for a moment gets another chance, later each time.

The clients' own retries come first (they know their protocols); this is for what they
cannot see, such as a response that arrives whole but holds something else.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from urbanseg.config.scene import Patience
from urbanseg.errors import PipelineError
from urbanseg.redact import redact

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 300.0

GARBLED = (ValueError, LookupError, TypeError)
"""What parsing an answer that is not the JSON one expects ends in."""

T = TypeVar("T")


class AnswerError(Exception):
    """An answer that is not what was asked for, in words that follow "the server: "; redacted.

    `otherwise` is what to make do with if it stays like this; None if nothing will do.
    """

    def __init__(self, what: str, otherwise: object = None) -> None:
        super().__init__(redact(what))
        self.otherwise = otherwise


def persist(attempt: Callable[[], T], who: str, patience: Patience) -> T:
    """The result of `attempt`, tried again while it raises `AnswerError`, with waits that double.

    Raises:
        PipelineError: after the last attempt, with what was wrong.
    """
    wait = patience.wait_s
    for left in reversed(range(patience.attempts)):
        try:
            return attempt()
        except AnswerError as broken:
            if not left:
                if broken.otherwise is not None:
                    log.warning("%s: %s; going on without", who, broken)
                    return broken.otherwise  # type: ignore[return-value]
                raise PipelineError(
                    f"{who}: {broken}, {patience.attempts} times in a row; "
                    "what was fetched is kept, so run the stage again later"
                ) from None
            log.info("%s: %s; asking again in %g s", who, broken, wait)
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)
    raise AssertionError("patience.attempts is at least 1")
