"""Addresses: parsing, and checks of which addresses of a catalogue may be requested.

A parameter for a file may hold an address instead. It is a `Path` nevertheless, which
makes ``https:/`` of ``https://``; `address` undoes that.
"""

import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from urbanseg.errors import PipelineError

PORTS = {"http": 80, "https": 443}


def address(path: Path) -> str | None:
    """The address in place of a file, without ``/vsicurl/``; None if it is a file.

    >>> address(Path("https://x.org/a.tif")), address(Path("/vsicurl/http://x.org/a.tif"))
    ('https://x.org/a.tif', 'http://x.org/a.tif')
    """
    found = re.fullmatch(r"(?:/vsicurl/)?(https?):/+(.+)", str(path), re.IGNORECASE)
    return f"{found[1].lower()}://{found[2]}" if found else None


def host(href: str) -> str:
    """The host of an address as an allow list names it: in lower case, with the port if it is not the usual.

    Raises:
        ValueError: if it is no address of http or https, or holds a user name, a password, a
            backslash or white space, which programs parse differently.
    """
    if re.search(r"[\s\\\x00-\x1f]", href):
        raise ValueError("holds white space or a backslash")
    parts = urlsplit(href)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("does not begin with https://")
    if "@" in parts.netloc:
        raise ValueError("holds a user name")
    name = parts.hostname.rstrip(".")
    if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:.]+", name):
        raise ValueError("has a host with characters that no host has")
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in {None, PORTS[parts.scheme]} else f"{name}:{parts.port}"


def plain_host(name: str) -> str:
    """A host of an allow list as `host` writes it.

    Raises:
        ValueError: if it is something else than a host and perhaps its port.
    """
    try:
        plain = host(f"https://{name}")
    except ValueError:
        plain = ""
    if not plain or re.search(r"[/?#*]", name):
        raise ValueError("must be a host, such as data.example.org or data.example.org:8443")
    return plain


def require_allowed(href: str, hosts: Collection[str], schemes: Collection[str], who: str) -> None:
    """Refuse an address that a server sent, unless its host and scheme are allowed.

    Args:
        href: the address.
        hosts: allowed ones, as `host` writes them.
        schemes: allowed ones, such as ``https``.
        who: what names the address, for the message.

    Raises:
        PipelineError: naming the host, and what to add to allow it.
    """
    shown = re.sub(r"[?#].*", "", href, flags=re.DOTALL)
    shown = re.sub(r"//[^/]*@", "//", shown)
    try:
        name = host(href)
    except ValueError as error:
        raise PipelineError(
            f"{who} names {shown[:200]!r}, which {error}; only addresses of {', '.join(schemes)} "
            f"on the hosts {', '.join(sorted(hosts))} are read, so take another catalogue"
        ) from None
    if (scheme := urlsplit(href).scheme) not in schemes:
        raise PipelineError(
            f"{who} names {shown[:200]!r}, but {scheme} is not encrypted, and url is; take a catalogue "
            "whose addresses begin with https://"
        )
    if name not in hosts:
        raise PipelineError(
            f"{who} names the host {name}, which is none of {', '.join(sorted(hosts))}; if you trust it, "
            "add it to hosts of the scene in params.yaml"
        )
