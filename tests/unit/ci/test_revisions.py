import pytest

from ci.revisions import spreads
from urbanseg.errors import PipelineError


def test_spreads_of_seeds_are_numbers_by_city_and_figure():
    assert spreads({"demo": {"miou": 0.004}}) == {"demo": {"miou": 0.004}}


@pytest.mark.parametrize("figures", [0.004, None, {"miou": "0.004"}, {"miou": -0.1}])
def test_other_spreads_are_refused_in_a_sentence(figures):
    with pytest.raises(PipelineError, match=r"metrics/seeds.json must hold .* by city.* demo has"):
        spreads({"demo": figures})
