"""Features of their own length for the paper's adapter: what is learned from, kept, refused and used again."""

import pytest
import torch
from support.boxes import write_boxes
from support.command_line import run
from torch.nn.functional import normalize

import pointclip as pc
from pointclip.datasets import ClassFolder
from pointclip.errors import InputError
from pointclip.fewshot.features import with_features
from pointclip.heads import Recipe


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "boxes"
    write_boxes(root, 4)
    return root


def test_raw_features_are_the_unit_ones_with_a_length(model):
    raw = with_features(model, "raw")
    points = torch.rand(1, 200, 3)
    unit, long = model.encode_views(points), raw.encode_views(points)
    assert torch.equal(normalize(long, dim=-1), unit)
    assert long.norm(dim=-1).sub(1).abs().min() > 0.1
    text = model.encode_labels(["box", "ball"])
    assert torch.equal(raw.logits(long, text), model.logits(unit, text))
    assert model.clip.features == "unit" and raw.clip.image_tower is model.clip.image_tower


def test_they_are_kept_apart_and_old_keys_stay(model):
    keys = {with_features(model, kind).feature_spec.key for kind in ("unit", "raw")}
    assert len(keys) == 2
    with pytest.raises(InputError, match="features='long' is unknown"):
        with_features(model, "long")


def test_an_adapter_of_raw_features_is_fitted_saved_and_used(model, boxes, tmp_path):
    found = {}
    for kind in ("unit", "raw"):
        how = {"shots": 2, "recipe": Recipe(epochs=2), "cache": tmp_path, "progress": False, "features": kind}
        found[kind] = pc.fit(model, ClassFolder(boxes), out=tmp_path / f"{kind}.safetensors", **how)
    assert found["raw"].zero_shot_accuracy == found["unit"].zero_shot_accuracy
    again = pc.PointCLIP.from_pretrained(model.clip.name, adapter=tmp_path / "raw.safetensors", precision="fp32")
    assert again.clip.features == "raw" == found["raw"].checkpoint.about["features"]
    cloud = ClassFolder(boxes).item(0)[0]
    features = with_features(model, "raw").encode_views(cloud)
    assert torch.allclose(again.classify(cloud).logits, found["raw"].head(features)[0], atol=1e-5)
    other = pc.PointCLIP.from_pretrained(model.clip.name, adapter=tmp_path / "unit.safetensors", precision="fp32")
    assert other.clip.features == "unit"


def test_only_adapters_take_them(boxes, fixed, tmp_path):
    ran = run("fit", boxes, "--out", tmp_path / "x.safetensors", "--method", "probe", "--features", "raw", *fixed)
    assert ran.code == 2 and "features='raw' is for adapters: method 'probe'" in ran.err
