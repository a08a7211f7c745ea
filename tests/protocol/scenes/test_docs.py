"""Every worked example of docs/scenes.md is a valid part of params.yaml and delivers its scene."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

import stages.scene
from tests.conftest import ROOT, whole_params
from tests.protocol.scenes.conftest import PRODUCTS, Town
from tests.protocol.scenes.world import LEFT, TOP
from urbanseg.config import params

WORKED = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/scenes.md").read_text(), re.DOTALL)
SNIPPETS = [text for text in WORKED if "provider: simulated" not in text]


def redirected(scene: dict[str, Any], url: str) -> dict[str, Any]:
    """The same scene from loopback: only addresses differ."""
    own = {
        "earth_search": {"url": f"{url}/stac/earth_search"},
        "planetary_computer": {"url": f"{url}/stac/planetary_computer", "sas_url": f"{url}/sas"},
        "cdse": {"base_url": url, "token_url": f"{url}/oauth/token"},
    }.get(scene.get("profile"), {"url": f"{url}/stac/collection_1"})
    if "place" in scene["area"]:
        scene["area"]["geocoder"] = f"{url}/geocoder"
    return scene | own


def make_local_files() -> None:
    folder = Path("data/freiburg")
    folder.mkdir(parents=True)
    place = {
        "crs": "EPSG:32632",
        "transform": Affine(0.5, 0, LEFT, 0, -0.5, TOP),
        "height": 400,
        "width": 400,
    }
    pixels = np.random.default_rng(0).random((4, 400, 400), np.float32)
    with rasterio.open(
        folder / "orthophoto.tif", "w", driver="GTiff", count=4, dtype="float32", **place
    ) as file:
        file.write(pixels)
        file.set_band_description(4, "NIR")
    mask = np.zeros((1, 400, 400), np.uint8)
    mask[:, :100] = 2
    with rasterio.open(folder / "udm.tif", "w", driver="GTiff", count=1, dtype="uint8", **place) as file:
        file.write(mask)


def test_there_is_one_for_each_provider() -> None:
    scenes = [next(iter(yaml.safe_load(text).values()))["scene"] for text in SNIPPETS]
    kinds = {(scene["provider"], scene.get("profile")) for scene in scenes}
    assert kinds >= {
        ("stac", "earth_search"),
        ("stac", "planetary_computer"),
        ("stac", None),
        ("sentinelhub", "cdse"),
        ("local", None),
    }


def test_the_example_of_a_world_is_valid() -> None:
    (text,) = set(WORKED) - set(SNIPPETS)
    everything = whole_params() | {"cities": yaml.safe_load(text)}
    assert (
        params.parse(yaml.safe_dump(everything, sort_keys=False), "docs/scenes.md")
        .cities["porto_1"]
        .scene.world.seed
        == 101
    )


@pytest.mark.parametrize("text", SNIPPETS, ids=lambda text: re.sub(r"\W+", "_", text[80:160]))
def test_an_example_is_valid_and_delivers_its_scene(
    town: Town, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((name, city),) = yaml.safe_load(text).items()
    everything = whole_params() | {"cities": {name: city}}
    Path("params.yaml").write_text(yaml.safe_dump(everything, sort_keys=False))
    params.load(Path("params.yaml"))
    if city["scene"]["provider"] == "local":
        make_local_files()
    else:
        Path("data").mkdir()
        Path(town.outline()).rename("data/freiburg.geojson")
        city["scene"] = redirected(city["scene"], town.url)
    Path("params.yaml").write_text(yaml.safe_dump(everything, sort_keys=False))
    monkeypatch.setattr("sys.argv", ["scene", name])
    stages.scene.main()

    Path("data/scene/town").symlink_to(Path(f"data/scene/{name}").absolute())
    scene, scl = town.delivered()
    if city["scene"]["provider"] == "local":
        assert scene.shape == (4, 100, 100)
        assert (scl[:25] == 9).all()
        assert (scl[25:] == 7).all()
    elif "choose" not in city["scene"]:
        assert (scene == town.expected(PRODUCTS[1])).all()
    else:
        assert (scene == town.expected(PRODUCTS[1], tuple(city["scene"]["bands"]))).mean() > 0.9
