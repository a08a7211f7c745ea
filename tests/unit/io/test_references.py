"""A raster that names other files opens those beside it and in the inputs, and no others."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from tests.unit.io.counting import Counter, counting
from tests.unit.io.hostile import HOSTILE, PLACE, RAW, SIDE, pam, raw, source, tif, vrt, written
from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.imagery.local import raster_copy
from urbanseg.io import drivers, gdal_access, image_sheet, raster, vector_drivers

READ = """
import sys, warnings, rasterio
warnings.simplefilter("ignore")
with rasterio.open(sys.argv[1]) as file:
    for read in (lambda: file.read(out_shape=(1, 8, 8)), lambda: file.read_masks(1, out_shape=(8, 8)),
                 lambda: file.read()):
        try:
            read()
        except Exception as error:
            print(error)
"""
UNFOLLOWED = {"pam geolocation", "overview of a mask file"}
"""Not opened when the reader does not warp, or need the mask's overview."""


@pytest.fixture
def counter(tmp_path: Path):
    with counting(tmp_path) as served:
        yield served


def read_all(path: Path) -> None:
    """All that a stage may read of a raster."""
    with raster.reading(path, trusted=[]) as file:
        file.decimated(8)
        file.valid()
        file.read()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_name_on_the_network_is_refused_before_anything_is_asked(
    kind: str, tmp_path: Path, counter: Counter
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    path = HOSTILE[kind](folder, f"/vsicurl/{counter.url}/x.tif")
    with pytest.raises(PipelineError, match=r"x\.tif', which lies on a network.*put it there") as refusal:
        read_all(path)
    assert "\n" not in str(refusal.value)
    assert counter.asked() == []
    if kind not in UNFOLLOWED:  # the server counts what GDAL alone asks for
        subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, check=False)
        assert counter.asked()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_in_another_folder_is_refused_unless_it_is_trusted(kind: str, tmp_path: Path) -> None:
    folder, secret = tmp_path / "given", tif(tmp_path / "elsewhere/secret.tif", 99)
    folder.mkdir()
    path = HOSTILE[kind](folder, str(secret))
    with pytest.raises(PipelineError, match=r"secret\.tif', which lies in another folder"):
        read_all(path)
    for trusted in (secret, secret.parent, tmp_path):
        with gdal_access.opened(path, [trusted]) as dataset:
            assert dataset.shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    "name",
    [
        "/vsis3/bucket/x.tif", "/vsigs/b/x.tif", "/vsiaz/b/x.tif", "/vsizip/x.zip/x.tif",
        "/vsizip//vsicurl/http://h/x.zip/x.tif", "/vsisubfile/0_9,x.tif", "/vsimem/x.tif", "/vsistdin/",
        "/VSICURL/x",
        "http://h/x.tif", "https://h/x.tif", "s3://b/x.tif", "file:///etc/passwd", "vrt://x.tif",
        "//h/share/x.tif",
        "GTIFF_DIR:1:x.tif", "NETCDF:x.nc:v", "WMS:http://h", "&lt;VRTDataset/&gt;", "missing.tif", ".",
        "  /etc/passwd",
        "../elsewhere/secret.tif", "link.tif", "folder/../../elsewhere/secret.tif",
    ],
)  # fmt: skip
@pytest.mark.parametrize("relative", [0, 1])
@pytest.mark.parametrize("band", [source, raw])
def test_other_ways_to_name_a_file_are_refused(
    tmp_path: Path, name: str, relative: int, band: Callable
) -> None:
    folder = tmp_path / "given"
    (folder / "folder").mkdir(parents=True)
    (folder / "link.tif").symlink_to(tif(tmp_path / "elsewhere/secret.tif"))
    path = vrt(folder / "a.vrt", band(name, relative), band=RAW if band is raw else "")
    with pytest.raises(
        PipelineError, match=r"a\.vrt names .*, which .*; a file may name only files in its own"
    ):
        read_all(path)


