"""Sentinel-2 L2A by the Catalog and Process APIs of Sentinel Hub, or of the Copernicus Data Space.

The sentinelhub package implements the protocols and repeats failed requests (429, 5xx,
time-outs, cut connections); this module makes the requests and checks the responses.
Sentinel Hub's documentation: https://docs.sentinel-hub.com/api/latest/api/process
"""

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import requests
import shapely
from numpy.typing import NDArray
from oauthlib.oauth2 import OAuth2Error
from sentinelhub import (
    CRS,
    BBox,
    DataCollection,
    Geometry,
    MimeType,
    ResamplingType,
    SentinelHubCatalog,
    SentinelHubDownloadClient,
    SentinelHubRequest,
    SHConfig,
)
from sentinelhub.download.models import DownloadRequest, DownloadResponse
from sentinelhub.exceptions import (
    BaseSentinelHubException,
    DownloadFailedException,
    OutOfRequestsException,
)

from urbanseg.config.scene import SentinelHubScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.imagery.sentinel2 import process_api
from urbanseg.imagery.sentinel2.acquisitions import Acquisition, Product
from urbanseg.imagery.sentinel2.area import Area
from urbanseg.imagery.sentinel2.retry import MALFORMED, ResponseError
from urbanseg.redact import excerpt, redact

PROFILES = {
    "sentinelhub": (
        "https://services.sentinel-hub.com",
        "https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token",
    ),
    "cdse": (
        "https://sh.dataspace.copernicus.eu",
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
    ),
}
"""Base and token address of each service."""

RATE_LIMITED = 4
"""Factor on the attempts after 429 (too many requests), which say how long to wait before the next."""

REFUSALS = ("invalid_client", "unauthorized_client", "invalid_grant", "access_denied", "insecure_transport")
"""OAuth errors that are final (RFC 6749, section 5.2)."""

T = TypeVar("T")


class SentinelHub:
    """Sentinel Hub or the Copernicus Data Space, as an `Archive`."""

    def __init__(self, params: SentinelHubScene) -> None:
        base, token = PROFILES[params.profile]
        self.params = params
        self.lock = threading.Lock()
        self.base_url, self.token_url = params.base_url or base, params.token_url or token
        self.name = {"sentinelhub": "Sentinel Hub", "cdse": "Copernicus Data Space"}[params.profile]
        self.config = _configure(params, self.base_url, self.token_url)
        self.collection = DataCollection.SENTINEL2_L2A.define_from(
            f"URBANSEG_{self.base_url}", service_url=self.base_url
        )
        self.identity: Mapping[str, Any] = {
            "provider": "sentinelhub",
            "url": self.base_url,
            "collection": "sentinel-2-l2a",
        }

    def search(self, area: Area) -> list[Product]:
        """Products of the dates that touch the area, by the Catalog API."""
        first, last = self.params.interval
        fields = {"include": ["id", "geometry", "properties.datetime"], "exclude": ["assets", "links"]}

        def request() -> list[dict[str, Any]]:
            catalog = SentinelHubCatalog(config=self.config)
            catalog.client.default_retry_time = 1000 * self.params.patience.wait_s
            found = catalog.search(
                self.collection,
                geometry=Geometry(shapely.geometry.mapping(area.shape.convex_hull), CRS.WGS84),
                time=(first.isoformat(), last.isoformat()),
                fields=fields,
            )
            return list(found)

        return [_product(feature) for feature in self._call(request)]

    def read(self, acquisition: Acquisition, grid: Grid, bands: Sequence[str]) -> NDArray[np.uint16]:
        """Bands and SCL of an acquisition, by one request to the Process API; see `Archive.read`."""
        request = self._request(acquisition, grid, bands)
        response: DownloadResponse = self._call(lambda: self._process(request))
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind.startswith("text/") or kind == "application/json":
            raise ResponseError(f"it sent {kind} where an image was asked for")
        if not bands:
            return process_api.decode(response.content, 1, grid)
        files = process_api.unpack(response.content)
        return np.concatenate(
            [
                process_api.decode(files["bands.tif"], len(bands), grid),
                process_api.decode(files["scl.tif"], 1, grid),
            ]
        )

    def _request(self, acquisition: Acquisition, grid: Grid, bands: Sequence[str]) -> DownloadRequest:
        second = timedelta(seconds=1)
        outputs = ["bands", "scl"] if bands else ["scl"]
        request = SentinelHubRequest(
            evalscript=process_api.evalscript(bands),
            input_data=[
                SentinelHubRequest.input_data(
                    self.collection,
                    time_interval=(acquisition.start - second, acquisition.end + second),
                    upsampling=ResamplingType.NEAREST,
                    downsampling=ResamplingType.NEAREST,
                    other_args={"processing": {"harmonizeValues": True}},
                )
            ],
            responses=[SentinelHubRequest.output_response(output, MimeType.TIFF) for output in outputs],
            bbox=BBox(grid.bounds, crs=CRS(grid.crs.to_epsg())),
            size=(grid.width, grid.height),
            config=self.config,
        )
        return request.download_list[0]

    def _process(self, request: DownloadRequest) -> DownloadResponse:
        client = SentinelHubDownloadClient(config=self.config, default_retry_time=self.params.patience.wait_s)
        responses: list[DownloadResponse] = client.download([request], max_threads=1, decode_data=False)
        return responses[0]

    def _call(self, request: Callable[[], T]) -> T:
        """The response to a request; errors of the package become `ResponseError` or PipelineError."""
        try:
            self._authorise()
            return request()
        except OAuth2Error as error:
            if error.error in REFUSALS:
                raise PipelineError(self._refused(str(error.error))) from None
            raise ResponseError(f"{self.token_url} gives no token") from None
        except OutOfRequestsException:
            raise PipelineError(
                f"{self.name} still answers 429 (too many requests) after {self.config.max_retries} times; "
                "wait, or check the quota of the account; what was fetched is kept"
            ) from None
        except DownloadFailedException as error:
            raise self._failed(error) from None
        except (BaseSentinelHubException, requests.RequestException, *MALFORMED) as error:
            raise ResponseError(f"its answer cannot be read ({type(error).__name__})") from None

    def _authorise(self) -> None:
        """Have the package fetch or renew its token, within the time-out of a request.

        It sets no time-out there, so a server that does not respond would block it forever.
        """

        def request() -> None:
            try:
                outcome.append(SentinelHubDownloadClient(config=self.config).get_session().token)
            except Exception as error:  # noqa: BLE001, it is raised where it is waited for
                outcome.append(error)

        with self.lock:
            outcome: list[Any] = []
            thread = threading.Thread(target=request, daemon=True)
            thread.start()
            thread.join(self.params.patience.timeout_s)
            if not outcome:
                raise ResponseError(f"{self.token_url} gives no token in time")
            if isinstance(outcome[0], Exception):
                raise outcome[0]

    def _failed(self, error: DownloadFailedException) -> Exception:
        cause = error.request_exception
        response = None if cause is None else cause.response
        if response is None:
            where = (
                str(cause.request.url) if cause is not None and cause.request is not None else self.base_url
            )
            return PipelineError(
                f"{self.name} cannot be reached at {redact(where)} ({type(cause).__name__}, "
                f"{self.config.max_download_attempts} times); check the connection; what was fetched is kept"
            )
        if response.status_code == requests.codes.unauthorized:
            at_token = str(response.url).startswith(self.token_url)
            if at_token:
                return PipelineError(self._refused("401"))
            # The token expired earlier than announced: clear it, and the next attempt fetches a new one.
            SentinelHubDownloadClient.clear_cache()
            return ResponseError("it no longer accepts the token")
        said = excerpt(str(error).partition("Server response:")[2], self._secrets())
        return PipelineError(f"{self.name} answered {response.status_code}: {said or 'nothing more'}")

    def _refused(self, why: str) -> str:
        return (
            f"{self.token_url} refuses the credentials ({excerpt(why, self._secrets())}); check SH_CLIENT_ID "
            "and SH_CLIENT_SECRET, or the profile of the sentinelhub package"
        )

    def _secrets(self) -> list[str]:
        return [self.config.sh_client_id, self.config.sh_client_secret]


