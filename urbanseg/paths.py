"""Where each artefact of a city lies. The one place that knows data/, models/ and metrics/."""

from collections.abc import Iterable, Sequence
from pathlib import Path

SCENE_FILES = (
    "scene.tif", "scene.qml", "scl.tif", "scl.qml", "thumbnail.png",
    "pictures.parquet", "city.osm.pbf", "ground.fgb", "item.json",
)  # fmt: skip
PREDICTION_FILES = (
    *(f"{name}{ending}" for name in ("classes", "confidence", "road_probability", "core_probability",
                                    "probabilities", "entropy", "margin", "set")
      for ending in (".tif", ".qml")),
    "instances.tif", "calibration.json", "thumbnail.png", "item.json",
)  # fmt: skip
MAP_ENDINGS = {
    "gpkg": ".gpkg",
    "fgb": ".fgb",
    "geojson": ".geojson",
    "shapefile": "_shapefile.zip",
    "parquet": ".parquet",
    "pmtiles": ".pmtiles",
}
"""How the file of each format of the map ends."""

MAP_STYLE_ENDINGS = (".qml", "_shapefile.qml", "_style.json")
"""How the styles beside them end: QGIS takes the file's own name, also beside an archive."""

REPAIRED_FILES = (
    "repair.json",
    "labels.tif",
    "labels.tif.aux.xml",
    "labels.qml",
    "doubts.gpkg",
    "shifts.png",
    "cores.tif",
)
CURVES_FILES = ("metrics.json", "plots/metrics/*.tsv")
PREVIEW_FILES = tuple(
    f"{name}.png"
    for name in (
        "scene", "labels", "prediction", "errors", "confidence", "split", "overlay", "overview", "failures",
    )
)  # fmt: skip
MODEL_FILES = ("README.md", "config.json", "model.safetensors", "segmenter.json")
EXPORT_FILES = {
    "torch": "",
    "torch_export": "segmenter.pt2",
    "onnx": "segmenter.onnx",
    "deepness": "segmenter.onnx",
    "openvino": "segmenter.xml",
    "openvino_int8": "segmenter.xml",
}
"""The file of each format of the model, in the format's own folder; PyTorch runs the segmenter as it is."""

PARAMS = Path("params.yaml")
PARTS = Path("data/params")
PARTS_FILES = ("*.json",)
CITIES = Path("cities")
REGIONS = Path("regions")
DATASET = Path("data/dataset.parquet")
DATASET_SUMMARY = Path("data/dataset.json")
MODEL = Path("models/segmenter")
START = Path("models/start")
"""Copy of the model that a short retraining starts from; DVC tracks it."""
RESUME = Path("models/.resume")
TRAINING = Path("metrics/training.json")
OVERALL = Path("metrics/overall.json")
SEEDS = Path("metrics/seeds.json")
EXPORT = Path("models/export")
BACKEND = EXPORT / "backend.json"
EXPORT_PATTERNS = (BACKEND.name, "calibration.json", "domain.json", *(f"{name}/*" for name in EXPORT_FILES))
EXPORT_METRICS = Path("metrics/export.json")
CURVES = Path("reports/training")
REVIEW = Path("data/.review")
"""What the review desk keeps of its own; git and DVC ignore the folder."""
REPORT = Path("reports/index.html")


def city_stage(name: str, city: str) -> str:
    """What DVC calls a stage of a city."""
    return f"{CITIES}/{city}/dvc.yaml:{name}"


def scene_dir(city: str) -> Path:
    """Folder with all that the scene stage delivers."""
    return Path("data/scene") / city


def scene(city: str) -> Path:
    """The bands: ``(bands, height, width)``."""
    return scene_dir(city) / "scene.tif"


def scl(city: str) -> Path:
    """Scene classification layer (uint8, Sentinel-2 SCL codes); absent for other sensors."""
    return scene_dir(city) / "scl.tif"


def image_sheet(city: str) -> Path:
    """Window and split of each image of an image folder; absent for other scenes."""
    return scene_dir(city) / "pictures.parquet"


def extract(city: str) -> Path:
    """OpenStreetMap file of the embedded city; absent for real scenes."""
    return scene_dir(city) / "city.osm.pbf"


def ground(city: str) -> Path:
    """What stands on the ground of a simulated world, for its labels; absent for other scenes."""
    return scene_dir(city) / "ground.fgb"


def item(city: str) -> Path:
    """Provenance, as a STAC Item."""
    return scene_dir(city) / "item.json"


def overpass_cache(city: str) -> Path:
    """Cached responses of the Overpass server; git and DVC ignore the folder."""
    return Path("data/.fetch") / f"{city}.osm"


def fetched(city: str) -> Path:
    """Chunks of a scene that is being fetched; git and DVC ignore the folder."""
    return Path("data/.fetch") / city


def osm(city: str) -> Path:
    """OpenStreetMap features with a class, as GeoParquet."""
    return Path("data/osm") / f"{city}.parquet"


def labels(city: str) -> Path:
    """Label raster on the scene grid."""
    return Path("data/labels") / f"{city}.tif"


def corrected(city: str) -> Path:
    """Raster that is 1 where the labels are corrections; there for cities that have that layer alone."""
    return Path("data/labels") / f"{city}_corrected.tif"


def repaired_dir(city: str) -> Path:
    """Folder with all that the repair stage delivers."""
    return Path("data/repaired") / city


def repaired_labels(city: str) -> Path:
    """Labels that were compared with the image; absent unless `repair` asks for it."""
    return repaired_dir(city) / "labels.tif"


