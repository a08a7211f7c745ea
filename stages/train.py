"""Train the segmenter on the tiles of all train cities."""

import pandas as pd
from dvclive.live import Live

from stages._cli import stage
from urbanseg import files, paths, segmenter, tables, tiles
from urbanseg.learn import resume, training
from urbanseg.learn.data import Source, Tile, TrainingSet
from urbanseg.model_card import Card
from urbanseg.params import Params


@stage
def main(params: Params) -> None:
    summary = files.read_json(paths.DATASET_SUMMARY)
    table = tables.read(paths.DATASET)
    spec = segmenter.Spec(
        bands=summary["bands"],
        mean=summary["mean"],
        std=summary["std"],
        classes=summary["classes"],
        arch=params.train.arch,
        encoder=params.train.encoder,
        upsample=params.train.upsample,
        made_with=segmenter.made_with(),
    )
    data = TrainingSet(
        train=_tiles(table[table["split"] == "train"]),
        val=_tiles(table[table["split"] == "val"]),
        sources={city: Source(paths.scene(city), paths.labels(city)) for city in summary["sha256"]},
        spec=spec,
        tile_size=params.tiles.size,
    )

    trained, progress = training.train(
        data,
        params.train,
        params.seed,
        state_folder=paths.RESUME,
        data_key=files.sha256(paths.DATASET) + files.sha256(paths.DATASET_SUMMARY),
        on_epoch=log_curves,
    )

    best = {k: round(v, 6) for k, v in progress.history[progress.best_epoch - 1].items()}
    card = Card(
        cities=list(summary["sha256"]),
        tiles={"train": len(data.train), "val": len(data.val)},
        shares=summary["class_shares"]["train"],
        scores=best,
        recipe=params.train.model_dump(mode="json"),
    )
    segmenter.save(paths.MODEL, trained, spec, card)
    files.write_json(
        paths.TRAINING,
        {
            "val_miou": round(progress.best_miou, 6),
            "best_epoch": progress.best_epoch,
            "epochs": progress.epoch,
            "best": best,
        },
    )
    resume.clear(paths.RESUME)


def _tiles(table: pd.DataFrame) -> list[Tile]:
    return [Tile(city, window) for city, window in zip(table["city"], tiles.windows_of(table), strict=True)]


def log_curves(history: list[dict[str, float]]) -> None:
    """Write the curves of all epochs so far, where `dvc plots` reads them."""
    with Live(str(paths.CURVES), dvcyaml=None, save_dvc_exp=False, report=None) as live:
        for row in history:
            for name, value in row.items():
                live.log_metric(
                    name.replace("val_", "val/", 1) if name.startswith("val_") else f"train/{name}", value
                )
            live.next_step()


if __name__ == "__main__":
    main()
