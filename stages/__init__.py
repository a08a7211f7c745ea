"""The verbs: one thin command per DVC stage, ``python -m stages.<name> [city]``."""