@pytest.mark.parametrize(
    "name",
    [
        "x.tif<!-- -->",
        "<!-- -->x.tif",
        "x.tif<![CDATA[]]>",
        "x.tif<relativeToVRT>1</relativeToVRT>",
        "x.tif<?a?>",
    ],
)
def test_a_name_that_parsers_may_read_differently_is_refused(tmp_path: Path, name: str) -> None:
    tif(tmp_path / "x.tif")
    with pytest.raises(PipelineError, match="is mixed with other XML"):
        read_all(vrt(tmp_path / "a.vrt", source(name, 1)))


def band(inside: str) -> str:
    return f"<VRTDataset><VRTRasterBand>{inside}</VRTRasterBand></VRTDataset>"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><VRTDataset/>', "has a document type"),
        ("<VRTDataset><a></VRTDataset>", "is not valid XML"),
        ("<VRTDataset/><VRTDataset/>", "is not valid XML"),
        (band("<PixelFunctionLanguage>Python</PixelFunctionLanguage>"), "code of a pixel function"),
        (band("<PixelFunctionCode>x</PixelFunctionCode>"), "code of a pixel function"),
        (band('<OpenOptions><OOI key="ROOT_PATH">/</OOI></OpenOptions>'), "'root_path', which is"),
        (band('<Argument name="gain_dataset_filename_1">/etc/passwd</Argument>'), "/etc/.*, which"),
        (band("<RPCTransformer><DEMPath>/etc/passwd</DEMPath></RPCTransformer>"), "/etc/.*, which"),
        (band('<Metadata domain="new_vrt_sources"><MDI key="a">b</MDI></Metadata>'), "is a domain"),
    ],
)  # fmt: skip
def test_other_contents_of_a_vrt_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence):
        read_all(written(tmp_path / "a.vrt", text))


