"""What a program of this project sets before it imports anything large.

`stages`, `ci`, `bench` and the tests call `prepare` first; their further processes inherit
the environment, and a worker that somebody else started calls it itself. Importing the
library changes nothing of this.
"""

import os
import sys

ENVIRONMENT = {
    # OpenMP's threads spin while they wait, which makes a step of training take many times as long where
    # other programs want the cores; asleep, they cost nothing where none does. Read once, when torch loads.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Albumentations would ask a server for a newer version when it is imported.
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
"""Variables that libraries read when they are imported, unless the environment has them already."""


def prepare() -> None:
    """Set what libraries read when they are imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # OpenVINO and NNCF report their use to the vendor; without this module they use a stub that doesn't.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
