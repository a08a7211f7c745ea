"""Any image as pixels for a model: its bands, in the units and the range of pixel sizes of its training.

`sources.gather` says which files are one image; `opening.open_for_model` opens one. What a file does not
say for certain is said in a sentence of the report and of the log, or refused in one.
"""
