"""Say which blocks of a city are worth looking at next.

They are those where the map is unsure, and that differ from each other and from what was looked at before;
urbanseg review leads through them. Blocks that were answered there are left out, and so are test blocks.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("city", help="whose map is looked at")
    parser.add_argument("-n", type=int, default=20, help="how many blocks")
    parser.add_argument("--json", action="store_true", help="print them as JSON, and nothing else")


def run(asked: Namespace) -> None:
    """Measure the blocks and print the best."""
    import json

    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError
    from urbanseg.review import blocks, suggestions
    from urbanseg.review.readers import Readers
    from urbanseg.review.scenes import city_scene

    if asked.n < 1:
        raise PipelineError(f"-n must be 1 or more, got {asked.n}")
    params, readers = load(paths.PARAMS), Readers()
    scene = city_scene(asked.city, params, Path())
    if not scene.has("prediction"):
        raise PipelineError(f"{asked.city} has no prediction yet; run make repro")
    figures, frame = blocks.measure(scene, readers), scene.frame(readers)
    answered = suggestions.answered_blocks(paths.questions(asked.city))
    found = suggestions.suggest(scene, readers, frame, figures, answered, asked.n)
    rows = [
        {
            "block": figures.ids[each.number],
            "split": figures.splits[each.number],
            "score": round(each.score, 4),
            "uncertainty": round(each.uncertainty, 4),
            "distance": round(each.distance, 4),
            "longitude": frame.block_in_degrees(figures.windows[each.number])[0][0],
            "latitude": frame.block_in_degrees(figures.windows[each.number])[0][1],
        }
        for each in found
    ]
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'block':<14}{'split':<7}{'score':>7}{'unsure':>8}{'new':>7}  upper left corner")
    for row in rows:
        place = f"{row['longitude']:.5f}, {row['latitude']:.5f}"
        print(
            f"{row['block']:<14}{row['split'] or '-':<7}{row['score']:>7.3f}{row['uncertainty']:>8.3f}"
            f"{row['distance']:>7.3f}  {place}"
        )
