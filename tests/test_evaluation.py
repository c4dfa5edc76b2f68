"""Which shapes an evaluation judges and chooses on, and how often it looks at them."""

import pytest
from cli_cases import run, tiny_file
from few_shot_cases import write_boxes

from pointclip.datasets.folder import ClassFolder

__all__ = ["tiny_file"]


@pytest.fixture(scope="module")
def fixed(tiny_file):
    return ("--model", tiny_file, "--precision", "fp32", "--device", "cpu", "--points", 200)


@pytest.fixture
def boxes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_boxes(tmp_path / "boxes" / "train", 8)
    write_boxes(tmp_path / "boxes" / "test", 2, seed=1)
    return "boxes"


def test_a_split_is_listed_and_its_labels_are_read_once(boxes, fixed, monkeypatch):
    listed, labels = [], []
    usual = ClassFolder.__init__, ClassFolder.label
    monkeypatch.setattr(ClassFolder, "__init__", lambda self, *args: listed.append(args[1]) or usual[0](self, *args))
    monkeypatch.setattr(
        ClassFolder, "label", lambda self, place: labels.append((self.split, place)) or usual[1](self, place)
    )
    monkeypatch.setattr("pointclip.evaluation.encode_dataset", None)  # a shape that is encoded tells its label too
    assert run("eval", boxes, "--views", "ring-2", *fixed).code == 1
    assert listed == [None, "test"]  # the default is train, on which is chosen
    assert labels == [("test", k) for k in range(6)] + [("train", k) for k in range(24)]
