"""What the scripts share: a dirty tree is told, tables are whole or not there, scores are those of evaluation."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pointclip._base.provenance import commit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

import _common


@pytest.fixture
def repository(tmp_path):
    """A repository with a package and a file outside of it."""
    for name in ("package/__init__.py", "package/part/__init__.py", "scripts/run.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_change_anywhere_in_the_repository_is_told(repository):
    package = repository / "package"
    assert not commit(package, ":/").endswith("-dirty")
    (repository / "scripts" / "run.py").write_text("changed")
    assert commit(package, ":/").endswith("-dirty")
    assert not commit(package).endswith("-dirty"), "a result of the package asks for the package alone"
    (package / "part" / "__init__.py").write_text("changed")
    assert commit(package).endswith("-dirty")


def test_the_default_folder_is_the_whole_package():
    (folder, _) = commit.__defaults__
    assert folder.name == "pointclip" and (folder / "_base" / "provenance.py").is_file()


def test_a_table_is_whole_or_not_there(tmp_path):
    target = tmp_path / "new" / "a.csv"
    _common.write_csv(target, [{"a": 1}, {"a": 2, "b": 3}])
    with target.open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]
    before = target.read_bytes()

    class Unspeakable:
        def __str__(self):
            raise RuntimeError("cut short")

    with pytest.raises(RuntimeError, match="cut short"):
        _common.write_csv(target, [{"a": 1}, {"a": Unspeakable()}])
    assert target.read_bytes() == before and [file.name for file in target.parent.iterdir()] == ["a.csv"]


def test_the_command_names_no_place_of_this_machine(tmp_path, monkeypatch):
    inside = str(_common.ASSETS / "bench" / "a.csv")
    words = ["/elsewhere/run.py", "--root", str(tmp_path / "data"), f"--out={inside}", "--shots", "1,2"]
    monkeypatch.setattr(sys, "argv", words)
    told = "python scripts/run.py --root FOLDER/data --out=assets/bench/a.csv --shots 1,2"
    assert _common.birth_certificate()["command"] == told


def test_scores_are_counted_by_hand():
    logits = torch.eye(7)[[0, 0, 1, 6]] + 0.01 * torch.arange(7, 0, -1)
    told = _common.scores(logits, torch.tensor([0, 0, 2, 5]))
    assert told == {"accuracy": 0.5, "mean_class_accuracy": pytest.approx(1 / 3), "top5": 0.75}
    assert _common.percentages(logits, torch.tensor([0, 0, 2, 5])) == {"top1": 50.0, "top5": 75.0, "mean_class": 33.3}
