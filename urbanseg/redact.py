"""Removing secrets from text before a person, a log or a file gets it.

`redact` knows the forms in which secrets occur (user names and passwords in addresses, queries,
headers, ``key=value``) and the values of the environment variables that hold them. `PipelineError`
applies it to each sentence; `install` applies it to what the process logs, to warnings and to
tracebacks. `urbanseg.sections` refuses parameters that hold secrets.
"""

import logging
import os
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "[hidden]"

TALKATIVE = ("odc", "oauthlib", "requests_oauthlib", "rasterio", "sentinelhub", "urllib3")
"""Loggers of libraries that log addresses, headers or bodies of requests."""

SHORTEST_SECRET = 6
"""Shorter values of environment variables are words such as ``true`` that occur anywhere."""

_SCHEME = r"[a-z0-9]://"
"""The end of a scheme; looking for its beginning takes time quadratic in the length of a word."""
_WORD = r"[^\s\"'<>]"
"""A character of an address, which ends at a space, a quote or an angle bracket."""

_USERINFO = [
    # https://user:password@host and https://token@host; the last @ counts, as a password may hold one.
    rf"({_SCHEME}|(?<![\w/:.])//)(?=[^\s/?#\"'<>]*@){_WORD}*@",
    # What follows the colon is no port, so it is a password, whatever characters it has.
    rf"({_SCHEME})(?!\[)[^\s/?#@:\"'<>]*:(?!\d*(?:[/?#\"'<>\s(),;:.\]}}|\\`]|$))(?:\S*@|{_WORD}+)",
    # A slash or question mark in a user name or password, and then a host with a dot or a port.
    rf"(https?://)(?!localhost\b)[^\s/?#@:.\"'<>]+(?::\d*)?[/?#]{_WORD}*@(?=[\w-]+(?:\.\w|:\d))",
    # user:password@host.org without a scheme.
    r"((?<![\w/@:.%+~-]))(?!mailto:)[\w.%+~-]+:[^\s/@\"'<>:]+@(?=[\w-]+(?:\.\w|:\d)|localhost\b)",
]
_QUERY = [
    rf"({_SCHEME}[^\s?#\"'<>]*)[?#](?={_WORD}*\w)(?:{_WORD}|[\"'<>](?=[\w%&=+]))*",
    # Relative addresses: in urllib3's sentences, in lines of a server's log, and anywhere with a name.
    rf"((?:\burl: |\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) )/[^\s?#\"'<>]*)[?#]{_WORD}+",
    rf"()\?[\w.~%-]+={_WORD}*",
]
_VALUE = (
    r"(?:(?P<quote>\\\"|[\"'])(?:''|(?!(?P=quote))(?:\\.|[^\n]))*(?P=quote)"
    r"|[\"']?(?:\[hidden\]|[^\s&;,\"'<>)\]}])+(?:[,\"'<>)\]}]+(?:\[hidden\]|[^\s&;,\"'<>)\]}])+)*)"
)
_NAME = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|account|secret|private|subscription)[_-]?key"
    r"|access[_-]?key[_-]?id|client[_-]?id|credentials?|sig|signature|jwt|session[_-]?id|(?<=[?&])key)"
)
_PREFIX = r"(?<!\w)[\w.-]{0,40}?"
_SENTENCE = r"(?!(?:is|are|was|must|should|has|no|not|input|extra|field|value)\b)"
_HEADERS = [
    rf"((?:proxy-)?authorization\b[\"']?\s*[:=,]\s*(?:b(?=[\"']))?[\"']?(?:(?:bearer|basic|digest|token|apikey)\s+)?){_WORD}+",
    rf"(\bbearer\s+){_WORD}+",
    r"(\bbasic\s+)(?=\S*[\d=+/])[\w+/=-]{8,}",
    r"(\b(?:set-)?cookie[\"']?\s*:\s*)[^\r\n]+",
    r"(\bauth=)\([^)]*\)",
]
_PAIRS = [
    rf"({_PREFIX}{_NAME}\\?[\"']?[ \t]*=(?!=)[ \t]*){_VALUE}",
    rf"({_PREFIX}{_NAME}\\?[\"'][ \t]*:[ \t]*){_VALUE}",
    rf"({_PREFIX}{_NAME}[ \t]*:[ \t]*){_SENTENCE}{_VALUE}",
]
_RULES = [
    (re.compile(rule, re.IGNORECASE), replacement)
    for rules, replacement in (
        ((*_USERINFO, *_QUERY), r"\1"),
        (_HEADERS, rf"\1{HIDDEN}"),
        (_PAIRS, rf"\1\g<quote>{HIDDEN}\g<quote>"),
    )
    for rule in rules
]
_SECRET_VARIABLE = re.compile(
    r"(SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|ACCESS_KEY|ACCESS_KEY_ID|ACCOUNT_KEY|CONNECTION_STRING|CLIENT_ID)$",
    re.IGNORECASE,
)
_PASSWORD = re.compile(rf"{_SCHEME}[^\s/?#:@]*:(?!\d+/)([^\s@]+)@", re.IGNORECASE)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without user names, passwords, queries, keys and tokens.

    Addresses keep their scheme, host and path. What else is removed leaves `HIDDEN`.

    >>> redact("GET https://bob:word@x.org/a.tif?sig=abc failed, token=abc", ["failed"])
    'GET https://x.org/a.tif [hidden], token=[hidden]'

    Args:
        text: what a library, a server or a person wrote; it may have several lines.
        secrets: values that must not be shown, whatever form they occur in.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for secret in sorted(_environment(), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return _by_form(text)


def holds_secret(text: str) -> bool:
    """Whether a text has a secret in one of the forms that `redact` removes; the environment is not asked."""
    return _by_form(text) != text


def excerpt(text: str, secrets: Iterable[str] = (), length: int = 200) -> str:
    """The beginning of what a library or server says, redacted and on one line.

    Args:
        text: as it came.
        secrets: see `redact`.
        length: longest excerpt, in characters.
    """
    plain = "".join(c if c.isprintable() else " " for c in redact(text[:10_000], secrets))
    return " ".join(plain.split())[:length]


def redact_values(value: Any) -> Any:
    """What is ready for JSON, with all its text redacted."""
    if isinstance(value, dict):
        return {key: redact_values(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(part) for part in value]
    return redact(value) if isinstance(value, str) else value


def install() -> None:
    """Redact from now on what this process logs, its warnings, and tracebacks of errors nobody caught.

    Hooks for such errors that are set already stay.
    """
    logging.setLogRecordFactory(_Record)
    warnings.formatwarning = _format_warning
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_traceback
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _print_traceback_of_thread


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
            warnings.filterwarnings("ignore", message="Dataset has no geotransform")
            warnings.filterwarnings("ignore", message="Download rate limit hit")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


class _Record(logging.LogRecord):
    """A record whose message and traceback are redacted before any handler sees them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            message = self.getMessage()
        except Exception:  # noqa: BLE001, logging itself would print the arguments as they are
            message = f"{self.msg} {self.args}"
        self.msg, self.args = redact(message), None
        if self.exc_info and self.exc_info[0] is not None:
            # A formatter takes this text instead of formatting the exception.
            self.exc_text = redact("".join(traceback.format_exception(*self.exc_info))).rstrip("\n")
        if self.stack_info:
            self.stack_info = redact(self.stack_info)


_FORMAT_WARNING = warnings.formatwarning


def _format_warning(*args: Any, **kwargs: Any) -> str:
    return redact(_FORMAT_WARNING(*args, **kwargs))


def _print_traceback(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _print_traceback_of_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is not SystemExit:
        _print_traceback(failed.exc_type, failed.exc_value, failed.exc_traceback)


def _by_form(text: str) -> str:
    for rule, replacement in _RULES:
        text = rule.sub(replacement, text)
    return text


def _environment() -> set[str]:
    """Secrets in the environment, also as they stand in an address and in a quoted text."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if _SECRET_VARIABLE.search(name):
            found.add(value)
        # DATABASE_URL, HTTPS_PROXY, and any other address with a password.
        for password in _PASSWORD.findall(value):
            found |= {password, unquote(password)}
    known = {secret for secret in found if len(secret) >= SHORTEST_SECRET}
    return known | {form(secret) for secret in known for form in (_quoted, quote_plus, _escaped)}


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _escaped(text: str) -> str:
    return repr(text)[1:-1]
