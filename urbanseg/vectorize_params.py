"""The `vectorize` section of params.yaml."""

from urbanseg.sections import Metres, Model


class VectorizeParams(Model):
    min_area_m2: Metres
    min_spur_m: Metres
