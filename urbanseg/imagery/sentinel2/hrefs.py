"""Addresses that a STAC API sends: checks of which may be requested.

An Item comes from a server and may name any address: of a file on this machine, of a
machine in the local network, or of a host that collects tokens. So only hosts that the
profile or the parameters allow are requested, for links and redirects alike.
"""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import pystac
import requests
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from urbanseg.config.addresses import host, require_allowed
from urbanseg.errors import PipelineError

HEAD_BYTES = 4096


class AllowedHosts:
    """The hosts and schemes that addresses of a catalogue may have."""

    def __init__(self, title: str, url: str, hosts: Collection[str]) -> None:
        self.title = title
        self.hosts = {host(url), *hosts}
        self.schemes = ("https",) if urlsplit(url).scheme == "https" else ("https", "http")

    def require(self, href: str, who: str) -> None:
        """Raises PipelineError unless `href`, which `who` names, may be requested."""
        require_allowed(href, self.hosts, self.schemes, who)

    def redirect(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Check the target of a redirect; a response hook of requests."""
        if response.is_redirect:
            response.close()
            place = urljoin(response.url, response.headers["location"])
            self.require(place, f"a redirect of {self.title}")


class CatalogueIO(StacApiIO):
    """Requests of pystac-client, to allowed hosts alone, whatever the API's links say."""

    def __init__(self, allowed: AllowedHosts, retry: Retry) -> None:
        super().__init__(max_retries=retry)
        self.allowed = allowed
        self.session.hooks["response"].append(allowed.redirect)

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """The text at a link; refuses names of files, which pystac-client would open."""
        href = source.href if isinstance(source, pystac.Link) else str(source)
        self.allowed.require(href, f"a link of {self.allowed.title}")
        return str(super().read_text(source, *args, **kwargs))


class ImageChecks:
    """Checks the address of an image before GDAL, which follows redirects, requests it."""

    def __init__(self, allowed: AllowedHosts, timeout_s: float) -> None:
        self.allowed, self.timeout_s = allowed, timeout_s
        self.checked: set[str] = set()

    def require(self, item: pystac.Item, assets: Collection[str]) -> None:
        """Raises PipelineError unless the Item's assets lie on allowed hosts."""
        for name in assets:
            asset: pystac.Asset = item.assets[name]
            href = asset.get_absolute_href() or asset.href
            self.allowed.require(href, f"the asset {name} of the STAC Item {item.id}")

    def probe(self, href: str, signed: str) -> None:
        """Request the first bytes of an image, once, since the address may redirect or hold a VRT.

        Args:
            href: the address in the Item.
            signed: the address with the token.

        Raises:
            PipelineError: if the server redirects to a host that is not allowed, or sends a VRT.
        """
        self.allowed.require(href, f"a STAC Item of {self.allowed.title}")
        if href in self.checked:
            return
        wanted: Mapping[str, str] = {"Range": f"bytes=0-{HEAD_BYTES - 1}"}
        try:
            with requests.get(
                signed,
                headers=wanted,
                timeout=self.timeout_s,
                stream=True,
                hooks={"response": self.allowed.redirect},
            ) as response:
                head = next(response.iter_content(HEAD_BYTES), b"")
        except requests.RequestException:
            return  # GDAL requests it again, and reports the error
        if b"<vrt" in head.lower():
            raise PipelineError(
                f"{href} of {self.allowed.title} is a VRT, which names other files, and no GeoTIFF; "
                "take another collection or other assets"
            )
        if response.ok:
            self.checked.add(href)
