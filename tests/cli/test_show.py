"""``pointclip show``: sheets, pages and explanations from the command line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from support.command_line import run

import pointclip as pc
from pointclip.points import load

FEW = ("--views", "ring-2", "--points", 300)


@pytest.fixture
def show(tiny_file, shapes):
    """Run ``pointclip show`` with a tiny tower, few views and few points."""

    def call(*arguments):
        return run("show", *FEW, "--model", tiny_file, "--precision", "fp32", "--device", "cpu", *arguments)

    return call


def test_a_sheet_for_each_shape_without_any_model(shapes, monkeypatch):
    monkeypatch.setattr(pc.PointCLIP, "from_pretrained", lambda *_, **__: pytest.fail("no model is needed"))
    ran = run("show", ".", *FEW, "--out", "sheets")
    assert ran.code == 0
    made = sorted(str(path.relative_to(shapes)) for path in shapes.glob("sheets/**/*.png"))
    assert made == ["sheets/box-views.png", "sheets/sub/ball-views.png", "sheets/sub/cloud-views.png"]
    assert all(name in ran.out for name in made)
    width, height = Image.open(made[0]).size
    assert width > 2 * 200 and 200 < height < 400


def test_shapes_of_one_name_keep_their_sheets_apart(shapes):
    (shapes / "box.xyz").write_text("0 0 0\n1 1 1\n0 1 0\n")
    assert run("show", "box.obj", "box.xyz", *FEW).code == 0
    assert (shapes / "box.obj-views.png").exists() and (shapes / "box.xyz-views.png").exists()


def test_labels_json_tells_contributions_that_sum_to_the_logits(show, tiny_file, shapes):
    labels = ["ball", "box", "cup"]
    ran = show("box.obj", "--labels", ",".join(labels), "--out", "a.png", "--json")
    assert ran.code == 0
    (entry,) = ran.json["shapes"]
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", device="cpu", precision="fp32")
    truth = model.classify(load("box.obj", 300), labels)
    assert [p["label"] for p in entry["predictions"]] == list(truth.labels)
    for label in labels:
        logit = truth.logits[labels.index(label)].item()
        assert sum(entry["contributions"][label]) == pytest.approx(logit, abs=1e-3)
    assert entry["sheet"] == "a.png" and len(entry["views"]) == 2
    assert ran.json["views"] == "ring-2"


def test_compare_puts_every_style_under_each_other(shapes):
    assert run("show", "box.obj", *FEW, "--out", "one.png").code == 0
    assert run("show", "box.obj", *FEW, "--out", "all.png", "--compare").code == 0
    one, many = Image.open("one.png").height, Image.open("all.png").height
    assert 4.5 < many / one < 7  # six styles; the box has no colours


def test_explain_paints_bars_parts_and_saves_a_cloud(show, shapes):
    arguments = ("--labels", "ball,box", "--explain", "--ply", "s.ply", "--html", "p.html", "--out", "e.png")
    ran = show("box.obj", *arguments)
    assert ran.code == 0, ran.err
    sheet = np.asarray(Image.open("e.png").convert("RGB")).astype(int)
    assert ((sheet[..., 0] - sheet[..., 2]).__abs__() > 60).any()
    page = (shapes / "p.html").read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert [name for name, _ in data["paints"]][-1] == "occlusion"
    assert len(data["panels"]) == 2 and data["panels"][0]["scores"]
    back = load("s.ply", normalize=False)
    assert len(back) == 300 and back.colors is not None
    torch.testing.assert_close(back.points, load("box.obj", 300).points)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_a_stray_point_shrinks_the_shape_only_where_it_is_kept(shapes):
    cloud = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    np.savetxt("stray.xyz", np.concatenate([cloud, [[0.0, 30.0, 0.0]]]))
    for out, options in (("usual.png", ()), ("kept.png", ("--keep-outliers",))):
        assert run("show", "stray.xyz", "--views", "ring-2", "--style", "depth", "--out", out, *options).code == 0
    assert (pixels("kept.png") < 200).sum() < 0.6 * (pixels("usual.png") < 200).sum()


def test_outliers_are_kept_in_every_style_that_is_compared(show, shapes):
    seen = []
    real = pc.PointCLIP.classify

    def watch(self, *arguments, **options):
        seen.append(self.drop_outliers)
        return real(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pc.PointCLIP, "classify", watch)
        ran = show("sub/cloud.xyz", "--labels", "ball,box", "--compare", "--keep-outliers", "--out", "a.png")
    assert ran.code == 0, ran.err
    assert len(seen) > 2 and not any(seen)


def test_a_searched_pose_is_shown_and_told(show, tiny_file, shapes):
    ran = show("box.obj", "--labels", "ball,box,cup", "--pose", "search", "--out", "a.png", "--json")
    assert ran.code == 0, ran.err
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", device="cpu", precision="fp32")
    truth = model.classify(load("box.obj", 300), ["ball", "box", "cup"], pose="search")
    (entry,) = ran.json["shapes"]
    assert entry["up"] == truth.up != "y", "else this shows nothing"
    assert [p["probability"] for p in entry["predictions"]] == pytest.approx(truth.probs, abs=1e-5)


def test_own_views_from_a_file(shapes):
    (shapes / "rig.json").write_text('{"views": [{"name": "mine", "yaw_deg": 10}]}')
    ran = run("show", "box.obj", "--views", "rig.json", "--points", 300, "--json")
    assert ran.code == 0 and ran.json["shapes"][0]["views"] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope.obj",), "nope.obj does not exist"),
        (("box.obj", "--style", "shade"), "did you mean 'shaded'"),
        (("box.obj", "--style", "color"), "needs colours"),
        (("box.obj", "sub/ball.ply", "--html", "x.html"), "--html takes one shape"),
        (("box.obj", "sub/ball.ply", "--out", "x.png"), "name a folder"),
        (("box.obj", "--ply", "x.ply"), "give both"),
        (("box.obj", "--pose", "search", "--up", "z"), "leave --up z out"),
        (("box.obj", "--skip-background"), "name the --labels too"),
        (("box.obj", "--views", "gone.json"), "gone.json cannot be read"),
        (("box.obj", "--out", "sub/none/x.png", "--html", "no/x.html"), "no folder"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(arguments, message, shapes):
    ran = run("show", *arguments, *(() if "--views" in arguments else FEW[:2]), "--points", 300)
    assert ran.code == 2
    assert message in ran.err and "Traceback" not in ran.err


def test_one_bad_file_does_not_stop_the_others(shapes):
    (shapes / "bad.obj").write_text("this is no mesh")
    ran = run("show", "bad.obj", "box.obj", *FEW, "--json")
    assert ran.code == 2
    bad, good = ran.json["shapes"]
    assert "bad.obj" in bad["error"] and good["sheet"] == "box-views.png"


def test_what_was_left_out_of_a_file_is_told(shapes):
    (shapes / "scan.xyz").write_text((shapes / "sub" / "cloud.xyz").read_text() + "\nnan 0 0\n")
    ran = run("show", "scan.xyz", *FEW)
    assert ran.code == 0 and "  note: 1 row with NaN or infinite coordinates left out" in ran.out
    entry = run("show", "scan.xyz", *FEW, "--json").json["shapes"][0]
    assert entry["notes"] == ["1 row with NaN or infinite coordinates left out"]
