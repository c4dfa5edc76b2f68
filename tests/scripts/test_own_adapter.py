"""The script to start from when the adapter and the dataset are one's own."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


def test_an_adapter_of_ones_own_is_learned_and_judged_with_intervals(
    tiny_file, tmp_path, own_cache, monkeypatch, capsys
):
    random = np.random.default_rng(0)
    sides = np.array([[0.1, 2.0, 0.1], [1.0, 0.1, 1.0]])
    for name, count in (("train", 12), ("test", 10)):
        targets = np.arange(count) % 2
        points = random.uniform(size=(count, 150, 3)) * sides[targets][:, None]
        np.savez(tmp_path / f"{name}.npz", points=points, targets=targets, names=np.array(["pole", "plate"]))
    monkeypatch.syspath_prepend(str(SCRIPTS))
    files = (str(tmp_path / "train.npz"), str(tmp_path / "test.npz"))
    monkeypatch.setattr(sys, "argv", ["own_adapter.py", *files, "--shots", "3", "--model", tiny_file])
    runpy.run_path(str(SCRIPTS / "own_adapter.py"), run_name="__main__")
    told = re.findall(r"^(zero-shot|own adapter) (\S+) % (\S+) % (\S+) %$", capsys.readouterr().out, re.M)
    assert [name for name, *_ in told] == ["zero-shot", "own adapter"]
    for _, accuracy, low, high in told:
        assert 0 <= float(low) <= float(accuracy) <= float(high) <= 100
    assert float(told[1][1]) > float(told[0][1])
    assert len((SCRIPTS / "own_adapter.py").read_text().splitlines()) <= 60
