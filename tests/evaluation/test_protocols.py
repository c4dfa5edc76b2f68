"""The papers' protocols from the stored files to the logits, against a transcription of what their codes compute."""

import csv
import json

import h5py
import numpy as np
import pytest
import torch
from support.command_line import run
from support.papers import SIX, TEN, V2, paper_depth, resize, v2_picture
from torch.nn.functional import normalize

import pointclip as pc
from pointclip.datasets import open_dataset
from pointclip.datasets.modelnet import CLASSES_40
from pointclip.errors import InputError
from pointclip.evaluation import PROTOCOLS, PUBLISHED, evaluate
from pointclip.weights import load

KINDS = (8, 23, 36, 0)  # chair, night stand, tv stand, airplane


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write ``modelnet40_ply_hdf5_2048`` in its layout: clouds off the centre, of several sizes, with strays."""
    folder, random = tmp_path_factory.mktemp("modelnet"), np.random.default_rng(0)
    (folder / "shape_names.txt").write_text("\n".join(CLASSES_40) + "\n")
    for split in ("train", "test"):
        data = random.normal(size=(4, 2048, 3)) * [0.4, 0.3, 0.2] + 0.1
        data[2, 5] = 3.0
        with h5py.File(folder / f"ply_data_{split}0.h5", "w") as file:
            file["data"], file["label"] = data.astype(np.float32), np.array(KINDS, np.uint8)[:, None]
        (folder / f"{split}_files.txt").write_text(f"data/modelnet40_ply_hdf5_2048/ply_data_{split}0.h5\n")
    return folder


def stored(files):
    with h5py.File(files / "ply_data_test0.h5") as file:
        return file["data"][:, :1024]


def pictures(protocol, points, size):
    if protocol == "pointclip-v2":
        drawn = [v2_picture(points, angles) for angles in V2]
    else:
        angles, resolution, distance = (SIX, 128, 1.6) if protocol == "pointclip-v1" else (TEN, 224, 1.4)
        drawn = [paper_depth(points, triple, resolution, distance) for triple in angles]
    return torch.from_numpy(np.stack([resize(picture, size) for picture in drawn])).float()


def raw_features(protocol, points, model):
    """Grey pictures as three channels, no mean, no deviation: what open_clip's own tower makes of them."""
    with torch.inference_mode():
        return model.encode_image(pictures(protocol, points, 32)[:, None].expand(-1, 3, -1, -1))


def sentences(template, loaded):
    with torch.inference_mode():
        words = [template.format(name.replace("_", " ")) for name in CLASSES_40]
        return loaded.model.encode_text(loaded.tokenizer(words))


def concatenated(features, text, scale):
    """The codes' logits: views side by side, each unit, against the text repeated and made a unit vector."""
    image = features.flatten()
    texts = text.repeat(1, len(features))
    return scale * image @ (texts / texts.norm(dim=-1, keepdim=True)).T


def expected(protocol, points, loaded, weights=None):
    features = normalize(raw_features(protocol, points, loaded.model), dim=-1)
    text = sentences("point cloud depth map of a {}.", loaded)
    if protocol == "pointclip-v1":
        return concatenated(features, text, loaded.logit_scale)
    return concatenated(features * torch.tensor(weights)[:, None], text, 100.0)


def model_of(protocol, tiny_file, **changes):
    found = PROTOCOLS[protocol]
    how = {"views": found.rig, "style": found.style, "templates": found.template, **changes}
    return pc.PointCLIP.from_pretrained(tiny_file, device="cpu", precision="fp32", **how)


@pytest.mark.parametrize("protocol", ["pointclip-v1", "pointclip-v2"])
def test_zero_shot_logits_are_the_papers_from_file_to_logits(protocol, files, tiny_file, own_cache):
    found, model, loaded = PROTOCOLS[protocol], model_of(protocol, tiny_file), load(tiny_file)
    weights = None
    if protocol == "pointclip-v2":
        model.clip.name = "ViT-B-16/openai"  # whose view weights the code has
        weights = found.view_weights["modelnet40", "ViT-B-16"]
    found.prepare(model, "modelnet40")
    opened = lambda split: found.stored(open_dataset(f"modelnet40:{files}", split))  # noqa: E731
    points = stored(files)
    cloud, label, _ = opened("test").item(1)
    assert label == "night stand" and np.array_equal(cloud.points.numpy(), points[1])
    judged = evaluate(model, opened, found.request("modelnet40")).test
    assert judged.labels == ["chair", "night stand", "tv stand", "airplane"]
    order = [judged.classes.index(name.replace("_", " ")) for name in CLASSES_40]
    for row, one in zip(judged.logits, points, strict=True):
        wanted = expected(protocol, one, loaded, weights)
        assert wanted.std() > 0.1
        torch.testing.assert_close(torch.from_numpy(row)[order], wanted, rtol=1e-5, atol=1e-5 * model.clip.logit_scale)


