"""Sentinel-2 L2A from any STAC API with cloud-optimised GeoTIFFs.

pystac-client finds the products and odc-stac reads them over HTTP range requests; GDAL
and urllib3 repeat failed requests. Profiles hold what differs between Earth Search and the
Planetary Computer: names of assets, signed addresses, and the offset of digital
numbers since processing baseline 04.00.
"""

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import odc.stac
import pystac
import rasterio
import requests
import shapely
import urllib3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pystac_client import Client
from pystac_client.exceptions import APIError
from rasterio.errors import RasterioError

from urbanseg.config.scene import SENTINEL2_BANDS, Retry, StacScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.imagery.sentinel2.acquisitions import Acquisition, Product
from urbanseg.imagery.sentinel2.area import Area
from urbanseg.imagery.sentinel2.hrefs import AllowedHosts, CatalogueIO, ImageChecks
from urbanseg.imagery.sentinel2.retry import MALFORMED, ResponseError
from urbanseg.imagery.sentinel2.scaling import SCALINGS, baseline, harmonise
from urbanseg.redact import excerpt

READERS = 4
"""Bands of a chunk that are read at a time."""


@dataclass(frozen=True)
class Profile:
    """The particulars of a STAC API; `assets` gives the asset of each band and of SCL."""

    title: str
    url: str
    collection: str
    assets: Mapping[str, str]
    scaling: str
    sas_url: str | None = None
    hosts: tuple[str, ...] = ()
    """Hosts of its images."""


PROFILES = {
    "earth_search": Profile(
        "Earth Search",
        "https://earth-search.aws.element84.com/v1",
        "sentinel-2-l2a",
        {
            "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red",
            "B05": "rededge1", "B06": "rededge2", "B07": "rededge3", "B08": "nir", "B8A": "nir08",
            "B09": "nir09", "B11": "swir16", "B12": "swir22", "SCL": "scl",
        },
        "earth_search",
        hosts=(
            "sentinel-cogs.s3.us-west-2.amazonaws.com",
            "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",  # of collection 1
        ),
    ),
    "planetary_computer": Profile(
        "Planetary Computer",
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        "sentinel-2-l2a",
        {band: band for band in (*SENTINEL2_BANDS, "SCL")},
        "baseline",
        "https://planetarycomputer.microsoft.com/api/sas/v1/token",
        hosts=("sentinel2l2a01.blob.core.windows.net",),
    ),
}  # fmt: skip


class Stac:
    """A STAC API, as an `Archive`."""

    def __init__(self, params: StacScene) -> None:
        self.params = params
        self.profile = _profile(params)
        self.name = self.profile.title
        self.allowed = AllowedHosts(self.name, self.profile.url, self.profile.hosts)
        self.images = ImageChecks(self.allowed, params.patience.timeout_s)
        self.signer = _Signer(self.profile, params.patience) if self.profile.sas_url else None
        self.identity: Mapping[str, Any] = {
            "provider": "stac",
            "url": self.profile.url,
            "collection": self.profile.collection,
            "scaling": self.profile.scaling,
        }

    def search(self, area: Area) -> list[Product]:
        """Products of the dates that touch the area."""
        first, last = self.params.interval
        retry = self.params.patience
        repeats = urllib3.Retry(
            total=retry.attempts - 1,
            backoff_factor=retry.wait_s,
            status_forcelist=[429, 500, 502, 503, 504],
            allowed_methods=None,
        )
        try:
            client = Client.open(
                self.profile.url, stac_io=CatalogueIO(self.allowed, repeats), timeout=retry.timeout_s
            )
            found = client.search(
                collections=[self.profile.collection],
                intersects=shapely.geometry.mapping(area.shape.convex_hull),
                datetime=f"{first}T00:00:00Z/{last}T23:59:59Z",
                limit=100,
            )
            return [self._product(item) for item in found.items()]
        except (APIError, pystac.STACError, requests.RequestException, *MALFORMED) as error:
            raise ResponseError(f"its catalogue does not answer properly ({excerpt(str(error))})") from None

    def read(self, acquisition: Acquisition, grid: Grid, bands: Sequence[str]) -> NDArray[np.uint16]:
        """Bands and SCL of an acquisition, from its COGs; see `Archive.read`."""
        assets = [self.profile.assets[band] for band in bands]
        codes = self._load([p.source for p in acquisition.products], [self.profile.assets["SCL"]], grid)
        merged = np.zeros((len(bands), *grid.shape), np.uint16)
        for items, factors in self._by_scaling(acquisition, assets):
            if not assets:
                break
            numbers = self._load(items, assets, grid)
            np.copyto(merged, harmonise(numbers, factors), where=merged == 0)
        return np.concatenate([merged, codes])

    def _by_scaling(
        self, acquisition: Acquisition, assets: Sequence[str]
    ) -> list[tuple[list[pystac.Item], tuple[tuple[float, float], ...]]]:
        """Items of an acquisition grouped by their scaling, because odc-stac fuses them when it reads."""
        rule = SCALINGS[self.profile.scaling]
        groups: dict[tuple[tuple[float, float], ...], list[pystac.Item]] = {}
        for product in acquisition.products:
            factors = tuple(rule(product.source, asset) for asset in assets)
            groups.setdefault(factors, []).append(product.source)
        return [(items, factors) for factors, items in groups.items()]

    def _load(self, items: Sequence[pystac.Item], assets: Sequence[str], grid: Grid) -> NDArray[np.uint16]:
        """Digital numbers, ``(assets, height, width)`` uint16; the first product with data wins."""
        box = GeoBox(grid.shape, grid.transform, grid.crs.to_wkt())
        secrets = self.signer.secrets if self.signer else []
        with rasterio.Env(**_gdal(self.params.patience)):
            try:
                loaded = odc.stac.load(
                    items,
                    bands=list(assets),
                    geobox=box,
                    groupby=_one_group,
                    pool=READERS,
                    resampling="nearest",
                    dtype="uint16",
                    nodata=0,
                    patch_url=self._checked_address,
                    fail_on_error=True,
                )
            except (RasterioError, OSError) as error:
                if self.signer:
                    self.signer.expire()
                raise ResponseError(f"its images cannot be read ({excerpt(str(error), secrets)})") from None
        return np.stack([loaded[asset].to_numpy()[0] for asset in assets])

    def _checked_address(self, href: str) -> str:
        """The address that GDAL requests, with the token where there is one."""
        self.allowed.require(href, f"a STAC Item of {self.name}")  # before the token is added
        signed = self.signer.sign(href) if self.signer else href
        self.images.probe(href, signed)
        return signed

    def _product(self, item: pystac.Item) -> Product:
        wanted = [self.profile.assets[band] for band in (*self.params.bands, "SCL")]
        if lacking := [asset for asset in wanted if asset not in item.assets]:
            raise PipelineError(
                f"the STAC Item {item.id} of {self.name} has no asset {', '.join(lacking)}; it has "
                f"{', '.join(sorted(item.assets))}; correct assets or bands"
            )
        self.images.require(item, wanted)
        properties = item.properties
        code = properties.get("grid:code") or properties.get("s2:mgrs_tile")
        named = re.search(r"_T?(\d{2}[A-Z]{3})_", item.id)
        granule = str(code).removeprefix("MGRS-") if code else named[1] if named else item.id
        moment = item.datetime or datetime.fromisoformat(properties["start_datetime"])
        shape = shapely.geometry.shape(item.geometry or {})
        return Product(item.id, granule, moment, baseline(item), shape, item)


