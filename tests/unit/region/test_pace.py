"""The limit of requests holds for all together."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from urbanseg.region.pace import Pace


def test_many_that_ask_at_once_keep_the_pace_together(tmp_path):
    file = tmp_path / "fetch" / "next"
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Pace(file, 100).wait(), range(21)))
    assert time.monotonic() - began >= 20 / 100 - 0.02


def test_nobody_asks_while_the_service_has_refused(tmp_path):
    one, other = (Pace(tmp_path / "next", 1000) for _ in range(2))
    one.hold(0.1)
    assert other.wait() == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("content", ["", "soon", "9" * 30])
def test_a_file_that_was_damaged_keeps_nobody_for_ever(tmp_path, monkeypatch, content):
    file = tmp_path / "next"
    file.write_text(content)
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    Pace(file, 1).wait()
    assert waited[0] <= 3600
