"""An area that is named on the command line: ``--place`` or ``--bbox``."""

from argparse import Namespace

from urbanseg.errors import PipelineError


def area_of(asked: Namespace) -> dict[str, object]:
    """The `area` of a scene, of ``--place`` or ``--bbox``.

    Raises:
        PipelineError: if the place is empty, or the box none.
    """
    if asked.bbox is None:
        if not asked.place.strip():
            raise PipelineError("--place is empty; name a place, such as 'Ghent, Belgium'")
        return {"place": asked.place}
    try:
        edges = [float(part) for part in asked.bbox.split(",")]
    except ValueError:
        edges = []
    if len(edges) != 4:
        raise PipelineError(f"--bbox must be four numbers, west,south,east,north, got {asked.bbox}")
    west, south, east, north = edges
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise PipelineError(
            "--bbox must have west < east, between -180 and 180 degrees, and south < north, "
            f"between -90 and 90, got {asked.bbox}"
        )
    return {"bbox": edges}