class _Signer:
    """Adds the collection's SAS token to addresses; requests a new one before it expires.

    https://planetarycomputer.microsoft.com/docs/concepts/sas
    """

    def __init__(self, profile: Profile, retry: Retry) -> None:
        self.address = f"{profile.sas_url}/{profile.collection}"
        self.retry = retry
        self.lock = threading.Lock()
        self.token = ""
        self.expiry = datetime.min.replace(tzinfo=UTC)

    @property
    def secrets(self) -> list[str]:
        """Secrets to redact."""
        return [self.token]

    def sign(self, href: str) -> str:
        """The address with the token; raises `ResponseError` if the server gives none."""
        with self.lock:
            if datetime.now(UTC) + timedelta(minutes=1) > self.expiry:
                self._renew()
            return f"{href}{'&' if '?' in href else '?'}{self.token}"

    def expire(self) -> None:
        """Request another token next time, since a request with this one failed."""
        with self.lock:
            self.expiry = datetime.min.replace(tzinfo=UTC)

    def _renew(self) -> None:
        try:
            response = requests.get(self.address, timeout=self.retry.timeout_s, allow_redirects=False)
            response.raise_for_status()
            content = response.json()
            self.token, self.expiry = content["token"], datetime.fromisoformat(content["msft:expiry"])
        except (requests.RequestException, *MALFORMED) as error:
            raise ResponseError(f"{self.address} gives no token ({type(error).__name__})") from None


def _profile(params: StacScene) -> Profile:
    """The profile, with the parameters that override it."""
    base = PROFILES.get(params.profile or "")
    url = params.url or (base.url if base else "")
    return Profile(
        title=base.title if base else url,
        url=url,
        collection=params.collection or (base.collection if base else ""),
        assets=params.assets or (base.assets if base else {}),
        scaling=params.scaling or (base.scaling if base else ""),
        sas_url=params.sas_url or (base.sas_url if base else None),
        hosts=(*(base.hosts if base else ()), *params.hosts),
    )


def _one_group(*_: object) -> int:
    """One group for all products: odc-stac fuses them, and the first one with data wins."""
    return 0


def _gdal(retry: Retry) -> dict[str, Any]:
    """Options of GDAL for HTTP: it repeats failed requests, and does not cache files that failed."""
    return {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MAX_RETRY": retry.attempts - 1,
        "GDAL_HTTP_RETRY_DELAY": retry.wait_s,
        "GDAL_HTTP_TIMEOUT": retry.timeout_s,
        "GDAL_HTTP_LOW_SPEED_TIME": math.ceil(retry.timeout_s),
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
    }
