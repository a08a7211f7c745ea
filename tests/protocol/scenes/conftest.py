"""A town, an archive with products of it on loopback, and the scene stage run as a user would."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import yaml
from sentinelhub import SentinelHubDownloadClient

import stages.scene
from tests.conftest import whole_params
from tests.protocol.scenes import world
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.server import CLIENT_ID, CLIENT_SECRET
from tests.protocol.scenes.world import LEFT, TOP, Product, day

SIDE = 320
"""Pixels of the town's side."""

PRODUCTS = [
    Product(day(5, 3), 0.5),
    Product(day(6, 14), 0.05),
    Product(day(6, 19), 0.3),
    Product(day(7, 4), 0.9),
    Product(day(7, 9), 0.2, bounds=(LEFT + 10_000, TOP - 2000, LEFT + 12_000, TOP)),
]
"""Five dates; the last does not touch the town. 14 June is the clearest."""


class Town:
    """A city of params.yaml whose scene is fetched from the archive."""

    def __init__(self, folder: Path, archive: Any, url: str) -> None:
        self.folder, self.archive, self.url = folder, archive, url
        self.dates = "2023-05-01/2023-07-31"
        self.side = SIDE

    def outline(self) -> str:
        """A file with the town's square, a little inside its outermost pixels."""
        inset, span = 3, 10 * self.side
        square = (LEFT + inset, TOP - span + inset, LEFT + span - inset, TOP - inset)
        shape = Product(day(1, 1), 0, bounds=square).footprint
        (self.folder / "town.geojson").write_text(shapely.to_geojson(shape))
        return "town.geojson"

    def scene(self, provider: str, **changes: Any) -> dict[str, Any]:
        """The scene section: `provider` is cdse, earth_search or planetary_computer."""
        common: dict[str, Any] = {
            "area": {"file": self.outline()},
            "dates": self.dates,
            "crs": f"EPSG:{world.EPSG}",
            "request_px": 256,
            "patience": {"attempts": 4, "wait_s": 0.02, "timeout_s": 2},
            "min_clear": 0.5,
        }
        url = self.url
        own = {
            "cdse": {
                "provider": "sentinelhub",
                "profile": "cdse",
                "base_url": url,
                "token_url": f"{url}/oauth/token",
            },
            "earth_search": {
                "provider": "stac",
                "profile": "earth_search",
                "url": f"{url}/stac/earth_search",
            },
            "planetary_computer": {
                "provider": "stac",
                "profile": "planetary_computer",
                "url": f"{url}/stac/planetary_computer",
                "sas_url": f"{url}/sas",
            },
        }[provider]
        return own | common | changes

    def write(self, scene: dict[str, Any]) -> None:
        """params.yaml with this scene."""
        params = whole_params()
        town = {"title": "Town", "role": "train", "inputs": ".", "scene": scene}
        town |= {
            "osm": {"provider": "none"},
            "labels": {"source": "raster", "path": "x.tif", "remap": {1: "road"}},
        }
        text = yaml.safe_dump(params | {"cities": {"town": town}}, sort_keys=False)
        (self.folder / "params.yaml").write_text(text)

    def run(self, provider: str, **changes: Any) -> None:
        """The scene stage; raises SystemExit with its sentence."""
        self.write(self.scene(provider, **changes))
        stages.scene.main()

    def refusal(self, provider: str, **changes: Any) -> str:
        """The sentence the stage ends with; nothing may be half-written."""
        with pytest.raises(SystemExit) as stop:
            self.run(provider, **changes)
        assert not (self.folder / "data/scene/town").exists()
        assert not list((self.folder / "data/scene").glob("*part*"))
        sentence = str(stop.value)
        assert sentence.startswith("error: ")
        assert "\n" not in sentence
        return sentence

    def delivered(self) -> tuple[np.ndarray, np.ndarray]:
        """Bands and SCL."""
        folder = self.folder / "data/scene/town"
        with rasterio.open(folder / "scene.tif") as scene, rasterio.open(folder / "scl.tif") as scl:
            assert scene.bounds == scl.bounds
            assert scene.crs.to_epsg() == scl.crs.to_epsg() == world.EPSG
            return scene.read(), scl.read(1)

    def window(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixel centres of the delivered scene."""
        with rasterio.open(self.folder / "data/scene/town/scene.tif") as scene:
            return world.centres(tuple(scene.bounds), scene.width, scene.height)

    def expected(self, product: Product, bands: tuple[str, ...] = ("B02", "B03", "B04", "B08")) -> np.ndarray:
        """Harmonised reflectance × 10000 of a product, at least 1 where there is data."""
        x, y = self.window()
        pixels = np.stack([np.maximum(1, product.reflectance(band, x, y)) for band in bands])
        return (pixels * (product.codes(x, y) > 0)).astype(np.uint16)


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    """The archive, and its address; its COGs are made once for all tests."""
    with running(tmp_path_factory.mktemp("cogs")) as served:
        yield served


@pytest.fixture
def town(tmp_path: Path, loopback: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> Town:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["scene", "town"])
    monkeypatch.setenv("SH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SH_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SH_PROFILE", raising=False)
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # loopback has no certificate
    SentinelHubDownloadClient.clear_cache()
    archive, url = loopback
    archive.reset(PRODUCTS)
    return Town(folder, archive, url)
