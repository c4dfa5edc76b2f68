"""pc.fit learns, chooses honestly, repeats to the byte, and can be stopped."""

import io
import json
import signal

import pytest
import torch
from rich.console import Console
from support.boxes import KINDS, write_boxes

import pointclip as pc
from pointclip.datasets.folder import ClassFolder
from pointclip.encoding.job import encode
from pointclip.encoding.looks import Augmentation
from pointclip.errors import DatasetError, InputError
from pointclip.fewshot import fitting as fewshot
from pointclip.fewshot import resume as _resume
from pointclip.fewshot import tuning
from pointclip.fewshot.progress import fit_progress
from pointclip.fewshot.resume import FitInterrupted
from pointclip.heads.adapter import AdapterTrainer
from pointclip.heads.checkpoint import load_checkpoint
from pointclip.heads.recipe import Recipe
from pointclip.heads.table import METHODS, fit_head

QUICK = Recipe.adamw(epochs=12, batch_size=4)
PER_CLASS = 5

TRAINED = [name for name, method in METHODS.items() if method.variant]


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return ClassFolder(write_boxes(tmp_path_factory.mktemp("boxes"), PER_CLASS), num_points=200)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")  # shared, so that each shape is encoded once for all tests


@pytest.fixture
def cache(features, own_cache):
    yield features
    assert not list(features.glob("fits/*")), "a state was left behind"


def fit(model, boxes, cache, **options):
    adapter = options.get("method", "adapter") in TRAINED
    changes = {"recipe": QUICK} if adapter else {}
    return pc.fit(model, boxes, cache=cache, augmentation=Augmentation(copies=2), **{"shots": 3, **changes, **options})


@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_saves_and_classifies(method, model, boxes, cache, tmp_path):
    more = {"recipe": Recipe(epochs=30)} if method in TRAINED else {}
    result = fit(model, boxes, cache, method=method, out=tmp_path / "boxes.safetensors", **more)
    assert result.labels == tuple(sorted(KINDS)) and result.num_train == 9 and result.num_val == 6
    assert result.validation == "6 other shapes"
    assert result.val_accuracy >= result.zero_shot_accuracy
    if method in ("probe", "cache"):  # a random tower is too poor for 30 steps of gradients
        assert result.val_accuracy > result.zero_shot_accuracy
    again = pc.PointCLIP(model.clip, model.views, adapter=load_checkpoint(tmp_path / "boxes.safetensors"))
    cloud = boxes.item(0)[0]
    wanted = result.head(model.encode_views(cloud))[0]
    torch.testing.assert_close(again.classify(cloud).logits, wanted.detach())


