"""Which shapes an evaluation judges and chooses on, and how often it looks at them."""

from dataclasses import replace
from functools import partial

import pytest
from support.boxes import write_boxes
from support.command_line import run

import pointclip as pc
from pointclip.datasets.folder import ClassFolder
from pointclip.encoding.looks import Augmentation
from pointclip.evaluation.run import Request, evaluate
from pointclip.heads.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def fixed(fixed):
    return (*fixed, "--points", 200)


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
    monkeypatch.setattr("pointclip.evaluation.run.encode_dataset", None)  # a shape that is encoded tells its label too
    assert run("eval", boxes, "--views", "ring-2", *fixed).code == 1
    assert listed == [None, "test"]  # the default is train, on which is chosen
    assert labels == [("test", k) for k in range(6)] + [("train", k) for k in range(24)]


@pytest.fixture
def judged(boxes, fixed):
    """Fit a head on shapes of a folder and judge it on the boxes; give its shots and the evaluation."""

    def call(shots, folder=boxes, forget=False, **request):
        train = ClassFolder(folder, num_points=200)
        looks = {"views": "ring-2", "precision": "fp32", "device": "cpu"}
        model = pc.PointCLIP.from_pretrained(fixed[1], **looks)
        how = {"method": "probe", "augmentation": Augmentation(copies=0), "cache": "cache", "progress": False}
        pc.fit(model, train, shots=shots, out="head", **how)
        head = load_checkpoint("head")
        if forget:
            replace(head, about={name: told for name, told in head.about.items() if name != "shot_ids"}).save("head")
        model = pc.PointCLIP.from_pretrained(fixed[1], adapter="head", precision="fp32", device="cpu")
        return head.shot_ids, evaluate(model, partial(ClassFolder, boxes, num_points=200), Request(**request))

    return call


def test_the_shots_of_a_head_choose_nothing(judged):
    shots, found = judged(7)
    assert len(shots) == 21 and all(name.startswith("train/") for name in shots)
    assert len(found.val) == 1 and not shots & set(found.val.ids)  # a quarter of the three that are left
    assert "left out of the validation shapes: 21 shots of the few-shot head" in found.notes
    assert not any("may have taught" in note for note in found.notes)
    assert found.metrics["temperature"] > 0


def test_where_every_shape_is_a_shot_nothing_is_chosen(judged):
    shots, found = judged(8)
    assert len(shots) == 24 and found.val is None and "temperature" not in found.metrics
    assert any(
        "there are no shapes to choose on besides the judged ones: a temperature" in note for note in found.notes
    )


def test_a_head_that_names_no_shots_is_judged_with_the_note_of_old(judged):
    for how in ({"forget": True}, {"folder": "boxes/train"}):  # an old file; and names that start at another folder
        shots, found = judged(7, **how)
        assert len(shots) == 21 and len(found.val) == 6
        assert any("may have taught the few-shot head" in note for note in found.notes)
        assert not any("left out of the validation" in note for note in found.notes)


def test_shots_among_the_judged_are_told(judged):
    _, found = judged(2, split="train")
    assert "judged were 6 shots of the few-shot head too: the numbers are optimistic" in found.notes
    assert not any("judged were" in note for note in judged(2)[1].notes)


def test_a_dataset_without_ids_names_no_shots(boxes, fixed):
    class Nameless:
        def __init__(self):
            self.shapes = ClassFolder(boxes, num_points=200)
            self.labels, self.split = self.shapes.labels, "train"

        def __len__(self):
            return len(self.shapes)

        def item(self, index):
            return self.shapes.item(index)

    model = pc.PointCLIP.from_pretrained(fixed[1], views="ring-2", precision="fp32", device="cpu")
    how = {"method": "probe", "augmentation": Augmentation(copies=0), "cache": "cache", "progress": False}
    result = pc.fit(model, Nameless(), shots=1, most_val=1, **how)
    assert "shot_ids" not in result.checkpoint.about and result.checkpoint.shot_ids == frozenset()


def test_a_siglips_bias_reaches_the_rejection(boxes, fixed):
    model = pc.PointCLIP.from_pretrained(fixed[1], views="ring-2", precision="fp32", device="cpu")
    model.clip.logit_bias = -3.0
    found = evaluate(model, partial(ClassFolder, boxes, num_points=200), Request(reject=True, unknown=("pole",)))
    assert found.rejection["bias"] == -3.0
    assert found.rejection["score"] in ("sigmoid", "probability")