@pytest.mark.skipif(not Path("/etc/passwd").exists(), reason="no system file to name")
def test_a_raw_band_does_not_read_a_system_file(tmp_path: Path) -> None:
    path = vrt(tmp_path / "a.vrt", raw("/etc/passwd"), band=RAW)
    with pytest.raises(PipelineError, match="'/etc/passwd', which lies in another folder"):
        read_all(path)
    plain = "import rasterio, sys; print(rasterio.open(sys.argv[1]).read(1)[0, :4].tobytes())"
    found = subprocess.run(
        [sys.executable, "-c", plain, path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "root" in found.stdout


def test_mosaics_nested_masks_and_overviews_beside_a_file_are_read(tmp_path: Path) -> None:
    tif(tmp_path / "tiles/a.tif", 5)
    vrt(tmp_path / "inner.vrt", source("tiles/a.tif", 1))
    vrt(tmp_path / "outer.vrt", source("inner.vrt", 1))
    path = tif(tmp_path / "b.tif", 6)
    tif(tmp_path / "b.tif.ovr", 6)
    tif(tmp_path / "b.tif.msk", 255)
    with raster.reading(tmp_path / "outer.vrt") as file:
        assert (file.read() == 5).all()
    with raster.reading(path) as file:
        assert (file.read() == 6).all()
    vrt(tmp_path / "raw.vrt", raw("tiles/a.tif", 1), band=RAW)
    with raster.reading(tmp_path / "raw.vrt") as file:
        assert file.read().shape == (1, SIDE, SIDE)


def test_links_as_dvc_makes_them_are_read(tmp_path: Path) -> None:
    tif(tmp_path / "cache/aa/1", 5)
    (tmp_path / "cache/bb").mkdir()
    (tmp_path / "cache/bb/2").write_text("<PAMDataset/>")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.tif").symlink_to(tmp_path / "cache/aa/1")
    (tmp_path / "data/a.tif.aux.xml").symlink_to(tmp_path / "cache/bb/2")
    with raster.reading(tmp_path / "data/a.tif") as file:
        assert len(file.dataset.files) == 2
        assert (file.read() == 5).all()


def test_a_source_may_be_named_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tif(Path("data/a.tif"), 5)
    with raster.reading(vrt(Path("data/a.vrt"), source("data/a.tif"))) as file:
        assert (file.read() == 5).all()


def test_a_mask_and_a_grid_are_checked_as_a_scene_is(tmp_path: Path) -> None:
    good, out = tif(tmp_path / "scene.tif"), tmp_path / "out"
    bad = vrt(tmp_path / "bad/a.vrt", source(str(tif(tmp_path / "inputs/x.tif"))))
    common = {"provider": "local", "path": good, "bands": {"red": 1}}
    for changes in ({"path": bad}, {"mask": {"path": bad, "kind": "valid"}}, {"like": bad}):
        params = LocalScene.model_validate(common | changes)
        with pytest.raises(PipelineError, match=r"a\.vrt names .*lies in another folder"):
            raster_copy.copy(params, out / "scene.tif", out / "scl.tif")
        assert not list(out.glob("*"))
        raster_copy.copy(params, out / "scene.tif", out / "scl.tif", [tmp_path / "inputs"])
        (out / "scene.tif").unlink()


def test_a_picture_of_a_data_set_is_checked(tmp_path: Path) -> None:
    path = vrt(tmp_path / "set/a.vrt", source(str(tif(tmp_path / "x.tif"))))
    with pytest.raises(PipelineError, match="lies in another folder"), image_sheet.opened(path):
        pass
    with image_sheet.opened(path, [tmp_path / "x.tif"]) as picture:
        assert (picture.read() == 7).all()


def test_a_file_that_only_gdal_knows_to_belong_to_a_raster_is_refused_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    shape = {"count": 1, "height": SIDE, "width": SIDE, "dtype": "uint8"}
    with rasterio.open(
        folder / "long_name.img", "w", driver="HFA", USE_SPILL="YES", **shape, **PLACE
    ) as file:
        file.write(np.full((1, SIDE, SIDE), 7, np.uint8))
    with raster.reading(folder / "long_name.img") as image:
        assert (image.read() == 7).all()
    (tmp_path / "e").mkdir()
    (folder / "long_name.ige").rename(tmp_path / "e/name.ige")
    content = (folder / "long_name.img").read_bytes()
    (folder / "long_name.img").write_bytes(content.replace(b"long_name.ige", b"../e/name.ige"))
    with pytest.raises(PipelineError, match=r"makes GDAL open .*name\.ige, which lies in another folder"):
        read_all(folder / "long_name.img")
    with raster.reading(folder / "long_name.img", trusted=[tmp_path / "e"]) as image:
        assert (image.read() == 7).all()


@pytest.mark.parametrize("kind", ["pam", "vrt", "tag"])
def test_a_crs_elsewhere_is_not_looked_up(kind: str, tmp_path: Path, counter: Counter) -> None:
    for place in (f"{counter.url}/srs", str(tif(tmp_path / "e/x.tif"))):
        path = pam(tmp_path / "a.tif", "GEOLOCATION", SRS=place)
        if kind == "vrt":
            domain = f'<Metadata domain="GEOLOCATION"><MDI key="SRS">{place}</MDI></Metadata>'
            path = vrt(tmp_path / "a.vrt", domain)
        if kind == "tag":
            path = tif(tmp_path / "b.tif")
            with rasterio.open(path, "r+") as file:
                file.update_tags(ns="GEOLOCATION", SRS=place)
        with pytest.raises(PipelineError, match="is the place of a CRS instead of the CRS"):
            read_all(path)
    assert counter.asked() == []
    with raster.reading(pam(tmp_path / "c.tif", "GEOLOCATION", SRS="EPSG:4326")) as file:
        assert (file.read() == 7).all()


def test_gdal_has_no_driver_but_the_listed_ones() -> None:
    with rasterio.Env() as env:
        found = set(env.drivers())
    assert found <= {*drivers.SINGLE_FILE, *vector_drivers.VECTOR, *vector_drivers.WRITING, "VRT"}
    assert found >= {*drivers.SINGLE_FILE, "VRT", "MEM"}


@pytest.mark.parametrize("text", ["<GDAL_WMS><Service/></GDAL_WMS>", "STACTA", "<MRF_META></MRF_META>"])
def test_a_format_that_names_addresses_is_no_raster(tmp_path: Path, text: str) -> None:
    with pytest.raises(PipelineError, match="is not a raster that GDAL can open"):
        read_all(written(tmp_path / "a.xml", text))
    written(tmp_path / "b.xml", text)
    with pytest.raises(PipelineError, match="is not a raster that GDAL can open"):
        read_all(vrt(tmp_path / "a.vrt", source("b.xml", 1)))
