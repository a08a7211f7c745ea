"""What a CI runner calls: the comparison of two revisions, and retraining."""

import sys

from urbanseg.io.processes import stop_while_importing
from urbanseg.io.startup import prepare

if sys.argv[0] == "-m":  # one of them is being started, and not one of its functions imported
    stop_while_importing()
prepare()