def training_labels(city: str) -> Path:
    """Labels that are trained on: repaired ones, where there are. All scores are of `labels`."""
    return repaired_labels(city) if repaired_labels(city).exists() else labels(city)


def cores(city: str) -> Path:
    """1 inside a building of the training labels (uint8, nodata 255); absent unless `train.instances`."""
    return repaired_dir(city) / "cores.tif"


def repair_state(city: str) -> Path:
    """What an unfinished repair has trained; git and DVC ignore the folder."""
    return Path("data/.fetch") / f"{city}.repair"


def tiles(city: str) -> Path:
    """Tile index: one row per window."""
    return Path("data/tiles") / f"{city}.parquet"


def split(city: str) -> Path:
    """Split of each pixel: 0 train, 1 val, 2 test."""
    return Path("data/tiles") / f"{city}_split.tif"


def prediction_dir(city: str) -> Path:
    """Folder with all that the predict stage delivers."""
    return Path("data/prediction") / city


def prediction(city: str) -> Path:
    """Predicted class of each pixel."""
    return prediction_dir(city) / "classes.tif"


def confidence(city: str) -> Path:
    """Probability of the predicted class, 0–254 for 0–1 (uint8, nodata 255)."""
    return prediction_dir(city) / "confidence.tif"


def road_probability(city: str) -> Path:
    """Probability of road, 0–254 for 0–1 (uint8, nodata 255); absent where roads are no class."""
    return prediction_dir(city) / "road_probability.tif"


def core_probability(city: str) -> Path:
    """Probability of the inside of a building, 0–254 for 0–1 (uint8, nodata 255); absent as `instances`."""
    return prediction_dir(city) / "core_probability.tif"


def instances(city: str) -> Path:
    """Number of the building of each pixel (uint32, 0 for none); absent where the model tells none apart."""
    return prediction_dir(city) / "instances.tif"


def prediction_sets(city: str) -> Path:
    """The classes that each pixel may have; absent unless `predict.rasters` names them."""
    return prediction_dir(city) / "set.tif"


def corrections(city: str) -> Path:
    """Corrections that people drew in the review desk: GeoPackage, only ever added to."""
    return Path("data/corrections") / f"{city}.gpkg"


def kept_split(city: str) -> Path:
    """The splits of a city's blocks as they were when it was first corrected."""
    return Path("data/corrections") / f"{city}_split.json"


def questions(city: str) -> Path:
    """Log of the blocks that the review desk asked about, and of what was answered: a JSON object a line."""
    return Path("data/corrections") / f"{city}_blocks.jsonl"


def checkpoints(city: str) -> Path:
    """Points of a city's map that people check in the review desk; as `urbanseg sample` writes them."""
    return Path("data/corrections") / f"{city}_check.gpkg"


def map_dir(city: str) -> Path:
    """Folder with the vector map."""
    return Path("data/map") / city


def geopackage(city: str) -> Path:
    """Vector map: GeoPackage with QGIS styles inside."""
    return map_dir(city) / f"{city}.gpkg"


def project_dir(city: str) -> Path:
    """Folder with the QGIS project and its raster of errors; as deep as the folders that it shows."""
    return Path("data/project") / city


def project_files(city: str) -> list[str]:
    """Names of the files in it."""
    return [f"{city}.qgz", "errors.tif", "errors.qml"]


def metrics(city: str) -> Path:
    """Scores of a city."""
    return Path("metrics") / f"{city}.json"


def evaluation_dir(city: str) -> Path:
    """Tables and pictures of a city's evaluation, for `dvc plots`."""
    return Path("reports/evaluation") / city


def previews(city: str) -> Path:
    """Folder with PNG previews of a city."""
    return Path("reports/previews") / city


def region_dir(region: str) -> Path:
    """Folder with the map of a region."""
    return Path("data/region") / region


def region_state(region: str) -> Path:
    """What cells of a region need while they are made; git and DVC ignore the folder."""
    return Path("data/.fetch") / f"{region}.region"


def map_files(city: str) -> list[str]:
    """Names of the files of the vector map that there may be."""
    return [f"{city}{ending}" for ending in (*MAP_ENDINGS.values(), *MAP_STYLE_ENDINGS)]


def output_folders(cities: Iterable[str]) -> dict[Path, Sequence[str]]:
    """Folders that DVC removes before it runs the stage that writes them, and patterns of what is in them."""
    folders: dict[Path, Sequence[str]] = {
        MODEL: [*MODEL_FILES, *(f"*/{name}" for name in MODEL_FILES)],  # of a merged model
        PARTS: PARTS_FILES,
        EXPORT: EXPORT_PATTERNS,
        CURVES: CURVES_FILES,
    }
    for city in cities:
        folders |= {
            scene_dir(city): SCENE_FILES,
            repaired_dir(city): REPAIRED_FILES,
            prediction_dir(city): PREDICTION_FILES,
            map_dir(city): map_files(city),
            project_dir(city): project_files(city),
            previews(city): PREVIEW_FILES,
        }
    return folders


def of_city(city: str) -> list[Path]:
    """All that is kept of a city."""
    return [
        CITIES / city,
        scene_dir(city),
        osm(city),
        osm(city).with_suffix(".qml"),
        labels(city),
        labels(city).with_suffix(".tif.aux.xml"),
        labels(city).with_suffix(".qml"),
        corrected(city),
        repaired_dir(city),
        tiles(city),
        split(city),
        split(city).with_suffix(".qml"),
        prediction_dir(city),
        map_dir(city),
        project_dir(city),
        corrections(city),
        kept_split(city),
        questions(city),
        checkpoints(city),
        metrics(city),
        evaluation_dir(city),
        previews(city),
    ]
