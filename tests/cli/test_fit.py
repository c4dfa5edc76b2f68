"""``pointclip fit`` and ``pointclip classify --adapter`` on a small folder of boxes."""

import pytest
from support.boxes import write_boxes
from support.command_line import run

from pointclip.fewshot import fitting as fewshot
from pointclip.fewshot import resume as _resume
from pointclip.heads.checkpoint import load_checkpoint

LOOK = ("--views", "ring-2", "--points", 200)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / ".cache"))
    return write_boxes(tmp_path / "boxes", 4)


def test_fit_then_classify(folder, fixed):
    quick = ("--method", "adapter", "--shots", 2, "--epochs", 3, "--copies", 1)
    fitted = run("fit", "boxes", "--out", "mine.safetensors", *quick, *LOOK, *fixed)
    assert fitted.code == 0, fitted.err
    for words in (
        "mine.safetensors",
        "6 shapes of 3 classes",
        "6 other shapes",
        "accuracy",
        "without the head",
        "epoch",
    ):
        assert words in fitted.out
    assert "pointclip classify FILE --adapter mine.safetensors --model tiny-vit@" in fitted.err
    told = run("classify", "boxes/cube/0.obj", "--adapter", "mine.safetensors", "--points", 200, "--json", *fixed)
    assert told.code == 0, told.err
    assert told.json["adapter"] == "mine.safetensors" and told.json["views"] == "ring-2"
    assert {entry["label"] for entry in told.json["shapes"][0]["predictions"]} == {"cube", "plank", "pole"}


def test_classes_with_fewer_shots_are_named(folder, fixed):
    (folder / "pole" / "0.obj").unlink()
    for count in (3, 4):
        quick = ("--method", "weights", "--shots", count, "--copies", 0, "--out", f"{count}.safetensors")
        fitted = run("fit", "boxes", *quick, *LOOK, *fixed)
        assert fitted.code == 0, fitted.err
        assert ("note: 1 class had fewer than 4: pole 3" in fitted.err) == (count == 4)


@pytest.mark.parametrize("method", ["light", "probe", "cache", "weights"])
def test_json_tells_what_the_file_holds(method, folder, fixed):
    fitted = run("fit", "boxes", "-o", "a.safetensors", "--method", method, "--shots", 2, "--json", *LOOK, *fixed)
    assert fitted.code == 0, fitted.err
    about = load_checkpoint("a.safetensors").about
    assert fitted.json == {"adapter": "a.safetensors", "labels": ["cube", "plank", "pole"], **about}
    assert about["method"] == method and 0 <= about["val_accuracy"] <= 1


def test_recipe_options_reach_the_trainer(folder, fixed):
    options = ("--epochs", 2, "--optimizer", "adamw", "--lr", 0.5, "--seed", 7, "--labels", "pole,cube")
    fitted = run("fit", "boxes", "-o", "a.safetensors", "--shots", 2, *options, "--json", *LOOK, *fixed)
    assert fitted.code == 0, fitted.err
    recipe = fitted.json["recipe"]
    assert (recipe["optimizer"], recipe["epochs"], recipe["lr"], fitted.json["seed"]) == ("adamw", 2, 0.5, 7)
    assert fitted.json["labels"] == ["pole", "cube"]


def test_outliers_and_background_reach_reading_and_model(folder, fixed, monkeypatch):
    seen = {}

    def stop(network, dataset, *_, **__):
        seen.update(model=network.drop_outliers, read=dataset.drop_outliers, skips=network.clip.skip_background)
        raise _resume.FitInterrupted("enough")

    monkeypatch.setattr(fewshot, "encode", stop)
    for options, kept in (((), False), (("--keep-outliers", "--skip-background"), True)):
        run("fit", "boxes", "-o", "a", *options, *LOOK, *fixed)
        assert seen == {"model": not kept, "read": not kept, "skips": kept}


def test_splits_are_respected(folder, fixed, tmp_path):
    for split, count in (("train", 2), ("val", 1)):
        write_boxes(tmp_path / "split" / split, count)
    (tmp_path / "split" / "test" / "cube").mkdir(parents=True)
    (tmp_path / "split" / "test" / "cube" / "never.obj").write_text("damaged: reading it would fail")
    fitted = run("fit", "split", "-o", "a.safetensors", "--method", "cache", "--json", *LOOK, *fixed)
    assert fitted.code == 0, fitted.err
    assert fitted.json["validation"] == "3 shapes of the split 'val'" and fitted.json["num_train"] == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "-o", "a"), "nowhere is no folder"),
        (("boxes", "-o", "no/a"), "make it first"),
        (("boxes", "-o", "boxes"), "is a folder"),
        (("boxes", "-o", "a", "--method", "cache", "--epochs", "3"), "not for --method cache"),
        (("boxes", "-o", "a", "--method", "cash"), "method 'cash' is unknown: did you mean 'cache'"),
        (("boxes", "-o", "a", "--views", "rung-6"), "did you mean 'ring-K'"),
        (("boxes", "-o", "a", "--labels", "cube,lamp"), "'lamp' has no training shape"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(arguments, words, folder, fixed):
    told = run("fit", *arguments, "--points", 200, *fixed)
    assert told.code == 2 and words in told.err and told.err.count("error:") == 1
    assert not (folder.parent / "a").exists()


def test_ctrl_c_says_how_to_go_on(folder, fixed, monkeypatch):
    def stop(*_, **__):
        raise _resume.FitInterrupted("stopped in epoch 3 of 9: the same call goes on from there")

    monkeypatch.setattr(fewshot, "encode", stop)
    told = run("fit", "boxes", "-o", "a", *LOOK, *fixed)
    assert told.code == 130 and "stopped in epoch 3 of 9" in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--adapter", "none.safetensors"), "none.safetensors does not exist"),
        (("--adapter", "boxes/cube/0.obj"), "0.obj is cut or no safetensors file"),
        (("--adapter", "a.safetensors", "--labels", "a,b"), "leave --labels out"),
        (("--adapter", "a.safetensors", "--views", "ring-6"), "leave --views out"),
    ],
)
def test_classify_refuses_what_does_not_fit_the_adapter(arguments, words, folder, fixed):
    told = run("classify", "boxes/cube/0.obj", *arguments, *fixed)
    assert told.code == 2 and words in told.err
