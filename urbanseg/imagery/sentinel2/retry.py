"""Retries with exponential backoff, for responses that the clients take for good.

The clients repeat failed requests themselves, since they know their protocols; this is
for what they cannot see, such as a response that arrives whole but holds something else.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from urbanseg.config.scene import Retry
from urbanseg.errors import PipelineError
from urbanseg.redact import redact

log = logging.getLogger(__name__)

MAX_WAIT_S = 300.0

MALFORMED = (ValueError, LookupError, TypeError)
"""What parsing a response that is not the expected JSON raises."""

T = TypeVar("T")


class ResponseError(Exception):
    """A response that is not what was asked for, in words that follow "the server: "; redacted.

    `fallback` is the result to use if the last attempt ends like this; None if there is none.
    """

    def __init__(self, what: str, fallback: object = None) -> None:
        super().__init__(redact(what))
        self.fallback = fallback


def with_retries(attempt: Callable[[], T], who: str, retry: Retry) -> T:
    """Call `attempt`, again while it raises `ResponseError`, with waits that double.

    Args:
        attempt: makes the request.
        who: the server, for messages.
        retry: number of attempts, and the first wait.

    Returns:
        The result of `attempt`, or the fallback of the last `ResponseError` if it has one.

    Raises:
        PipelineError: if the last attempt fails, with what was wrong.
    """
    wait = retry.wait_s
    for left in reversed(range(retry.attempts)):
        try:
            return attempt()
        except ResponseError as broken:
            if not left:
                if broken.fallback is not None:
                    log.warning("%s: %s; going on without", who, broken)
                    return broken.fallback  # type: ignore[return-value]
                raise PipelineError(
                    f"{who}: {broken}, {retry.attempts} times in a row; "
                    "what was fetched is kept, so run the stage again later"
                ) from None
            log.info("%s: %s; asking again in %g s", who, broken, wait)
            time.sleep(wait)
            wait = min(2 * wait, MAX_WAIT_S)
    raise AssertionError("patience.attempts is at least 1")
