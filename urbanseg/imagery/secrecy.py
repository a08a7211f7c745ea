"""Keeping tokens and keys out of logs and sentences.

Libraries below the providers write whole requests to their debug logs, keys included,
and signed addresses to their error logs; here they are kept quiet, and what a server
says is cleaned before a person reads it.
"""

import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rasterio.errors import NotGeoreferencedWarning

TALKATIVE = ("odc", "oauthlib", "requests_oauthlib", "rasterio", "sentinelhub", "urllib3")
"""Loggers of libraries that log addresses, headers or bodies of requests."""

HIDDEN = "[hidden]"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the talkative libraries; their errors still arrive as exceptions.

    Their warnings go, too: that a server limits the rate, which the clients deal with, and
    that an image in memory has no place, which is known from the request. Enter it before
    threads start, because filters of warnings are the process's.
    """
    before = {name: logging.getLogger(name).level for name in TALKATIVE}
    children = [
        name for name in logging.root.manager.loggerDict if name.startswith(tuple(f"{t}." for t in TALKATIVE))
    ]
    before |= {name: logging.getLogger(name).level for name in children}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            warnings.filterwarnings("ignore", message="Download rate limit hit")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """What a library or server says, on one line, without secrets, queries of addresses and bearer tokens.

    >>> clean("GET https://x.org/a.tif?sig=abc failed\\nretry", ["retry"])
    'GET https://x.org/a.tif failed [hidden]'
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
    text = re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]*", r"\1", text)
    text = re.sub(r"(?i)bearer\s+\S+", f"Bearer {HIDDEN}", text)
    return " ".join(text.split())
