"""Kept tensors come back as they were, or not at all."""

import logging

import pytest
import torch
from safetensors.torch import save

from pointclip._base.cache import read_tensor, write_tensor


@pytest.fixture
def kept(tmp_path):
    write_tensor(tmp_path / "a.safetensors", torch.arange(6.0).view(2, 3))
    return tmp_path / "a.safetensors"


def test_a_tensor_comes_back(kept, tmp_path):
    assert torch.equal(read_tensor(kept), torch.arange(6.0).view(2, 3))
    for tensor in (torch.tensor(3.0), torch.zeros(0, 4), torch.ones(2, dtype=torch.bfloat16), torch.eye(3).T[:2]):
        write_tensor(tmp_path / "b", tensor)
        assert torch.equal(read_tensor(tmp_path / "b"), tensor)


@pytest.mark.parametrize("damage", ["exchanged rows", "cut", "no digest", "text"])
def test_a_damaged_file_is_made_anew(kept, damage, caplog):
    content = kept.read_bytes()
    rows = torch.arange(6.0).view(2, 3)
    assert rows.numpy().tobytes() in content
    content = {
        "exchanged rows": content.replace(rows.numpy().tobytes(), rows.flip(0).contiguous().numpy().tobytes()),
        "cut": content[:-4],
        "no digest": save({"tensor": rows}),
        "text": b"hello",
    }[damage]
    kept.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_tensor(kept) is None
    assert "will be made anew" in caplog.text
