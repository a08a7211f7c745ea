"""List, show, add and pack models that can be named.

Models that ship with this package, and those that were added to the user's folder (URBANSEG_HOME, by default
~/.local/share/urbanseg): urbanseg map takes them by name.
"""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from urbanseg import paths

if TYPE_CHECKING:
    from urbanseg.packed.description import Description


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="{list,show,path,add,pack}")
    tasks.add_parser("list", help="list the models", description="List the models, each with its licence.")
    for task, about in (("show", "Print the card of a model."), ("path", "Print the folder of a model.")):
        one = tasks.add_parser(task, help=about[0].lower() + about[1:-1], description=about)
        one.add_argument("name", help="of the model, for its newest version, or name@version")
    add = tasks.add_parser(
        "add",
        help="copy or download a packed model",
        description="Copy or download a packed model, and check it.",
    )
    add.add_argument("source", help="folder, or https address of one, that holds a model.json")
    pack = tasks.add_parser(
        "pack",
        help="pack a trained model",
        description="Pack a trained model with its card, in the project that trained it.",
    )
    pack.add_argument("model", type=Path, help="folder of the segmenter, such as models/segmenter")
    pack.add_argument("out", type=Path, help="folder of packed models; this one becomes OUT/NAME/VERSION")
    pack.add_argument("--name", required=True, help="letters a to z, digits, and hyphens between them")
    pack.add_argument("--version", required=True, help="numbers with dots, such as 1.0.0")
    pack.add_argument("--card", type=Path, required=True, help="YAML file with the fields of the card")
    pack.add_argument("--most-mb", type=float, default=15, help="size of all files together, in 10^6 bytes")


def run(asked: Namespace) -> None:
    """List, show, add or pack."""
    {"list": _list, "show": _show, "path": _path, "add": _add, "pack": _pack}[asked.task](asked)


def _list(_: Namespace) -> None:
    from urbanseg.packed import registry

    known = registry.entries()
    if not known:
        print("no model is here; get one with: urbanseg models add FOLDER_OR_ADDRESS")
    for entry in known:
        size = entry.about.total_bytes / 1e6
        print(f"{entry.sentence} ({size:.1f} MB, {entry.origin})")


def _show(asked: Namespace) -> None:
    from urbanseg.errors import PipelineError
    from urbanseg.packed import registry

    entry = registry.named(asked.name)
    card = entry.folder / "README.md"
    if not card.is_file():
        raise PipelineError(f"{card} is missing; add {entry.label} again")
    print(card.read_text(encoding="utf-8").rstrip())


def _path(asked: Namespace) -> None:
    from urbanseg.packed import registry

    print(registry.named(asked.name).folder)


def _add(asked: Namespace) -> None:
    import re

    from urbanseg.packed import description, download, registry

    if re.match(r"https?:", asked.source, re.IGNORECASE):
        entry = download.add(asked.source, _say)
    else:
        folder = Path(asked.source)
        _say(description.describe(folder))
        entry = registry.add_folder(folder)
    print(entry.folder)


def _say(about: "Description") -> None:
    """Show the licence, before anything is copied."""
    logging.getLogger(__name__).info(
        "%s@%s, %s: licence %s; %s (%.1f MB)",
        about.name, about.version, about.title, about.license, about.credit, about.total_bytes / 1e6,
    )  # fmt: skip


def _pack(asked: Namespace) -> None:
    from urbanseg.config.params import load
    from urbanseg.dataset.samples import read_spread
    from urbanseg.errors import missing_package
    from urbanseg.infer import appearance, backends
    from urbanseg.io import tables
    from urbanseg.model.spec import read_spec

    try:
        from urbanseg.workflows.pack_model import pack, read_fields
        from urbanseg.workflows.training_statistics import training_statistics
    except ModuleNotFoundError as error:
        raise missing_package(error, "train") from error
    fields, params = read_fields(asked.card), load(paths.PARAMS)
    table, size = tables.read(paths.DATASET), params.tiles.size
    tiles = read_spread(table, "val", CHECK_TILES, size, scene_of=paths.scene, labels_of=paths.labels)
    known = backends.statistics(asked.model, paths.EXPORT, read_spec(asked.model))
    if known is None or appearance.KEY not in known:  # exported before there were any
        known = training_statistics(
            asked.model,
            table,
            size,
            threads=params.predict.threads,
            scene_of=paths.scene,
            labels_of=paths.labels,
        )
    print(
        pack(
            asked.model,
            asked.out,
            asked.name,
            asked.version,
            fields,
            check=[pixels for pixels, _ in tiles],
            known=known,
            calibration=backends.calibration(asked.model, paths.EXPORT),
            windows=params.predict,
            most_bytes=round(asked.most_mb * 1e6),
        )
    )


CHECK_TILES = 16
"""Validation tiles on which the packed model must agree with the original."""
