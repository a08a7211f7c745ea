"""A small city with all that the report reads, written by the same writers as the pipeline's."""

from pathlib import Path

import numpy as np

from urbanseg.classes import IGNORE
from urbanseg.config.params import CityParams, Params
from urbanseg.grid import Grid, Window
from urbanseg.io.cog import writing
from urbanseg.io.raster import reading
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.metrics.block_tables import write
from urbanseg.metrics.road_counts import ROAD_COUNTS
from urbanseg.metrics.segmentation import confusion
from urbanseg.report.page import CityReport
from urbanseg.report.provenance import Artefact
from urbanseg.report.quality import Quality
from urbanseg.report.scores import Confusion
from urbanseg.report.views import RasterFiles, read_views


def write_rasters(folder: Path, grid: Grid) -> RasterFiles:
    rng = np.random.default_rng(3)
    files = RasterFiles(*(folder / f"{name}.tif" for name in RasterFiles._fields))
    names = ("B02", "B03", "B04", "B08")
    with writing(files.scene, grid, dtype="uint16", count=4, nodata=0, descriptions=names) as raster:
        raster.write(rng.integers(200, 3000, (4, *grid.shape), dtype=np.uint16))
    codes = {
        files.labels: rng.integers(0, 6, grid.shape),
        files.prediction: rng.integers(0, 6, grid.shape),
        files.split: np.repeat([0, 1, 2], 20)[np.newaxis].repeat(grid.height, axis=0),
        files.confidence: rng.integers(0, 255, grid.shape),
    }
    codes[files.labels][:5, :5] = IGNORE
    codes[files.prediction][20:, 40:] = codes[files.labels][20:, 40:]  # of two cells, the lower is right
    codes[files.prediction][30, 50] = 5 - codes[files.labels][30, 50]
    for path, values in codes.items():
        with writing(path, grid, dtype="uint8", nodata=IGNORE) as raster:
            raster.write(values.astype(np.uint8))
    return files


def count_blocks(rasters: RasterFiles, params: Params) -> CountsByBlock:
    """Counts of two cells of the test area of the rasters."""
    cells = [Window(0, 40, 20, 20), Window(20, 40, 20, 20)]
    matrices = []
    for cell in cells:
        with reading(rasters.labels) as labels, reading(rasters.prediction) as prediction:
            matrices.append(confusion(labels.read_band(cell), prediction.read_band(cell), 6))
    return CountsByBlock(
        tuple(params.classes),
        cells,
        np.array(matrices),
        np.zeros((2, 4, 6), np.int64),
        np.zeros((2, 4), np.int64),
        [Window(0, 40, 40, 20)],
        np.zeros((1, len(ROAD_COUNTS))),
    )


def write_tables(parent: Path, by_block: CountsByBlock) -> Path:
    """The folder of the evaluate stage, as far as the page reads it."""
    folder = parent / "evaluation"
    folder.mkdir()
    write(folder, by_block)
    (folder / "reliability.csv").write_text(
        "low,high,confidence,accuracy,pixels\n0.4,0.6,0.5,0.45,10\n0.8,1,0.9,0.8,30\n"
    )
    (folder / "precision_recall.csv").write_text(
        "class,confidence,precision,recall\nroad,0,0.5,0.9\nroad,0.5,0.7,0.6\nbare_soil,0,0.4,0.4\n"
    )
    return folder


def read_city(rasters: RasterFiles, params: Params, quality: Quality) -> CityReport:
    scores = {
        "iou": 0.7,
        "grade": "acceptable",
        "precision": 0.8,
        "recall": 0.8,
        "f1": 0.8,
        "boundary_f1": 0.5,
    }
    areas = {"area_ratio": 1.1, "area_error": 0.1, "area_reference_ha": 10.0, "area_predicted_ha": 11.0}
    names = list(params.classes)
    classes = dict.fromkeys(names, scores | areas)
    classes[names[-1]] = dict.fromkeys(scores | areas)
    network = {"length_km": 3.2, "components": 4, "components_per_km": 1.25, "largest_component_share": None}
    return CityReport(
        name="demo",
        params=CityParams.model_validate(params.cities["demo"].model_dump() | {"title": "A & <b>B</b>"}),
        views=read_views(rasters, params.class_table),
        metrics={
            "miou": 0.7,
            "grade": "below",
            "pixel_accuracy": 0.8,
            "road_connectivity": None,
            "test_pixels": 12345,
            "intervals": {"miou": [0.6612, 0.7391], "classes.road.iou": [0.65, 0.75]},
            "absent": names[-1:],
            "classes": classes,
            "roads": {
                "reference": network,
                "prediction": network,
                "completeness": 0.9,
                "correctness": None,
                "node_pairs": 9,
                "node_pairs_connected": 7,
            },
        },
        confusion=Confusion(["road", "water"], [[(75, 0.75), (25, 0.25)], [(0, 0.0), (4, 1.0)]]),
        quality=quality,
        item={"id": "scene-1", "properties": {"datetime": "2023-06-14T10:26:00Z", "simulated": True}},
        artefacts=[Artefact(Path("data/map/demo/demo.gpkg"), "the map")],
    )
