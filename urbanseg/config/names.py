"""Names of cities and classes, and the titles that are shown instead of them.

A name is a key of params.yaml that becomes files, folders, columns, parameters and words of
commands, so it is made of letters, digits and underscores alone, and is none of the words
that the project uses there itself. What is published under another name has a title.
"""

import re
from functools import partial
from html import escape
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST = 64
FORM = re.compile(r"[a-z][a-z0-9_]*")

RESERVED = frozenset(
    """
    all ignore workspace test val
    false nan none null true
    dataset evaluate export labels osm overall predict project repair report scene tiles train vectorize
    adapt assess change city completion doctor explain merge publish review sample suggest
    bench ci data docs metrics models params reports stages tests ui urbanseg
    backend corrections evaluation index map prediction previews repaired retraining seeds segmenter start
    training
    cities classes parameters reading region regions sampling seed
    """.split()  # noqa: SIM905, a line for each kind
)
"""What no city and no class can be called: marks in tables and comparisons, and splits; what readers of
YAML and CSV take for no text; stages and commands; folders and files of the project and its results;
sections of params.yaml and of the report's page. A test compares it with all of these."""

NOT_PRINTED = {" ", "\u00a0", "\u200c", "\u200d"}
"""Spaces and joiners, which Python calls unprintable or which titles need between their letters."""


def check_form(name: str, what: str = "name") -> str:
    """A name as it is, or a ValueError that says what it must be made of."""
    if len(name) > LONGEST or not FORM.fullmatch(name):
        shown = f"{name[:LONGEST]!r}…" if len(name) > LONGEST else repr(name)
        raise ValueError(
            f"a {what} can't be called {shown}: it takes the letters a to z, digits and _, a letter first, "
            f"and {LONGEST} characters at most"
        )
    return name


def check_name(name: str, what: str = "name") -> str:
    """A well-formed name that is free, or a ValueError that says why it is not."""
    check_form(name, what)
    if name in RESERVED:
        raise ValueError(
            f"a {what} can't be called {name}, which is one of the reserved words; choose another name, "
            f"and none of {', '.join(sorted(RESERVED - {name}))}"
        )
    return name


def check_title(text: str) -> str:
    """A title as it is, or a ValueError that says what is wrong with it."""
    if text != text.strip() or not all(c.isprintable() or c in NOT_PRINTED for c in text):
        raise ValueError("a title is one line of printable characters, without spaces around it")
    return text


def in_markdown(text: str) -> str:
    """A name or title as Markdown that shows it as it is: no mark-up, no HTML, no end of a table's cell.

    >>> in_markdown("Snow|ice <b>"), in_markdown("bare_soil")
    ('Snow\\\\|ice &lt;b&gt;', 'bare_soil')
    """
    return re.sub(r"[\\`*\[\]|~]|\b_|_\b", r"\\\g<0>", escape(text, quote=False))


CityName = Annotated[str, AfterValidator(partial(check_name, what="city"))]
RegionName = Annotated[str, AfterValidator(partial(check_name, what="region"))]
ClassName = Annotated[str, AfterValidator(partial(check_name, what="class"))]
LayerName = Annotated[str, AfterValidator(partial(check_form, what="layer"))]
Title = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(check_title)]
BandName = Title
"""A band as its file describes it, or as others call it."""
