import numpy as np
import pytest

from urbanseg.errors import PipelineError
from urbanseg.metrics.agreement import Agreement, agreement, require_agreement

LABELS = [np.array([[0, 0, 1, 1], [255, 255, 1, 0]], np.uint8)]
ORIGINAL = [np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)]
FOUND = [np.array([[0, 1, 1, 1], [0, 1, 1, 1]], np.uint8)]


def test_equality_counts_all_pixels_and_the_miou_the_labelled():
    found = agreement(ORIGINAL, FOUND, LABELS, 2)
    assert found.equal == 0.75
    before, after = (2 / 3 + 3 / 4) / 2, (1 / 3 + 3 / 5) / 2
    assert found.miou == pytest.approx(after, abs=1e-6)
    assert found.miou_loss == pytest.approx(before - after, abs=1e-6)
    same = agreement(ORIGINAL, ORIGINAL, LABELS, 2)
    assert (same.equal, same.miou_loss) == (1, 0)


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        ("onnx", Agreement(0.9989, 0.5, 0.0), r"onnx gives 99.8900% of the pixels .*min_equal is 0.999"),
        ("openvino_int8", Agreement(0.96, 0.5, 0.011), r"openvino_int8 loses 0.0110 of the mIoU"),
    ],
)
def test_a_format_that_is_not_the_model_any_more_is_refused(name, found, said):
    with pytest.raises(PipelineError, match=said):
        require_agreement(name, found, min_equal=0.999, max_miou_loss=0.01)


@pytest.mark.parametrize(
    ("name", "found"),
    [("onnx", Agreement(0.9991, 0.5, 0.02)), ("openvino_int8", Agreement(0.96, 0.5, 0.009))],
)
def test_float_is_judged_by_its_pixels_and_int8_by_its_miou(name, found):
    require_agreement(name, found, min_equal=0.999, max_miou_loss=0.01)
