"""Rasters that name another file, in every way that GDAL knows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

SIDE = 64
PLACE = {"crs": "EPSG:32640", "transform": Affine(2, 0, 330_000, 0, -2, 2_790_000)}


def tif(path: Path, value: int = 7, **profile: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"count": 1, "height": SIDE, "width": SIDE, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **PLACE, **profile) as file:
        file.write(np.full((1, SIDE, SIDE), value, np.uint8))
    return path


def vrt(path: Path, inside: str, *, root: str = "", band: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}" {root}><SRS>EPSG:32640</SRS>'
        "<GeoTransform>330000, 2, 0, 2790000, 0, -2</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1" {band}>{inside}</VRTRasterBand></VRTDataset>'
    )
    return path


def source(name: str, relative: int = 0) -> str:
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource>"
    )


def raw(name: str, relative: int = 0) -> str:
    return (
        f'<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><ImageOffset>0</ImageOffset>'
        f"<PixelOffset>1</PixelOffset><LineOffset>{SIDE}</LineOffset>"
    )


RAW = 'subClass="VRTRawRasterBand"'
WARPED = (
    '<VRTDataset rasterXSize="{side}" rasterYSize="{side}" subClass="VRTWarpedDataset"><SRS>EPSG:32640</SRS>'
    '<VRTRasterBand dataType="Byte" band="1" subClass="VRTWarpedRasterBand"/><GDALWarpOptions>'
    '<SourceDataset relativeToVRT="0">{name}</SourceDataset><Transformer><GenImgProjTransformer>'
    "<SrcGeoTransform>0,1,0,0,0,1</SrcGeoTransform><SrcInvGeoTransform>0,1,0,0,0,1</SrcInvGeoTransform>"
    "<DstGeoTransform>0,1,0,0,0,1</DstGeoTransform><DstInvGeoTransform>0,1,0,0,0,1</DstInvGeoTransform>"
    '</GenImgProjTransformer></Transformer><BandList><BandMapping src="1" dst="1"/></BandList>'
    "</GDALWarpOptions></VRTDataset>"
)


def pam(path: Path, domain: str, **items: str) -> Path:
    tif(path)
    text = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in items.items())
    path.with_name(f"{path.name}.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="{domain}">{text}</Metadata></PAMDataset>'
    )
    return path


def tagged(path: Path, name: str) -> Path:
    with rasterio.open(tif(path), "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=name)
    return path


def beside(path: Path, ending: str, name: str) -> Path:
    tif(path)
    vrt(path.with_name(path.name + ending), source(name))
    return path


def masked(path: Path, name: str) -> Path:
    mask = f'<MaskBand><VRTRasterBand dataType="Byte">{source(name)}</VRTRasterBand></MaskBand>'
    return written(path, vrt(path, "").read_text().replace("</VRTDataset>", f"{mask}</VRTDataset>"))


def mask_file(path: Path, name: str) -> Path:
    beside(path, ".msk", name)
    mask = path.with_name(f"{path.name}.msk")
    flags = '<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata></VRTDataset>'
    written(mask, mask.read_text().replace("</VRTDataset>", flags))
    return path


def overview_of_mask_file(folder: Path, name: str) -> Path:
    beside(tif(folder / "a.tif.msk"), ".ovr", name)
    return tif(folder / "a.tif")


def nested(folder: Path, name: str) -> Path:
    vrt(folder / "inner.vrt", source(name))
    return vrt(folder / "outer.vrt", source("inner.vrt", 1))


def nested_tag(folder: Path, name: str) -> Path:
    tagged(folder / "inner.tif", name)
    return vrt(folder / "outer.vrt", source("inner.tif", 1))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


Hostile = Callable[[Path, str], Path]
HOSTILE: dict[str, Hostile] = {
    "source": lambda f, name: vrt(f / "a.vrt", source(name)),
    "complex source": lambda f, name: vrt(f / "a.vrt", source(name).replace("Simple", "Complex")),
    "lower case": lambda f, name: vrt(f / "a.vrt", source(name).replace("SourceF", "sourcef")),
    "attribute": lambda f, name: vrt(f / "a.vrt", f'<SimpleSource SourceFilename="{name}"/>'),
    "character references": lambda f, name: vrt(
        f / "a.vrt", source("".join(f"&#{ord(letter)};" for letter in name))
    ),
    "mask band": lambda f, name: masked(f / "a.vrt", name),
    "overview": lambda f, name: vrt(
        f / "a.vrt",
        f"<Overview><SourceFilename>{name}</SourceFilename><SourceBand>1</SourceBand></Overview>",
    ),
    "warped": lambda f, name: written(f / "a.vrt", WARPED.format(side=SIDE, name=name)),
    "nested": nested,
    "tag of a nested file": nested_tag,
    "tag": lambda f, name: tagged(f / "a.tif", name),
    "pam overview": lambda f, name: pam(f / "a.tif", "OVERVIEWS", OVERVIEW_FILE=name),
    "pam geolocation": lambda f, name: pam(f / "a.tif", "GEOLOCATION", X_DATASET=name, Y_DATASET=name),
    "overview file": lambda f, name: beside(f / "a.tif", ".ovr", name),
    "mask file": lambda f, name: mask_file(f / "a.tif", name),
    "overview of a mask file": overview_of_mask_file,
}