def _configure(params: SentinelHubScene, base_url: str, token_url: str) -> SHConfig:
    """The package's configuration; credentials from the environment, or else from its profile file."""
    profile_file = Path(SHConfig.get_config_location())
    try:
        # Reading the configuration would create the file in the user's home; so only where there is one.
        config = SHConfig(use_defaults=not profile_file.exists())
        for text in (config.sh_client_id, config.sh_client_secret):
            text.encode()  # the package doesn't check that its file holds text
    except KeyError as error:
        raise PipelineError(f"{profile_file}: {error.args[0]}; correct SH_PROFILE") from error
    except (OSError, TypeError, ValueError, AttributeError, RecursionError) as error:  # or TOMLDecodeError
        raise PipelineError(
            f"{profile_file}, the profile file of the sentinelhub package, cannot be read "
            f"({type(error).__name__}); correct or remove it, and set SH_CLIENT_ID and SH_CLIENT_SECRET"
        ) from None
    config.sh_client_id = os.environ.get("SH_CLIENT_ID", config.sh_client_id)
    config.sh_client_secret = os.environ.get("SH_CLIENT_SECRET", config.sh_client_secret)
    if not (config.sh_client_id and config.sh_client_secret):
        raise PipelineError(
            "there are no credentials for the provider sentinelhub; set SH_CLIENT_ID and SH_CLIENT_SECRET in "
            "the environment (an OAuth client of your account), or configure the sentinelhub package"
        )
    config.sh_base_url, config.sh_token_url = base_url, token_url
    config.max_download_attempts = params.patience.attempts
    config.max_retries = RATE_LIMITED * params.patience.attempts
    config.download_sleep_time = params.patience.wait_s
    config.download_timeout_seconds = params.patience.timeout_s
    return config


def _product(feature: Mapping[str, Any]) -> Product:
    name = str(feature["id"])
    granule = re.search(r"_T(\d{2}[A-Z]{3})_", name)
    baseline = re.search(r"_N(\d{2})(\d{2})_", name)
    return Product(
        id=name,
        granule=granule[1] if granule else name,
        moment=datetime.fromisoformat(feature["properties"]["datetime"]),
        baseline=".".join(baseline.groups()) if baseline else "",
        shape=shapely.geometry.shape(feature["geometry"]),
    )
