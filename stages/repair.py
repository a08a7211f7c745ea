"""Compare the labels of a city's training blocks with its image; those of other blocks stay as they are."""

import logging

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.io import files, image_sheet, raster, tables
from urbanseg.workflows import repair_files, repair_labels
from urbanseg.workflows.city_blocks import Labelled, city_blocks

log = logging.getLogger(__name__)


@city_stage(writes=paths.repaired_dir)
def main(city: str, params: Params) -> None:
    with files.atomic(paths.repaired_dir(city), paths.REPAIRED_FILES) as folder:
        folder.mkdir()
        if not params.repair.is_wanted or params.city(city).role == "holdout":
            log.info("%s: labels are trained on as they are", city)
            files.write_json(folder / paths.REPAIRED_FILES[0], {"shifts": [], "doubts": []})
            return
        from urbanseg.workflows import label_folds  # noqa: PLC0415, PyTorch takes seconds to import

        table = paths.image_sheet(city)
        images = image_sheet.from_table(tables.read(table)) if table.exists() else []
        with raster.reading(paths.labels(city)) as labels:
            blocks = city_blocks(labels, images, params, city)
        labelled = Labelled(city, paths.scene(city), paths.labels(city), blocks)
        repaired = folder / paths.repaired_labels(city).name
        verdicts = label_folds.judge(labelled, params, paths.repair_state(city))
        found = repair_labels.repair(labelled, params, repaired, verdicts)
        repair_files.write(folder, found, labelled, params.class_table, params.repair.align.max_px)
    files.remove(paths.repair_state(city))


if __name__ == "__main__":
    main()