def test_the_usual_reading_is_another(files):
    """What as_stored changes, in points and in the name under which features are kept."""
    usual, exact = (open_dataset(f"modelnet40:{files}", "test", num_points=1024) for _ in range(2))
    exact = PROTOCOLS["pointclip-v1"].stored(exact)
    assert not torch.equal(usual.item(0)[0].points, exact.item(0)[0].points)
    assert usual.fingerprint(0) != exact.fingerprint(0)


def test_the_command_prints_the_published_number_beside_ours(files, fixed, tiny_file, tmp_path, own_cache):
    out = tmp_path / "result"
    ran = run("eval", f"modelnet40:{files}", "--protocol", "pointclip-v1", "--out", out, *fixed)
    assert ran.code == 0, ran.err
    assert "published" in ran.out and "20.18 %  RN50, PointCLIP (Zhang et al., CVPR 2022)" in ran.out
    document = json.loads((out / "result.json").read_text())
    assert document["protocol"]["name"] == "pointclip-v1"
    assert document["protocol"]["published"][0]["accuracy"] == 0.2018
    assert document["settings"]["points"] == 1024 and document["validation"] is None
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, points in zip(rows, stored(files), strict=True):
        wanted = expected("pointclip-v1", points, load(tiny_file)).softmax(0)
        assert row["predicted"] == CLASSES_40[wanted.argmax()].replace("_", " ")
        assert float(row["probability"]) == pytest.approx(wanted.max().item(), abs=1e-5)


def test_v2_says_what_was_picked_on_test_and_takes_its_sentences(files, fixed, tmp_path, own_cache):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({name.replace("_", " "): [f"a {name} of grey balls"] for name in CLASSES_40}))
    command = ("eval", f"modelnet40:{files}", "--protocol", "pointclip-v2", *fixed)
    documents = [run(*command, *more, "--json").json for more in ((), ("--templates", own))]
    assert documents[0]["metrics"] != documents[1]["metrics"] or documents[0]["settings"] != documents[1]["settings"]
    text = run(*command)
    assert "64.22 %" in text.out and "picked on the test labels" in text.out
    assert "note: the paper's sentences" in text.err and "--templates FILE.json" in text.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--protocol", "pointclip"), "protocol 'pointclip' is unknown: did you mean 'pointclip-v"),
        (("--protocol", "pointclip-v1", "--views", "ring-6"), "brings its own views: leave --views out"),
        (("--protocol", "pointclip-v1", "--points", 2048), "brings its own points"),
        (("--protocol", "pointclip-v1", "--up", "z"), "brings its own up"),
        (("--protocol", "pointclip-v1", "--pose", "search"), "brings its own pose"),
        (("--protocol", "pointclip-v1", "--templates", "label"), "brings its own templates"),
        (("--protocol", "pointclip-v1-few-shot"), "judges an adapter: name its file with --adapter"),
    ],
)
def test_what_contradicts_a_protocol(options, words, files, fixed):
    ran = run("eval", f"modelnet40:{files}", *options, *fixed)
    assert ran.code == 2 and words in ran.err


def test_meshes_have_no_stored_rows(shapes, fixed):
    ran = run("eval", "sub", "--protocol", "pointclip-v1", *fixed)
    assert ran.code == 2
    (shapes / "all" / "ball").mkdir(parents=True)
    (shapes / "sub" / "ball.ply").rename(shapes / "all" / "ball" / "ball.ply")
    ran = run("eval", "all", "--protocol", "pointclip-v1", *fixed)
    assert ran.code == 2 and "first 1024 rows stored of each cloud: name the HDF5 files" in ran.err


def test_another_model_is_refused(tiny_file):
    with pytest.raises(InputError, match="was made with the rig 'pointclip-6', not with the rig 'ring-2'"):
        PROTOCOLS["pointclip-v1"].prepare(model_of("pointclip-v1", tiny_file, views="ring-2"), "modelnet40")


def test_every_published_number_names_a_protocol_and_a_dataset():
    from pointclip.datasets import dataset_names

    assert all(row.protocol in PROTOCOLS and row.dataset in dataset_names() and row.source for row in PUBLISHED)
    assert {row.protocol for row in PUBLISHED} == set(PROTOCOLS)
    assert all(0 < row.accuracy < 1 for row in PUBLISHED)
