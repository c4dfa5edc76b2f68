"""What a user holds goes in; a frozen model stays as it was loaded."""

import numpy as np
import pytest
import torch
import trimesh
from support.boxes import write_box, write_boxes
from torch.utils.data import DataLoader

import pointclip as pc
from pointclip.datasets.folder import ClassFolder
from pointclip.heads.checkpoint import load_checkpoint
from pointclip.prediction import Prediction

LABELS = ["plank", "pole"]


def test_a_path_an_array_a_tensor_and_a_trimesh_object_are_classified(model, tmp_path):
    path = write_box(tmp_path / "plank.obj", (4.0, 0.3, 1.0))
    points = pc.load(path).points
    held = [path, str(path), points.numpy(), points, trimesh.load(path), pc.load(path)]
    found = model.classify(held, LABELS)
    assert [type(one) for one in found] == [Prediction] * 6
    torch.testing.assert_close(found[2].logits, found[3].logits, rtol=0, atol=0)
    torch.testing.assert_close(found[0].logits, found[5].logits, rtol=0, atol=0)
    assert isinstance(model.classify(path, LABELS), Prediction)


@pytest.mark.parametrize("held", [5, {"points": 1}, np.zeros((4, 2)), None])
def test_what_is_no_shape_is_refused(model, held):
    with pytest.raises(pc.InputError):
        model.classify(held, LABELS)


def test_logits_are_the_forward_pass_without_the_pictures(model):
    points, text = torch.rand(1, 200, 3), model.encode_labels(LABELS)
    torch.testing.assert_close(model.logits(model.encode_views(points), text), model(points, text))


def test_training_mode_does_not_change_a_fitted_head(model, tmp_path):
    data = ClassFolder(write_boxes(tmp_path / "data", 2))
    out = tmp_path / "head.safetensors"
    pc.fit(model, data, method="light", shots=2, out=out, cache=tmp_path / "cache")
    fitted = pc.PointCLIP(model.clip, "ring-2", adapter=load_checkpoint(out))
    points = torch.rand(1, 200, 3)
    before = fitted(points)
    fitted.train()
    assert not any(part.training for part in fitted.modules())
    fitted(points)
    torch.testing.assert_close(fitted(points), before, rtol=0, atol=0)


@pytest.mark.parametrize("change", ["half", "double", "bfloat16"])
def test_another_number_format_is_one_sentence(model, change):
    with pytest.raises(pc.InputError, match="precision="):
        getattr(model, change)()
    assert model.view_weights.dtype == torch.float32


def test_views_follow_the_towers(model, monkeypatch):
    asked = []

    class Rig:
        def to(self, device):
            asked.append(device)
            return self

    monkeypatch.setattr(model, "views", Rig())
    model.to("cpu")
    assert asked == [model.device]


def test_a_dataset_goes_through_a_data_loader(tmp_path):
    data = ClassFolder(write_boxes(tmp_path / "data", 1))
    labels = [label for batch in DataLoader(data, batch_size=2, collate_fn=list) for _, label, _ in batch]
    assert labels == ["cube", "plank", "pole"]
    assert len(list(data)) == 3
