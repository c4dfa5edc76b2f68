"""Numbers for each channel on the command line: to the model, and refused where they are none."""

import pytest
from support.command_line import run

import pointclip as pc

BARE = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def test_mean_and_std_reach_the_model(shapes, fixed, tiny_file):
    look = ("--labels", "ball,box,pole", "--points", 200, "--views", "ring-2")
    command = ("classify", "box.obj", "--json", *look, *fixed)
    usual, bare = (
        [row["probability"] for row in run(*command, *more).json["shapes"][0]["predictions"]]
        for more in ((), ("--mean", "0,0,0", "--std", "1,1,1"))
    )
    how = {"views": "ring-2", "device": "cpu", "precision": "fp32"}
    model = pc.PointCLIP.from_pretrained(tiny_file, **how, **BARE)
    assert (model.clip.mean, model.clip.std) == tuple(BARE.values())
    found = model.classify(pc.load("box.obj", num_points=200), ["ball", "box", "pole"], top_k=3)
    assert bare == pytest.approx(list(found.probs), abs=1e-5)
    assert bare != pytest.approx(usual, abs=1e-3)
    again = model.again()
    assert again.feature_spec.key == model.feature_spec.key, "another process would see otherwise"


@pytest.mark.parametrize("words", ["0.5", "a,b,c", "1,2,3,4", ""])
def test_what_is_no_mean(words, shapes, fixed):
    told = run("classify", "box.obj", "--mean", words, *fixed)
    assert told.code == 2 and "--mean takes three numbers apart by commas" in told.err


def test_a_file_whose_architecture_does_not_tell(shapes, fixed, monkeypatch, tiny):
    from support.tiny_towers import publish

    publish(monkeypatch, "tiny-vit", "one")
    publish(monkeypatch, "tiny-vit", "two", mean=(0.5, 0.5, 0.5))
    told = run("classify", "box.obj", *fixed)
    assert told.code == 2 and "add --mean 0.1,0.2,0.3 --std 0.4,0.5,0.6 (as tiny-vit/one) or --mean 0.5" in told.err
    assert run("classify", "box.obj", "--mean", "0.1,0.2,0.3", "--std", "0.4,0.5,0.6", *fixed).code == 0
