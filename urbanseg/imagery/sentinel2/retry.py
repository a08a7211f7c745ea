"""Retries with exponential backoff, for responses that the clients take for good.

The clients repeat failed requests themselves, since they know their protocols; this is
for what they cannot see, such as a response that arrives whole but holds something else.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

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

    def say(state: RetryCallState) -> None:
        wait = state.next_action.sleep if state.next_action else 0
        log.info("%s: %s; asking again in %g s", who, _broken(state), wait)

    def give_up(state: RetryCallState) -> T:
        broken = _broken(state)
        if broken.fallback is None:
            raise PipelineError(
                f"{who}: {broken}, {retry.attempts} times in a row; "
                "what was fetched is kept, so run the stage again later"
            ) from None
        log.warning("%s: %s; going on without", who, broken)
        return broken.fallback  # type: ignore[return-value]

    repeated = Retrying(
        sleep=time.sleep,
        stop=stop_after_attempt(retry.attempts),
        wait=wait_exponential(retry.wait_s, max=MAX_WAIT_S),
        retry=retry_if_exception_type(ResponseError),
        before_sleep=say,
        retry_error_callback=give_up,
    )
    return repeated(attempt)


def _broken(state: RetryCallState) -> ResponseError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, ResponseError):
        raise TypeError("only a ResponseError is answered by a retry")
    return error
