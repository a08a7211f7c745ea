"""The commands of the pipeline: one thin module per DVC stage, ``python -m stages.<name> [city]``."""

import sys

from urbanseg.io.processes import stop_while_importing
from urbanseg.io.startup import prepare

if sys.argv[0] == "-m":  # a stage is being started, and not one of its functions imported
    stop_while_importing()
prepare()
