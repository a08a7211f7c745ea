"""``python -m urbanseg.cli`` is the command ``urbanseg``."""

from urbanseg.cli.main import main

main()
