"""Train the models that ship, each in a working copy of its own: ``python -m ci.models DATA [NAME …]``.

A model is an overlay of params.yaml, ``params/models/NAME.yaml``. What it is made from lies in the folder
DATA and is listed with SHA-256 in ``params/models/sources.sha256``; a file that is missing or differs stops
it. The working copy, a clone of what git holds beside the project, is where DVC runs the pipeline; it goes on
where it stopped. Then the model is packed, if ``params/models/cards/NAME.yaml`` says how.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.config.overlay import overlaid
from urbanseg.errors import PipelineError

ROOT = Path(__file__).parents[1]
OVERLAYS = Path("params/models")
SOURCES = OVERLAYS / "sources.sha256"
DATA = "../shared/data"
"""How the overlays name the folder of the sources."""
WORK = ROOT.parent / f"{ROOT.name}-models"
"""Where the working copies are, unless said otherwise: outside the project, which DVC walks."""
SHIPPED = ("s2-urban", "aerial-rgb")
DVC = [sys.executable, "-m", "ci.before_dvc", "dvc", "repro"]


def sources(listed: str, overlay: str) -> dict[str, str]:
    """The sources that an overlay names, or that lie in folders that it names.

    Args:
        listed: text of `SOURCES`: a digest and a path below DATA in each line.
        overlay: text of the overlay.

    Returns:
        SHA-256 by path.
    """
    digests = {path: digest for digest, path in (line.split(maxsplit=1) for line in listed.splitlines())}
    return {
        path: digest
        for path, digest in digests.items()
        if any(f"{DATA}/{part}" in overlay.split() for part in (path, *map(str, Path(path).parents)))
    }


def check(wanted: dict[str, str], data: Path) -> None:
    """Refuse sources that are missing or are not those that were listed.

    Raises:
        PipelineError: naming the first one.
    """
    for path, digest in wanted.items():
        file = data / path
        if not file.is_file():
            raise PipelineError(
                f"{file} does not exist; put the sources of {SOURCES} there, or name their folder"
            )
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise PipelineError(f"{file} is not what {SOURCES} lists; restore it, or list its new digest")


def prepare(name: str, data: Path, folder: Path) -> None:
    """Make or update the working copy of a model: what git holds, with the overlay put in.

    Raises:
        PipelineError: if there is no such overlay, or a source is wrong.
    """
    overlay = ROOT / OVERLAYS / f"{name}.yaml"
    if not overlay.is_file():
        names = ", ".join(sorted(path.stem for path in overlay.parent.glob("*.yaml")))
        raise PipelineError(f"{OVERLAYS}/{name}.yaml does not exist; the models are {names}")
    text = overlay.read_text(encoding="utf-8")
    check(sources((ROOT / SOURCES).read_text(encoding="utf-8"), text), data)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    merged = overlaid((ROOT / "params.yaml").read_text(encoding="utf-8"), text, overlay.name)
    (folder / "params.yaml").write_text(merged.replace(DATA, str(data.resolve())), encoding="utf-8")


def targets(folder: Path) -> list[str]:
    """What DVC makes of a model: its formats, and the scores on the cities that it was not trained on."""
    cities = params.load(folder / "params.yaml").cities
    held_out = [city for city, about in cities.items() if about.role == "holdout"]
    return ["export", *(f"cities/{city}/dvc.yaml:evaluate" for city in held_out)]


def main() -> None:
    """Train the models that are asked for, and pack them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help=f"folder of the sources, such as {DATA}")
    parser.add_argument(
        "names", nargs="*", help=f"overlays in {OVERLAYS}; those that ship: {' '.join(SHIPPED)}"
    )
    parser.add_argument(
        "--until", nargs="*", default=[], help="stages to stop after, such as dataset or train"
    )
    parser.add_argument("--folder", type=Path, default=WORK, help="of the working copies")
    asked = parser.parse_args()
    for name in asked.names or SHIPPED:
        folder = asked.folder / name
        prepare(name, asked.data, folder)
        done = subprocess.run([*DVC, *(asked.until or targets(folder))], cwd=folder, check=False)
        if done.returncode:
            raise PipelineError(f"the training of {name} stopped in {folder}; run it again to go on")
        fields = ROOT / OVERLAYS / "cards" / f"{name}.yaml"
        if not asked.until and fields.is_file():
            _pack(name, fields, folder)


def _pack(name: str, fields: Path, folder: Path) -> None:
    """Pack a trained model into the package; ``urbanseg models pack`` refuses a version that was used."""
    version = next(
        line.split(":")[1].strip().strip("\"'")
        for line in fields.read_text(encoding="utf-8").splitlines()
        if line.startswith("# version:")
    )
    command = [
        sys.executable,
        "-m",
        "urbanseg.cli",
        "models",
        "pack",
        str((folder / "models/segmenter").resolve()),
    ]
    options = ["--name", name, "--version", version, "--card", str(fields)]
    subprocess.run([*command, str(ROOT / "urbanseg/weights"), *options], cwd=folder, check=True)


if __name__ == "__main__":
    guarded(main)
