"""Models from an address: each file resumed where it broke off, and checked by its SHA-256.

The address is that of a packed model's folder, or of its `model.json`. Nothing is asked for but the files
that the description lists, from beside it. What has arrived is kept by digest, so that the
next attempt goes on from there, whatever happened to this one.
"""

import logging
import shutil
import ssl
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from tqdm import tqdm

from urbanseg.config.addresses import host
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.packed.description import DESCRIPTION, Description, FileEntry, parse
from urbanseg.packed.registry import Entry, adding, home, known_as, named

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Of each file, each going on where the one before broke off."""
TIMEOUT_S = 60
CHUNK = 1 << 16
MOST_DESCRIPTION = 1 << 20
"""Bytes of a description."""


class _BrokenError(Exception):
    """A transfer that ended early; another attempt may go on."""


def add(address: str, say: Callable[[Description], None]) -> Entry:
    """Download a packed model and register it.

    Args:
        address: of its folder, or of its `model.json`.
        say: is told what will be downloaded, before it is: the licence is shown there.

    Raises:
        PipelineError: if there is no network or no such model, if a file is another than
            described, or if its version is known with other content.
    """
    try:
        host(address)
    except ValueError as error:
        raise PipelineError(f"the address of the model {error}; name another, or a folder") from None
    base = address.removesuffix(DESCRIPTION).rstrip("/")
    about = parse(_description(f"{base}/{DESCRIPTION}"), f"{base}/{DESCRIPTION}")
    say(about)
    if known := known_as(about):
        return known
    kept = home() / "downloads"
    kept.mkdir(parents=True, exist_ok=True)
    with adding(about, base) as made:
        for name, entry in about.files.items():
            part = kept / f"{entry.sha256}.download"
            fetch(f"{base}/{quote(name)}", part, entry)
            shutil.copyfile(part, made / name)
    for entry in about.files.values():
        (kept / f"{entry.sha256}.download").unlink(missing_ok=True)
    return named(about.label)


def fetch(address: str, part: Path, entry: FileEntry) -> None:
    """Download a file, going on with what is there of it.

    Args:
        address: of the file.
        part: where to; it keeps what has arrived if this fails.
        entry: the size and digest that it must have.

    Raises:
        PipelineError: if it can't be had, or is another.
    """
    for attempt in range(ATTEMPTS):
        try:
            if not part.exists() or part.stat().st_size < entry.bytes or not entry.bytes:
                _go_on(address, part, entry)
            break
        except _BrokenError as error:
            if attempt == ATTEMPTS - 1:
                raise PipelineError(
                    f"{address} broke off {ATTEMPTS} times ({error}); what has arrived is kept, so run the "
                    "command again to go on"
                ) from error
            log.info("%s: %s; going on", address, error)
    if part.stat().st_size != entry.bytes or files.sha256(part) != entry.sha256:
        part.unlink()
        raise PipelineError(
            f"{address} is not the file that {DESCRIPTION} lists (another SHA-256), and was removed; tell "
            "who publishes it, or run the command again"
        )


def _go_on(address: str, part: Path, entry: FileEntry) -> None:
    done = part.stat().st_size if part.exists() else 0
    ranges = {"Range": f"bytes={done}-"} if done else {}
    try:
        with urlopen(Request(address, headers=ranges), timeout=TIMEOUT_S) as answer:  # noqa: S310, checked
            whole = answer.status != 206
            with (
                part.open("wb" if whole else "ab") as file,
                tqdm(
                    desc=part.name[:12],
                    total=entry.bytes,
                    initial=0 if whole else done,
                    unit="B",
                    unit_scale=True,
                ) as bar,
            ):
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
                    if file.tell() > entry.bytes:
                        return  # is another file, as its digest will say
        if part.stat().st_size < entry.bytes:
            raise _BrokenError(f"{part.stat().st_size} of {entry.bytes} bytes have arrived")
    except HTTPError as error:
        error.close()
        if error.code == 416 and done:
            part.unlink()
            raise _BrokenError("the server has fewer bytes") from error
        if error.code >= 500:
            raise _BrokenError(f"the server answers {error.code}") from error
        raise _refused(address, error) from error
    except URLError as error:
        raise _offline(address, error) from error
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise _BrokenError(type(error).__name__) from error


def _description(address: str) -> str:
    try:
        with urlopen(Request(address), timeout=TIMEOUT_S) as answer:  # noqa: S310, checked by `host`
            content: bytes = answer.read(MOST_DESCRIPTION)
            return content.decode("utf-8")
    except HTTPError as error:
        error.close()
        raise _refused(address, error) from error
    except URLError as error:
        raise _offline(address, error) from error
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise PipelineError(f"{address} broke off ({type(error).__name__}); run the command again") from error
    except UnicodeDecodeError:
        raise PipelineError(f"{address} describes no model (no text); name the address of another") from None


def _refused(address: str, error: HTTPError) -> PipelineError:
    return PipelineError(
        f"{address} cannot be had (the server answers {error.code}); name the address of a packed model's "
        "folder"
    )


def _offline(address: str, error: URLError) -> PipelineError:
    if isinstance(error.reason, ssl.SSLError):
        return PipelineError(f"{address} cannot be trusted ({error.reason.reason}); check the address")
    return PipelineError(
        f"{address} cannot be reached: this machine is offline, or the host is wrong ({error.reason}); "
        "models that are here already work without a network: urbanseg models list"
    )
