"""Which files are one image, and which masks are theirs."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.unit.workflows.model_input.conftest import reflectance, write
from urbanseg.errors import PipelineError
from urbanseg.workflows.model_input import masks
from urbanseg.workflows.model_input.sources import gather

DN = (reflectance(30, 40) * 1e4).astype("uint16")
SCL = np.full((1, 30, 40), 4, "uint8")
PICTURE = np.full((3, 30, 40), 90, "uint8")


def scene(folder, names, **options):
    return [write(folder / f"{name}.tif", DN[i % 4 : i % 4 + 1], **options) for i, name in enumerate(names)]


@pytest.mark.parametrize(
    ("names", "name", "mask"),
    [
        (["B02", "B03", "B04", "B08", "SCL"], "folder", "SCL"),
        (["x_blue", "x_green", "x_red", "x_nir"], "x", None),
        (["T32TMT_20220601T103031_B02_10m", "T32TMT_20220601T103031_B08_10m",
          "T32TMT_20220601T103031_SCL_20m"], "T32TMT_20220601T103031", "T32TMT_20220601T103031_SCL_20m"),
        (["HLS.L30.T32TMT.2020209T1.v2.0.B04", "HLS.L30.T32TMT.2020209T1.v2.0.B05",
          "HLS.L30.T32TMT.2020209T1.v2.0.Fmask"], "HLS.L30.T32TMT.2020209T1.v2.0",
         "HLS.L30.T32TMT.2020209T1.v2.0.Fmask"),
        (["LC08_L2SP_1_2_3_02_T1_SR_B4", "LC08_L2SP_1_2_3_02_T1_SR_B5", "LC08_L2SP_1_2_3_02_T1_QA_PIXEL"],
         "LC08_L2SP_1_2_3_02_T1", "LC08_L2SP_1_2_3_02_T1_QA_PIXEL"),
    ],
)  # fmt: skip
def test_bands_in_a_file_each_are_one_scene(tmp_path, caplog, names, name, mask):
    caplog.set_level(logging.INFO)
    scene(tmp_path / "folder", names)
    (found,) = gather([tmp_path / "folder"])
    assert found.name == name
    assert len(found.files) == len(names) - (mask is not None)
    assert (found.mask and found.mask[1].stem) == mask
    assert "files are bands of one scene" in caplog.text


def test_a_folder_of_images_is_one_image_each(tmp_path):
    for name in ("a_red", "a_blue", "b", "c"):
        write(tmp_path / f"{name}.tif", PICTURE)
    (tmp_path / "notes.txt").write_text("x")
    assert [image.name for image in gather([tmp_path])] == ["a_blue", "a_red", "b", "c"]


def test_several_scenes_in_a_folder_are_kept_apart(tmp_path):
    for date in ("20200101", "20210101"):
        scene(tmp_path, [f"{date}_B02", f"{date}_B03", f"{date}_SCL"])
    found = gather([tmp_path])
    assert [image.name for image in found] == ["20200101", "20210101"]
    assert [image.mask[1].stem for image in found] == ["20200101_SCL", "20210101_SCL"]


def test_the_finest_of_several_pixel_sizes_is_taken(tmp_path):
    folder = tmp_path / "S2A_X.SAFE" / "GRANULE" / "L2A" / "IMG_DATA"
    for name, pixel in (("R10m/T_B02_10m", 10), ("R20m/T_B02_20m", 20), ("R20m/T_B8A_20m", 20)):
        size = 400 // pixel
        write(folder / f"{name}.jp2", np.ones((1, size, size), "uint16"), pixel=pixel, driver="JP2OpenJPEG")
    write(folder / "R10m/T_TCI_10m.jp2", np.ones((3, 40, 40), "uint8"), driver="JP2OpenJPEG")
    (found,) = gather([tmp_path / "S2A_X.SAFE"])
    assert [path.name for path in found.files] == ["T_B02_10m.jp2", "T_B8A_20m.jp2"]
    assert found.name == "T"


def test_bands_of_different_areas_are_no_scene(tmp_path):
    write(tmp_path / "B02.tif", DN[:1])
    write(tmp_path / "B03.tif", DN[:1], pixel=11)
    with pytest.raises(PipelineError, match=r"B02\.tif and .*B03\.tif look like bands .* different areas"):
        gather([tmp_path])


@pytest.mark.parametrize(
    ("image", "mask", "kind"),
    [
        ("scene", "scl", "scl"),
        ("scene", "scene_SCL", "scl"),
        ("scene", "scene_SCL_20m", "scl"),
        ("1_3B_AnalyticMS_SR_clip", "1_3B_udm2_clip", "udm2"),
        ("scene", "sceneries_SCL", None),
        ("scene", "other_SCL", None),
    ],
)
def test_a_mask_beside_an_image_is_found(tmp_path, image, mask, kind):
    path = write(tmp_path / f"{image}.tif", DN)
    beside = write(tmp_path / f"{mask}.tif", SCL)
    (found,) = gather([path])
    assert found.mask == (kind and (kind, beside))


def test_a_mask_of_another_area_without_the_name_of_the_image_is_not_taken(tmp_path):
    path = write(tmp_path / "scene.tif", DN)
    write(tmp_path / "SCL.tif", SCL, pixel=30)
    assert gather([path])[0].mask is None


def test_an_address_is_known_by_its_path():
    (found,) = gather([Path("https://example.org/a/scene.tif?sig=B02")])
    assert found.name == "scene"
    assert found.mask is None


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: folder.mkdir(), "holds no image"),
        (lambda folder: write(folder / "SCL.tif", SCL), "this is a mask, not an image"),
    ],
)
def test_a_folder_without_an_image_is_refused(tmp_path, make, why):
    make(tmp_path / "folder")
    with pytest.raises(PipelineError, match=why):
        gather([tmp_path / "folder"])


@pytest.mark.parametrize("kind", ["zip", "gztar", "bztar", "xztar", "tar"])
def test_an_archive_is_to_be_unpacked_whatever_its_name_is(tmp_path, kind):
    write(tmp_path / "in/a.tif", PICTURE)
    made = Path(shutil.make_archive(str(tmp_path / "scene"), kind, tmp_path / "in"))
    renamed = made.rename(tmp_path / "scene.tif")
    with pytest.raises(PipelineError, match=r"scene\.tif is an archive \(\w+\), not an image; unpack it"):
        gather([renamed])


@pytest.mark.parametrize(
    ("text", "kind"), [("cloud=a.tif", "cloud"), ("valid=b=c.tif", "valid"), ("x/T_SCL_20m.jp2", "scl")]
)
def test_masks_are_read(text, kind):
    assert masks.parse(text)[0] == kind


def test_a_mask_of_unknown_meaning_is_refused():
    with pytest.raises(PipelineError, match=r"does not say what its values mean.*cloud=FILE, valid=FILE"):
        masks.parse("a.tif")


@pytest.mark.parametrize(
    ("kind", "codes", "hidden"),
    [
        ("scl", range(12), {0, 1, 3, 8, 9, 10, 11}),
        ("fmask", (0, 1, 2, 4, 8, 16, 32, 64, 192, 255), {2, 4, 8, 16, 255}),
        ("qa_pixel", (1, 2, 4, 8, 16, 32, 64, 21824, 22280), {1, 2, 4, 8, 16, 32, 22280}),
        ("udm2", (0, 1), {0}),
        ("cloud", (0, 1, 200), {1, 200}),
        ("valid", (0, 1, 255), {0}),
    ],
)
def test_what_each_mask_hides(kind, codes, hidden):
    values = np.array(list(codes), "uint16")
    assert set(values[masks.HIDING[kind](values)]) == hidden
