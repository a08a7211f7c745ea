"""What a spec says of pixel sizes and units, and that older files stay as they are."""

import json

import pytest

from urbanseg.errors import PipelineError
from urbanseg.model.spec import FILE, Spec, pixel_sizes, read_spec

OLD = {"bands": ["red", "nir"], "mean": [1.0, 2.0], "std": [1.0, 2.0], "classes": ["a", "b"], "arch": "Unet",
       "encoder": "x", "upsample": 2, "made_with": {}}  # fmt: skip


def test_a_spec_without_notes_is_written_as_it_always_was():
    assert Spec(**OLD).to_json() == OLD


def test_notes_of_pixel_size_and_units_are_kept(tmp_path):
    spec = Spec(**OLD, resolution_m=0.5, resolution_factor=3.0, units="uint8")
    (tmp_path / FILE).write_text(json.dumps(spec.to_json()))
    assert read_spec(tmp_path) == spec


@pytest.mark.parametrize(
    "wrong",
    [
        {"resolution_m": 0}, {"resolution_m": "10"},
        {"resolution_m": float("nan")}, {"resolution_factor": 0.5},
        {"resolution_factor": None}, {"units": "degrees"}, {"resolution_m": True},
    ],
    ids=str,
)  # fmt: skip
def test_notes_that_make_no_sense_are_refused(tmp_path, wrong):
    (tmp_path / FILE).write_text(json.dumps(OLD | wrong))
    with pytest.raises(PipelineError, match="holds no complete model"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("smallest", "largest", "size", "factor"), [(10, 10, 10, 2), (0.3, 1.2, 0.6, 4), (0.5, 0.5, 0.5, 2)]
)
def test_a_training_on_several_pixel_sizes_reaches_as_far_beyond_each(smallest, largest, size, factor):
    found = pixel_sizes(smallest, largest)
    assert found == {"resolution_m": pytest.approx(size), "resolution_factor": pytest.approx(factor)}
