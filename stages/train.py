"""Train the segmenter on the tiles of all train cities."""

from typing import Any

from stages._cli import stage
from urbanseg import paths
from urbanseg.classes import REST
from urbanseg.config.params import Params
from urbanseg.config.train import PLAIN
from urbanseg.errors import PipelineError
from urbanseg.io import files, tables
from urbanseg.learn import assembly, fabric, resume, training, validation
from urbanseg.learn.curves import curve_files
from urbanseg.learn.data import Source, TrainingSet
from urbanseg.model import segmenter
from urbanseg.model.card import Card
from urbanseg.model.plain_unet import ENCODER
from urbanseg.model.spec import FILE, Spec, pixel_sizes
from urbanseg.redact import excerpt


@stage(writes=paths.MODEL)
def main(params: Params) -> None:
    recipe = params.train
    seed = params.training_seed
    files.require_own(paths.CURVES, paths.CURVES_FILES)  # of which it writes the first after an epoch
    processes = fabric.launch(recipe, seed)
    summary = files.read_json(paths.DATASET_SUMMARY)
    data = training_set(summary, params)
    start = training.create(recipe, data.spec)
    weights = [recipe.start / "model.safetensors"] if recipe.start else []
    weights += [recipe.taught_by / FILE] if recipe.taught_by else []  # which has the digests of its weights

    trained, progress = training.train(
        processes,
        start,
        data,
        recipe,
        seed,
        state_folder=paths.RESUME,
        data_key=" ".join(files.sha256(path) for path in (paths.DATASET, paths.DATASET_SUMMARY, *weights)),
        on_epoch=log_curves,
    )
    if not processes.is_global_zero:
        return

    best = {k: round(v, 6) for k, v in progress.history[progress.best_epoch - 1].items()}
    outcome: dict[str, Any] = {
        "val_miou": round(progress.best_miou, 6),
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "best": best,
    }
    if recipe.start:
        outcome["transfer"] = validation.gain_by_city(processes, start, trained, data, recipe.batch_size)
    card = Card(
        cities=list(summary["sha256"]),
        tiles={"train": len(data.train), "val": len(data.val)},
        shares=assembly.class_shares(data),
        scores=best,
        recipe=recipe.model_dump(mode="json"),
        start=str(recipe.start) if recipe.start else None,
    )
    segmenter.save(paths.MODEL, trained.cpu(), data.spec, card)
    files.write_json(paths.TRAINING, outcome)
    resume.clear(paths.RESUME)


def training_set(summary: dict[str, Any], params: Params) -> TrainingSet:
    """Tiles and spec, as the dataset stage and the parameters have them."""
    try:
        spec = Spec(
            bands=summary["bands"],
            mean=summary["mean"],
            std=summary["std"],
            classes=assembly.learnt_classes(
                summary["classes"], params.train.only_class, summary.get("rest", REST)
            ),
            arch=params.train.arch,
            encoder=ENCODER if params.train.arch.lower() == PLAIN else params.train.encoder,
            upsample=params.train.upsample,
            made_with=segmenter.made_with(),
            units="uint8" if summary["dtype"] == "uint8" else None,
            instances=params.train.instances,
            **pixel_sizes(*summary["resolution_m"]),
        )
        sources = {
            city: Source(
                paths.scene(city),
                paths.training_labels(city),
                paths.corrected(city) if "corrected" in digests else None,
                paths.cores(city) if params.train.instances else None,
            )
            for city, digests in summary["sha256"].items()
        }
    except (LookupError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{paths.DATASET_SUMMARY} is not what the dataset stage writes ({excerpt(str(error))}); "
            "run it again"
        ) from error
    return assembly.assemble(
        tables.read(paths.DATASET),
        summary["classes"],
        sources,
        spec,
        params.train,
        tile_size=params.tiles.size,
        seed=params.training_seed,
        ids=summary.get("ids"),
    )


def log_curves(history: list[dict[str, float]]) -> None:
    """Write the curves of all epochs so far, where `dvc plots` reads them."""
    with files.atomic(paths.CURVES, paths.CURVES_FILES) as folder:
        for name, text in curve_files(history).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