@pytest.mark.parametrize("method", METHODS)
def test_equal_arguments_give_equal_bytes(method, model, boxes, cache, tmp_path):
    for name in ("a", "b"):
        fit(model, boxes, cache, method=method, out=tmp_path / name, seed=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_seed_draws_other_shots(model, boxes, cache):
    one, two = (fit(model, boxes, cache, method="cache", shots=1, seed=seed).head.keys for seed in (0, 1))
    assert not torch.equal(one, two)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_rest_the_shots_judge_each_other(method, model, boxes, cache):
    result = fit(model, boxes, cache, method=method, shots=PER_CLASS)
    assert result.validation == "cross-validation on the shots, 4 folds"
    assert result.num_train == result.num_val == 3 * PER_CLASS
    assert result.val_accuracy >= result.zero_shot_accuracy


def test_cross_validation_is_the_mean_over_folds(model, boxes, cache):
    result = fit(model, boxes, cache, method="probe", shots=PER_CLASS)
    clean = encode(model, boxes, augmentation=Augmentation(copies=2), cache=cache / "features")
    split = fewshot._shots.sample_shots(fewshot._labels(boxes), result.labels, PER_CLASS)
    targets = fewshot._targets(fewshot._labels(boxes), split.train, result.labels)
    right = 0
    for teach, judge in fewshot._shots.folds(targets.tolist()):
        rows = torch.tensor(split.train)
        fitted = fit_head(
            "probe",
            clean[rows[list(teach)]],
            targets[list(teach)],
            result.head.text,
            scale=result.head.scale,
            only=result.chosen,
        )
        right += int((fitted.head(clean[rows[list(judge)], 0]).argmax(1) == targets[list(judge)]).sum())
    assert result.val_accuracy == pytest.approx(right / len(targets))


@pytest.mark.parametrize("method", METHODS)
def test_single_shots_and_no_rest_use_fixed_settings(method, model, tmp_path, own_cache):
    alone = ClassFolder(write_boxes(tmp_path / "alone", 1), num_points=100)
    result = fit(model, alone, tmp_path / "cache", method=method, shots=4)
    assert result.val_accuracy is result.zero_shot_accuracy is None
    assert result.num_val == 0 and result.validation.startswith("none")


def test_a_validation_split_is_used_and_a_test_split_refused(model, boxes, cache, tmp_path):
    root = tmp_path / "split"
    for split, count in (("train", 2), ("val", 3), ("test", 1)):
        write_boxes(root / split, count, seed=count)
    train, val, test = (ClassFolder(root, split, num_points=100) for split in ("train", "val", "test"))
    result = fit(model, train, tmp_path / "cache", val=val, method="weights", shots=2)
    assert result.validation == "9 shapes of the split 'val'" and result.num_val == 9
    for wrong in ({"val": test}, {"boxes": test}):
        with pytest.raises(InputError, match="nothing is chosen on a test split"):
            fit(model, **{"boxes": train, "cache": tmp_path / "cache", "method": "weights", **wrong})


def test_labels_choose_and_order_classes(model, boxes, cache):
    result = fit(model, boxes, cache, labels=["pole", "cube"], method="cache")
    assert result.labels == ("pole", "cube") and result.num_train == 6 and result.num_val == 4
    with pytest.raises(DatasetError, match="'sphere' has no training shape"):
        fit(model, boxes, cache, labels=["pole", "sphere"], method="cache")


def test_ratio_zero_is_chosen_where_the_adapter_does_harm(tmp_path):
    text = torch.eye(4)
    targets = torch.arange(4).repeat(6)
    task = tuning.Task(
        train=text[targets][:, None, None].repeat(1, 1, 2, 1),
        targets=targets.roll(1),  # taught wrong
        text=text,
        val=text[targets][:, None].repeat(1, 2, 1),
        val_targets=targets,
        scale=10.0,
        seed=0,
    )
    with fit_progress(False) as progress:
        fitted = tuning.Tuner(task, "adapter", Recipe.adamw(epochs=20, lr=0.01), 1.0, tmp_path, progress).fit()
    assert fitted.chosen["ratio"] == 0.0 and fitted.val_accuracy == 1.0
    assert fitted.head.adapter.ratio == 0.0
    assert fitted.history[-1]["val_accuracy"] < 0.5


def judged(model, boxes, cache):
    split = fewshot._shots.sample_shots(fewshot._labels(boxes), sorted(KINDS), 3)
    rest = encode(model, boxes, split.rest, cache=cache / "features")[:, 0]
    return rest, fewshot._targets(fewshot._labels(boxes), split.rest, tuple(sorted(KINDS)))


@pytest.mark.parametrize("method", ["adapter", "light"])
def test_ratios_tried_after_training_are_those_of_the_adapter(method, model, boxes, cache):
    head = fit(model, boxes, cache, method=method).head
    features, targets = judged(model, boxes, cache)
    for ratio in (0.0, 0.3, 1.0):
        (score,) = tuning.ratio_scores(head, features, targets, (ratio,))
        head.adapter.ratio = ratio
        with torch.no_grad():
            wanted = tuning.validation_score(head(features), targets)
        assert score == pytest.approx(wanted, abs=1e-4)


def test_chosen_epoch_and_ratio_are_those_of_the_head(model, boxes, cache):
    result = fit(model, boxes, cache)
    features, targets = judged(model, boxes, cache)
    with torch.no_grad():
        score = tuning.validation_score(result.head(features), targets)
    assert score[0] == pytest.approx(result.val_accuracy)
    assert result.head.adapter.ratio == result.chosen["ratio"]
    assert [record["epoch"] for record in result.history] == list(range(1, 13))
    best = max(result.history, key=lambda record: (record["val_accuracy"], -record["val_loss"]))
    assert best["epoch"] == result.chosen["epoch"]
    json.dumps(result.checkpoint.about)


def test_towers_and_random_state_stay_as_they_are(model, boxes, cache):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state, handler = torch.get_rng_state(), signal.getsignal(signal.SIGINT)
    fit(model, boxes, cache)
    assert torch.equal(torch.get_rng_state(), state) and signal.getsignal(signal.SIGINT) is handler
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("shots", [3, PER_CLASS])
@pytest.mark.parametrize("stop", [1, 17])
def test_ctrl_c_keeps_what_is_done_and_the_same_call_goes_on(
    stop, shots, model, boxes, features, tmp_path, monkeypatch
):
    fit(model, boxes, features, shots=shots, out=tmp_path / "whole")
    steps, plain = [], AdapterTrainer.step

    def step(trainer):
        value = plain(trainer)
        steps.append(trainer.step_index)
        if len(steps) == stop:
            signal.raise_signal(signal.SIGINT)
        return value

    monkeypatch.setattr(AdapterTrainer, "step", step)
    with pytest.raises(FitInterrupted, match=r"stopped in epoch \d+ of 12: .* goes on from there"):
        fit(model, boxes, features, shots=shots, out=tmp_path / "resumed")
    assert not (tmp_path / "resumed").exists()
    fit(model, boxes, features, shots=shots, out=tmp_path / "resumed")
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    total = len(steps)
    fit(model, boxes, features, shots=shots)
    assert len(steps) == 2 * total, "a step was done twice or left out"
    assert not list(features.glob("fits/*"))


def test_ctrl_c_while_encoding_says_how_to_go_on(model, boxes, cache, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fewshot, "encode", stop)
    with pytest.raises(FitInterrupted, match="what was done is kept"):
        fit(model, boxes, cache)


def test_a_damaged_state_starts_over(model, boxes, cache, tmp_path, monkeypatch, caplog):
    wanted = fit(model, boxes, cache)
    plain = _resume.State.read

    def damage(state):
        state.path.parent.mkdir(exist_ok=True)
        state.path.write_bytes(b"PK no state")
        return plain(state)

    monkeypatch.setattr(_resume.State, "read", damage)
    got = fit(model, boxes, cache)
    assert "training starts over" in caplog.text
    assert all(torch.equal(got.head.state_dict()[name], tensor) for name, tensor in wanted.head.state_dict().items())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "prob"}, "did you mean 'probe'"),
        ({"method": "probe", "recipe": QUICK}, "'probe' has no recipe"),
        ({"shots": 0}, "shots must be at least 1"),
        ({"out": "/no such folder/a"}, "make it first"),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(wrong, words, model, boxes, cache, monkeypatch):
    monkeypatch.setattr(fewshot, "encode", None)
    with pytest.raises(InputError, match=words):
        fit(model, boxes, cache, **wrong)


def test_progress_shows_stages_loss_and_validation(model, boxes, tmp_path, own_cache, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140)
    monkeypatch.setattr(fewshot, "fit_progress", lambda wanted: fit_progress(wanted, console))
    fit(model, boxes, tmp_path / "cache")
    for word in ("encoding shots", "9/9", "encoding validation", "training", "12/12", "loss", "validation"):
        assert word in screen.getvalue()
    screen.truncate(0)
    fit(model, boxes, tmp_path / "cache", progress=False)
    assert "loss" not in screen.getvalue()


def test_copies_change_what_is_learned(model, boxes, cache):
    two, none = (
        pc.fit(model, boxes, cache=cache, shots=3, recipe=QUICK, augmentation=Augmentation(copies=copies))
        for copies in (2, 0)
    )
    assert not torch.equal(two.head.adapter.body.squeeze.weight, none.head.adapter.body.squeeze.weight)
    assert none.checkpoint.about["augmentation"]["copies"] == 0
