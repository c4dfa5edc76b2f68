"""An adapter in the layout of V1's code gives V1's logits: as a module, and from stored points through the commands."""

import h5py
import numpy as np
import pytest
import torch
from support.command_line import run
from support.papers import TEN, paper_depth, resize, v1_adapted, v1_state

import pointclip as pc
from pointclip.clip import FrozenClip
from pointclip.datasets.modelnet import CLASSES_40
from pointclip.errors import InputError, WeightsError
from pointclip.evaluation import PROTOCOLS, evaluate
from pointclip.fewshot import convert_v1
from pointclip.weights import load, random

LABELS = ["chair", "night stand", "bowl"]


class Scheduler:
    """What the code saves besides: an object of a class of its own."""


def saved(path, state):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], 0.01)
    others = {"epoch": 40, "optimizer": optimizer.state_dict(), "scheduler": {"successor": Scheduler()}}
    torch.save({"state_dict": state, **others}, path)
    return path


@pytest.fixture(scope="module")
def state():
    return v1_state(16, 10)


@pytest.fixture
def file(tmp_path, state):
    return saved(tmp_path / "model-best.pth.tar", state)


def v1_logits(raw, state, text, scale, ratio=0.6):
    """The code's: adapted features of all views over their length, against the repeated text over its length."""
    image = v1_adapted(raw, state, ratio)
    text = text.repeat(1, raw.shape[1])
    return scale * (image / image.norm(dim=-1, keepdim=True)) @ (text / text.norm(dim=-1, keepdim=True)).T


def test_the_layout_is_v1s(state):
    assert len(state) == 17
    assert {tensor.dtype for name, tensor in state.items() if "tracked" not in name} == {torch.float16}


@pytest.mark.parametrize("ratio", [0.6, 0.3])
def test_the_head_gives_v1s_logits_on_raw_features(file, state, tiny_file, ratio, own_cache):
    clip = FrozenClip(load(tiny_file), "cpu", "fp32")
    found = convert_v1(file, clip, LABELS, ratio=ratio)
    raw = torch.randn(5, 10, 16, generator=torch.Generator().manual_seed(1)) * 8
    text = clip.encode_labels(LABELS, ["point cloud of a big {}."])
    expected = v1_logits(raw, state, text, clip.logit_scale, ratio)
    torch.testing.assert_close(found.head(raw), expected, rtol=1e-5, atol=1e-5 * clip.logit_scale)
    unit = torch.nn.functional.normalize(raw, dim=-1)
    assert not torch.allclose(found.head(unit), expected, atol=0.1), "the length of features plays no part"
    assert (found.spec.rig, found.spec.style, found.spec.features) == ("pointclip-10", "pointclip", "raw")
    assert found.about["epoch"] == 40 and found.about["converted_from"] == "model-best.pth.tar"


@pytest.fixture
def modelnet(tmp_path):
    folder = tmp_path / "modelnet"
    folder.mkdir()
    (folder / "shape_names.txt").write_text("\n".join(CLASSES_40) + "\n")
    (folder / "test_files.txt").write_text("data/ply_data_test0.h5\n")
    (folder / "train_files.txt").write_text("")
    data = np.random.default_rng(3).normal(size=(3, 2048, 3)) * [0.4, 0.3, 0.2] + 0.1
    with h5py.File(folder / "ply_data_test0.h5", "w") as file:
        file["data"], file["label"] = data.astype(np.float32), np.array([[8], [23], [0]], np.uint8)
    return folder


