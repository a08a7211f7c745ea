import pytest

from ci.seeds import spread
from urbanseg.errors import PipelineError


def test_the_spread_is_the_deviation_of_figures_that_all_trainings_have():
    trainings = [
        {"demo": {"miou": 0.7, "road_apls": 0.8}, "old": {"miou": 0.1}},
        {"demo": {"miou": 0.8, "road_apls": None}},
        {"demo": {"miou": 0.9, "road_apls": 0.6}},
    ]
    assert spread(trainings) == {"demo": {"miou": 0.1}}


def test_trainings_without_a_common_city_are_refused():
    with pytest.raises(PipelineError, match="no city in common"):
        spread([{"a": {"miou": 0.5}}, {"b": {"miou": 0.5}}])
