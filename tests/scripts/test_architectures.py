"""Twelve architectures of open_clip, of every family: the features are those of the tower's own forward."""

import csv
import sys
from pathlib import Path

import pytest

# two of a family where one is folded or rewritten and its like is not
TWELVE = {
    "RN50": "folded",
    "ViT-S-32-alt": "plain ViT",
    "ViT-B-32-quickgelu": "plain ViT",
    "roberta-ViT-B-32": "plain ViT",
    "MobileCLIP-S1": "folded",
    "MobileCLIP2-S0": "folded",
    "coca_ViT-B-32": "own",
    "convnext_base": "own",
    "ViTamin-S": "own",
    "PE-Core-T-16-384": "own",
    "ViT-B-16-SigLIP2": "own",
    "EVA02-B-16": "own",
}


@pytest.fixture
def script(monkeypatch, own_cache):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    import architectures

    yield architectures
    sys.modules.pop("architectures")


def test_the_features_of_twelve_architectures_are_the_towers_own(script, tmp_path, capsys):
    assert script.main([*TWELVE, "--csv", str(tmp_path / "forms.csv")]) == 0
    with (tmp_path / "forms.csv").open() as file:
        rows = {row["architecture"]: row for row in csv.DictReader(file)}
    assert {name: row["form"] for name, row in rows.items()} == TWELVE
    assert all(float(row["cosine"]) > 0.99999 and float(row["difference"]) < 1e-5 for row in rows.values())
    assert "12 architectures, 12 run, 0 differ" in capsys.readouterr().out


def test_a_form_that_differs_is_found(script, monkeypatch, capsys):
    from pointclip.clip import precision

    real = precision.place
    monkeypatch.setattr(precision, "place", lambda tower, *how: (_noisy(real(tower, *how)[0]), None))
    assert script.main(["ViT-S-32-alt"]) == 1
    assert "1 run, 1 differ" in capsys.readouterr().out


def test_what_cannot_run_is_a_sentence(script, capsys):
    assert script.main(["ViT-S-32-alt", "no-such-net", "--most", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "left out: 0.1 GB of weights" in lines[0]
    assert "no-such-net" in lines[1] and "Error" in lines[1]
    assert "2 architectures, 0 run, 0 differ" in lines[2]


def _noisy(tower):
    tower.register_forward_hook(lambda module, given, out: out.flip(-1))
    return tower
