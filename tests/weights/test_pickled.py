"""Tensors are read out of a pickle and nothing in it runs."""

import os

import pytest
import torch

from pointclip.errors import WeightsError
from pointclip.weights import read_pickled


class Bomb:
    """Writes a file when it is unpickled the usual way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_of_a_file_runs(tmp_path, zipped):
    content = {"w": torch.arange(3.0).half(), "parameter": torch.nn.Parameter(torch.eye(2)), "n": [1, {"two": 2}]}
    content |= {"bomb": Bomb(tmp_path / "boom"), "optimizer": torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1)}
    torch.save(content, tmp_path / "w.tar", _use_new_zipfile_serialization=zipped)
    found = read_pickled(tmp_path / "w.tar")
    assert not (tmp_path / "boom").exists()
    assert torch.equal(found["w"], content["w"]) and torch.equal(found["parameter"], content["parameter"])
    assert found["n"] == content["n"]
    torch.load(tmp_path / "w.tar", weights_only=False)
    assert (tmp_path / "boom").exists(), "the bomb is none"


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 cut"])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    (tmp_path / "w.tar").write_bytes(content)
    with pytest.raises(WeightsError, match="w.tar"):
        read_pickled(tmp_path / "w.tar")
    with pytest.raises(WeightsError, match="does not exist"):
        read_pickled(tmp_path / "none.tar")
