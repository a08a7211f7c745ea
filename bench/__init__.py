"""Measurements: ``python -m bench.<name>``; bench/RESULTS.md holds what they found."""

from urbanseg.io.startup import prepare

prepare()
