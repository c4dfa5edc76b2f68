"""The up axis searched for: which one is kept, who is told, and that it is off by default."""

import numpy as np
import pytest
import torch
from PIL import Image
from support.solids import box

import pointclip as pc
from pointclip.errors import InputError
from pointclip.points import load, turn_up
from pointclip.points.poses import UP_AXES

LABELS = ["ball", "night stand", "box"]


@pytest.fixture(scope="module")
def cloud():
    points, normals = box(800, (1.0, 2.0, 0.4))
    points = points * (1 + 0.3 * points[:, 1:2])  # top and bottom differ
    return pc.PointCloud(points, normals)


def by_hand(model, cloud):
    """Most probable class and its probability for each axis."""
    found = {}
    for up in UP_AXES:
        turned = pc.PointCloud(turn_up(cloud.points, up), turn_up(cloud.normals, up))
        prediction = model.classify(turned, LABELS)
        found[up] = prediction.probs[0], prediction
    return found


def test_the_most_confident_of_the_six_is_kept(model, cloud):
    tried = by_hand(model, cloud)
    assert len({prob for prob, _ in tried.values()}) == 6
    best = max(tried, key=lambda up: tried[up][0])
    for start in UP_AXES:
        found = model.classify(cloud.turned(start), LABELS, pose="search")
        assert found.probs[0] == pytest.approx(tried[best][0], abs=1e-5)
        again = cloud.turned(start).turned(found.up)
        assert (model.classify(again, LABELS).logits - found.logits).abs().max() < 1e-4
    found = model.classify(cloud, LABELS, top_k=1, pose="search")
    assert (found.up, found.labels) == (best, tried[best][1].labels[:1])
    assert torch.equal(found.view_logits, tried[best][1].view_logits)


def test_off_by_default_and_the_first_of_equals_is_kept(model, cloud):
    given = model.classify(cloud, LABELS)
    assert given.up == "y"
    assert torch.equal(given.logits, by_hand(model, cloud)["y"][1].logits)
    assert model.classify(cloud, ["box"], pose="search").up == "y", "a single class has probability 1 in any pose"


def test_an_unknown_pose_suggests_the_nearest(model, cloud):
    with pytest.raises(InputError, match="did you mean 'search'"):
        model.classify(cloud, LABELS, pose="serch")


def test_the_command_line_tells_which_axis_was_chosen(classify, shapes, model):
    ran = classify("box.obj", "sub/cloud.xyz", "--labels", ",".join(LABELS), "--pose", "search", "--json")
    assert ran.code == 0
    assert ran.json["pose"] == "search"
    assert "up" not in ran.json
    for entry in ran.json["shapes"]:
        truth = model.classify(load(entry["path"], 300), LABELS, pose="search")
        assert entry["up"] == truth.up
        assert [p["probability"] for p in entry["predictions"]] == pytest.approx(truth.probs, abs=1e-6)
    table = classify("box.obj", "--labels", ",".join(LABELS), "--pose", "search").out
    assert table.splitlines()[0] == f"box.obj  (up: {ran.json['shapes'][0]['up']})"
    given = classify("box.obj", "--labels", ",".join(LABELS), "--json").json
    assert (given["pose"], given["up"], "up" in given["shapes"][0]) == ("given", "y", False)


def test_saved_pictures_show_the_chosen_pose(classify, shapes, model):
    for other in (("--pose", "search"), ()):
        ran = classify("box.obj", "--labels", ",".join(LABELS), *other, "--save-views", "views", "--json")
        entry = ran.json["shapes"][0]
        assert entry.get("up") != "y", "else this shows nothing"
        cloud = load("box.obj", 300).turned(entry.get("up", "y"))
        drawn = model.render(cloud)[0, 0].permute(1, 2, 0).numpy()
        assert abs(np.asarray(Image.open(entry["pictures"][0])) / 255 - drawn).max() < 0.003


def test_an_axis_given_besides_is_refused(classify):
    ran = classify("box.obj", "--pose", "search", "--up", "z")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1] == "error: --pose search finds the axis that points up: leave --up z out"