def test_from_stored_points_to_v1s_logits(file, state, modelnet, fixed, tiny_file, own_cache, tmp_path):
    """convert-v1, then what eval --protocol computes, against pictures, tower, adapter and text one by one."""
    out = tmp_path / "v1.safetensors"
    ran = run("convert-v1", file, "--out", out, *fixed)
    assert ran.code == 0, ran.err
    assert "10 views, 40 classes" in ran.out and "--protocol pointclip-v1-few-shot --adapter" in ran.err
    model = pc.PointCLIP.from_pretrained(tiny_file, adapter=out, device="cpu", precision="fp32")
    protocol, loaded = PROTOCOLS["pointclip-v1-few-shot"], load(tiny_file)
    protocol.prepare(model, "modelnet40")
    opened = lambda split: protocol.stored(pc.open_dataset(f"modelnet40:{modelnet}", split))  # noqa: E731
    judged = evaluate(model, opened, protocol.request("modelnet40", split="test")).test
    with h5py.File(modelnet / "ply_data_test0.h5") as stored:
        clouds = stored["data"][:, :1024]
    sentences = [f"point cloud of a big {name.replace('_', ' ')}." for name in CLASSES_40]
    with torch.inference_mode():
        text = loaded.model.encode_text(loaded.tokenizer(sentences))
        for row, points in zip(judged.logits, clouds, strict=True):
            grey = np.stack([resize(paper_depth(points, angles, 224, 1.4), 32) for angles in TEN])
            raw = loaded.model.encode_image(torch.from_numpy(grey).float()[:, None].expand(-1, 3, -1, -1))
            expected = v1_logits(raw[None], state, text, loaded.logit_scale)[0]
            assert raw.norm(dim=-1).sub(1).abs().min() > 0.1, "raw features that are unit ones test nothing"
            torch.testing.assert_close(torch.from_numpy(row), expected, rtol=1e-5, atol=1e-5 * loaded.logit_scale)
    told = run("eval", f"modelnet40:{modelnet}", "--protocol", "pointclip-v1-few-shot", "--adapter", out, *fixed)
    assert told.code == 0 and "86.71 %  RN101" in told.out


def test_a_converted_head_classifies_as_any_other(file, tiny_file, tmp_path, own_cache):
    clip = FrozenClip(load(tiny_file), "cpu", "fp32")
    path = convert_v1(file, clip, LABELS).save(tmp_path / "v1.safetensors")
    model = pc.PointCLIP.from_pretrained(tiny_file, adapter=path, device="cpu", precision="fp32")
    points = torch.randn(1, 500, 3, generator=torch.Generator().manual_seed(0)) * 0.4
    features = model.encode_views(points)
    assert features.norm(dim=-1).sub(1).abs().min() > 0.1
    prediction = model.classify(pc.PointCloud(points[0]))
    assert torch.equal(prediction.logits, model.logits(features)[0])
    assert prediction.view_logits.abs().max() <= clip.logit_scale * 1.001, "each view's own cosine"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: {**state, "view_f.2.bias": torch.ones(3)}, "body.expand.bias has the shape (3,)"),
        (lambda state: {k: v for k, v in state.items() if k != "view_f.0.bias"}, "such as body.hidden.bias"),
        (lambda state: {k: v for k, v in state.items() if k != "fusion_ratio"}, "is no adapter of PointCLIP's code"),
        (lambda state: {**state, "fusion_ratio": Scheduler()}, "is no adapter of PointCLIP's code"),
        (lambda state: v1_state(16, 6), "is for 6 views"),
    ],
)
def test_what_is_no_adapter_of_v1(change, words, state, tiny_file, tmp_path, own_cache):
    path = saved(tmp_path / "other.pth.tar", change(state))
    with pytest.raises(WeightsError) as caught:
        convert_v1(path, FrozenClip(load(tiny_file), "cpu", "fp32"), LABELS)
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_another_clip_is_told_by_its_width(file, tiny, own_cache):
    with pytest.raises(InputError, match="16 channels, and 'random tiny-rn' gives 24: name the CLIP"):
        convert_v1(file, FrozenClip(random("tiny-rn"), "cpu", "fp32"), LABELS)


def test_the_command_wants_a_clip(file, tmp_path):
    ran = run("convert-v1", file, "--out", tmp_path / "x.safetensors")
    assert ran.code == 2 and "--model RN101/openai" in ran.err
