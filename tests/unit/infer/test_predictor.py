import pytest
import torch

from urbanseg.errors import PipelineError
from urbanseg.infer.predictor import uses_bf16

CPU = torch.device("cpu")


def test_a_network_runs_in_bfloat16_only_where_it_is_native(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert [uses_bf16(wish, CPU) for wish in ("auto", "bfloat16", "float32")] == [True, True, False]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "amx_bf16": False})
    assert [uses_bf16(wish, CPU) for wish in ("auto", "float32")] == [False, False]
    with pytest.raises(PipelineError, match=r"predict\.precision is bfloat16, but the cpu .* has no instr"):
        uses_bf16("bfloat16", CPU)
