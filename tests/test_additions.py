"""A style, a rig, a dataset, a few-shot head: one file and one row each, added here and used from the command line."""

from importlib import import_module
from textwrap import dedent

import pytest
from support.boxes import write_boxes
from support.command_line import run

from pointclip import images
from pointclip.cameras import rigs
from pointclip.datasets import SOURCES, table
from pointclip.heads import METHODS, load_checkpoint


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Write a module of somebody's own and import it."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(dedent(text))
        monkeypatch.syspath_prepend(str(tmp_path))
        return import_module(name)

    return write


def test_a_style(added, classify, monkeypatch):
    module = added(
        "own_style",
        """
        from dataclasses import dataclass
        import torch
        from pointclip.images.scene import draw
        from pointclip.images.styles import Framed

        DRAWN = []

        @dataclass(frozen=True)
        class Flat(Framed):
            tone: float = 0.25

        @draw.register
        def _flat(style: Flat, scene):
            DRAWN.append(style.tone)
            return torch.full((*scene.uvz.shape[:2], *scene.frame, 1), style.tone)
        """,
    )
    assert classify("box.obj", "--labels", "cup,table", "--style", "flat").code == 2
    monkeypatch.setitem(images.STYLES, "flat", module.Flat())
    told = classify("box.obj", "--labels", "cup,table", "--style", "flat", "--json")
    assert told.code == 0, told.err
    assert told.json["style"] == "flat" and set(module.DRAWN) == {0.25}
    assert "flat" in run("models").out


def test_a_rig(added, classify, monkeypatch):
    module = added(
        "own_rig",
        """
        from dataclasses import replace
        from pointclip.cameras.rigs import ring

        def front():
            return replace(ring(1), rig="front")
        """,
    )
    assert classify("box.obj", "--labels", "cup,table", "--views", "front").code == 2
    monkeypatch.setitem(rigs._FIXED, "front", module.front)
    told = classify("box.obj", "--labels", "cup,table", "--views", "front", "--json")
    assert told.code == 0, told.err
    assert told.json["views"] == "front"
    assert "front" in run("models").out


def test_a_dataset(added, tiny_file, tmp_path, monkeypatch):
    module = added(
        "own_dataset",
        """
        from pathlib import Path
        from pointclip.datasets import Entry, ListedFiles

        NAMES = ("shelf", "shelf-small")
        HOME = None

        class Shelf(ListedFiles):
            def __init__(self, folder, split, *how):
                files = sorted(Path(folder).glob("*.obj"))
                parts = {True: "test", False: "train"}
                entries = [Entry(file, file.stem.split("-")[0], parts["3" in file.stem], file.name) for file in files]
                super().__init__(entries, split, *how)

        def opened(name, folder, split, num_points, up, seed):
            return Shelf(folder, split or "train", num_points // (2 if name == "shelf-small" else 1), up or "z", seed)
        """,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / ".cache"))
    for box in write_boxes(tmp_path / "boxes", 4).glob("*/*.obj"):
        (tmp_path / "shop").mkdir(exist_ok=True)
        box.rename(tmp_path / "shop" / f"{box.parent.name}-{box.stem}.obj")
    fixed = ("--model", tiny_file, "--precision", "fp32", "--device", "cpu", "--points", 200, "--views", "ring-2")
    assert "is no folder, no .csv file and no dataset's name" in run("eval", "shelf:shop", *fixed).err
    monkeypatch.setattr(table, "SOURCES", [*SOURCES, module])
    judged = run("eval", "SHELF:shop", "--no-calibrate", "--json", *fixed)
    fitted = run("fit", "shelf-small:shop", "-o", "own.safetensors", "--method", "weights", "--json", *fixed)
    assert "shelf needs the folder it lies in: write shelf:FOLDER" in run("eval", "shelf", *fixed).err
    assert "shelf-small" in run("models").out
    for command in ("eval", "fit"):
        assert "shelf-small" in run(command, "--help", env={"COLUMNS": "200"}).out
    assert judged.code == 0, judged.err
    told = judged.json["dataset"]
    assert (told["name"], told["split"], told["shapes"]) == ("shelf", "test", 3)
    assert fitted.code == 0, fitted.err
    assert sorted(fitted.json["labels"]) == ["cube", "plank", "pole"] and fitted.json["num_train"] == 9


def test_a_head(added, tiny_file, tmp_path, monkeypatch):
    module = added(
        "own_head",
        """
        import torch
        from pointclip.fusion import pooled
        from pointclip.heads import Fitted, Head, Method, check_support, choose, judged_on

        class MeansHead(Head):
            kind = "means"

            def __init__(self, text, num_views, scale):
                super().__init__(text, num_views, scale)
                self.register_buffer("means", torch.zeros_like(text))

            def forward(self, features):
                return self.scale * pooled(features, "mean") @ self.means.T

        def fit_means(train, targets, text, val=None, val_targets=None, *, scale=100.0, only=None):
            train = check_support(train, targets, text).float()
            head = MeansHead(text, train.shape[2], scale)
            hot = torch.nn.functional.one_hot(targets, len(text)).to(text)
            head.means.copy_((hot / hot.sum(0)).T @ pooled(train.mean(1), "mean"))
            return choose([({"of": "shots"}, head)], judged_on(val, val_targets, text), only)

        ROW = Method("means", MeansHead, fit_means, "the nearest mean of the shots")
        """,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / ".cache"))
    write_boxes(tmp_path / "boxes", 4)
    fixed = ("--model", tiny_file, "--precision", "fp32", "--device", "cpu", "--points", 200)
    asked = ("fit", "boxes", "-o", "own.safetensors", "--method", "means", "--shots", 2, "--views", "ring-2", *fixed)
    assert "method 'means' is unknown" in run(*asked).err
    monkeypatch.setitem(METHODS, "means", module.ROW)
    fitted = run(*asked, "--json")
    assert fitted.code == 0, fitted.err
    assert fitted.json["method"] == "means" and 0 <= fitted.json["val_accuracy"] <= 1
    assert type(load_checkpoint("own.safetensors").head).__name__ == "MeansHead"
    told = run("classify", "boxes/cube/0.obj", "--adapter", "own.safetensors", "--json", *fixed)
    assert told.code == 0, told.err
    assert "means" in run("models", "--json").out
