"""What a worker of a Dask cluster does: check that it sees what the stage sees, and predict.

A process loads the model once and predicts one part at a time.
"""

import hashlib
import threading
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from distributed import get_worker

from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.infer import backends
from urbanseg.infer.images import select_bands
from urbanseg.infer.job import Job
from urbanseg.infer.scene import predict_scene
from urbanseg.infer.stitching import Predictor, Strip
from urbanseg.io import files, raster
from urbanseg.model.spec import FILE, Spec
from urbanseg.paths import EXPORT_FILES

END_BYTES = 1 << 20
"""A scene is known by its size and by so many bytes of either end."""

_one_at_a_time = threading.Lock()


def predict_part(job: Job, expected: dict[str, str], rows: range) -> list[Strip]:
    """Predict some rows of a scene; runs on a worker.

    Args:
        job: the scene, the model and the options.
        expected: what must be the same here, from `facts`.
        rows: rows of the scene.

    Returns:
        Strips that partition the rows.

    Raises:
        PipelineError: if the worker sees other files than those `expected` by `facts`.
    """
    address = get_worker().address
    try:
        found = facts(job)
    except OSError as error:
        raise PipelineError(
            f"the worker {address} does not see {error.filename}; all machines must reach the project's "
            "folder by the same path"
        ) from error
    for name, fact in expected.items():
        if found.get(name) != fact:
            raise PipelineError(
                f"the worker {address} has another {name} ({found.get(name)}) than this machine ({fact}); "
                "give all machines the same folder and the same environment"
            )
    with _one_at_a_time, raster.small_cache(), raster.reading(job.scene) as scene:
        options = job.options.model_dump_json()
        predict, spec = _loaded(job.model, job.exported, options, job.classes, str(expected))
        bands = select_bands(scene.info.descriptions, spec, str(job.scene))
        strips = predict_scene(
            scene,
            bands,
            predict,
            spec.classes,
            job.options,
            rows,
            job.rest,
            job.roads,
            calibration=job.calibration,
        )
        return list(strips)


@lru_cache(maxsize=1)
def _loaded(
    model: Path, exported: Path, options: str, classes: tuple[str, ...], _facts: str
) -> tuple[Predictor, Spec]:
    return backends.load(model, exported, PredictParams.model_validate_json(options), classes)


def facts(job: Job) -> dict[str, str]:
    """What must be the same on all machines, by name: files, code, and libraries.

    Raises:
        OSError: if a file is missing.
    """
    package = Path(__file__).parents[1]
    code = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        code.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    runtime = {"onnx": "onnxruntime", "openvino": "openvino", "openvino_int8": "openvino"}
    libraries = ("numpy", "rasterio", "torch", runtime.get(job.options.backend, "torch"))
    exported = job.exported / job.options.backend / EXPORT_FILES[job.options.backend]
    known = backends.model_files(job.model) or [job.model / FILE]
    if exported.is_file():
        known.append(exported)
    return {
        str(job.scene): _ends(job.scene),
        **{str(path): files.sha256(path)[:12] for path in known},
        "code of urbanseg": code.hexdigest()[:12],
        **{name: version(name) for name in libraries},
    }


def _ends(path: Path) -> str:
    """A file's size, and a digest of its first and last bytes: reading all of a scene would take too long."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(END_BYTES))
        file.seek(max(0, size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return f"{size} bytes, {digest.hexdigest()[:12]}"
