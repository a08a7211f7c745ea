import json

import pytest

from ci import metrics
from urbanseg.errors import PipelineError


def test_the_table_has_a_row_for_each_score_and_a_column_for_each_city(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="holds no scores yet; run make repro"):
        metrics.main()
    (tmp_path / "metrics").mkdir()
    scores = {"miou": 0.51234, "road_apls": 0.25, "intervals": {"miou": [0.4, 0.6]}}
    scores["interval_basis"] = {"miou": "80 cells worth 31", "road_apls": "none: 5 blocks, and 10 are needed"}
    (tmp_path / "metrics/demo.json").write_text(json.dumps(scores))
    (tmp_path / "metrics/oasis.json").write_text(json.dumps({"miou": 0.125}))
    (tmp_path / "metrics/training.json").write_text(json.dumps({"val_miou": 0.9}))
    metrics.main()
    assert capsys.readouterr().out.splitlines() == [
        "           demo                                       oasis",
        "mean IoU   0.512 0.400–0.600 (80 cells worth 31)      0.125",
        "road APLS  0.250 (none: 5 blocks, and 10 are needed)  -",
    ]
