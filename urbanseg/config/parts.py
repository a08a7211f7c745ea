"""params.yaml in parts, as JSON: a file for each section, and one for each city.

The values are checked and complete: a default that lives in code stands there as any other
value. DVC reads parts at each stage, and a part takes as long with a hundred cities as with
one; params.yaml does not.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from urbanseg.config.names import check_form
from urbanseg.config.params import Params

CITIES = "cities"
ORIGIN = "origin.json"


def split(params: Params) -> dict[str, dict[str, Any]]:
    """The parts by their file names, each with its place in params.yaml; JSON without loss."""
    sections = params.model_dump(mode="json")
    cities = sections.pop(CITIES)
    parts = {f"{name}.json": {name: values} for name, values in sections.items()}
    return parts | {f"{CITIES}/{name}.json": {CITIES: {name: values}} for name, values in cities.items()}


def origin(source: Path) -> dict[str, str]:
    """Digests (SHA-256) of params.yaml and of the code that checks and completes it."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.name.encode() + path.read_bytes())
    return {"params.yaml": hashlib.sha256(source.read_bytes()).hexdigest(), "code": code.hexdigest()}


def read(folder: Path, source: Path, city: str | None = None) -> Params | None:
    """The parameters of one city or of all, if the parts were made from params.yaml as it is now.

    Args:
        folder: where the parts lie.
        source: params.yaml.
        city: name of a city, as the user wrote it; None for all.

    Returns:
        What `config.params.load` would return (with this city alone); None where there is no such
        part, or where params.yaml or the code that checks it has changed since.
    """
    try:
        made = _json(folder / ORIGIN)
        names = made.pop(CITIES)
        if made != origin(source):
            return None
        found = {
            key: values
            for name in sorted(Params.model_fields.keys() - {CITIES})
            for key, values in _json(folder / f"{name}.json").items()
        }
        names = names if city is None else [check_form(city)]
        cities = {name: _json(folder / CITIES / f"{name}.json")[CITIES][name] for name in names}
        return Params.model_validate(found | {CITIES: cities})
    except (OSError, ValueError, KeyError):
        return None


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
