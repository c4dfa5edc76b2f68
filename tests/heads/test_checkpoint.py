"""A checkpoint says what it belongs to, is whole or refused, and a model uses it or says why not."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from support.boxes import tiny_name

from pointclip import images
from pointclip.cameras import rigs
from pointclip.errors import InputError, WeightsError
from pointclip.heads import checkpoint as files
from pointclip.heads.checkpoint import Checkpoint, load_checkpoint
from pointclip.heads.weights import WeightsHead
from pointclip.model import PointCLIP
from pointclip.points import PointCloud

LABELS = ("cup", "bowl", "vase")
CLOUD = PointCloud(torch.rand(200, 3, generator=torch.Generator().manual_seed(0)), name="dust")


@pytest.fixture(scope="module")
def name(tiny, tmp_path_factory):
    return tiny_name(tmp_path_factory.mktemp("tower"))


def load(name, **options):
    return PointCLIP.from_pretrained(name, device="cpu", precision="fp32", **options)


def checkpoint(model, weights=(0.0, 1.0)):
    head = WeightsHead(model.encode_labels(LABELS), 2, model.clip.logit_scale, torch.tensor(weights))
    return Checkpoint(head, LABELS, model.feature_spec, {"shots": 4})


@pytest.fixture
def path(name, tmp_path, own_cache):
    return checkpoint(load(name, views="ring-2")).save(tmp_path / "cups.safetensors")


def test_it_loads_as_it_was_saved(path, name):
    found, made = load_checkpoint(path), checkpoint(load(name, views="ring-2"))
    assert (found.labels, found.about, found.path) == (LABELS, {"shots": 4}, str(path))
    assert found.head.config == made.head.config
    for key, tensor in made.head.state_dict().items():
        assert torch.equal(found.head.state_dict()[key], tensor)
    assert sorted(file.name for file in path.parent.iterdir() if file.is_file()) == ["cups.safetensors"]


def test_a_model_takes_rig_style_and_labels_from_it(path, name):
    model = load(name, adapter=path)
    assert model.views.rig == "ring-2"
    prediction = model.classify(CLOUD)
    assert prediction.classes == LABELS
    features = model.encode_views(CLOUD.points[None])
    assert torch.equal(prediction.logits, model.head(features)[0])
    torch.testing.assert_close(prediction.logits, prediction.view_logits[1])  # its weights are 0 and 1
    assert torch.equal(model(CLOUD.points[None]), prediction.logits[None])
    assert torch.equal(model(CLOUD.points[None], model.encode_labels(LABELS)), prediction.logits[None])
    assert model.classify([CLOUD], ["cup", "bowl", "vase"])[0].label == prediction.label


def test_it_stays_as_it_is_and_nothing_is_trainable(name, own_cache):
    model = load(name, views="ring-2")
    made = checkpoint(model)
    again = PointCLIP(model.clip, model.views, model.style, adapter=made)
    assert again.head is not made.head
    assert not any(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"views": "ring-3"}, "the rig 'ring-2', not with the rig 'ring-3': take"),
        ({"drop_outliers": False}, r"drop_outliers=True, not with drop_outliers=False \(--keep-outliers\): take"),
        ({"views": "ring-3", "style": "depth"}, "the rig 'ring-2' and the style 'auto', not with the rig 'ring-3' and"),
        ({"style": "depth"}, "the style 'auto', not with the style 'depth': take"),
    ],
)
def test_what_it_was_not_fitted_with_is_refused(path, name, options, words):
    with pytest.raises(InputError, match=f"cups.safetensors was made with {words}"):
        load(name, adapter=path, **options)


def test_another_encoder_is_refused(path, name, tiny, tmp_path):
    from pointclip.weights import loading as weights

    state = weights.random("tiny-vit", seed=4).model.state_dict()
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "other.safetensors")
    other = f"tiny-vit@{tmp_path}/other.safetensors"
    with pytest.raises(InputError, match=r"made with the model .*tiny\.safetensors', not with the model .*other"):
        load(other, adapter=path)
    spec = load_checkpoint(path).spec
    with pytest.raises(InputError, match="other weights of the same name"):
        spec.refuse_another(replace(spec, identity="0"), "it")


def test_rigs_and_styles_of_ones_own_are_rebuilt(name, tmp_path, own_cache):
    turn = rigs.euler_xyz((0, 20, 0))
    views, style = rigs.views("ring-2").rotated(turn), images.style("shaded", light=(0.5, 0.0, -1.0))
    path = checkpoint(load(name, views=views, style=style)).save(tmp_path / "own.safetensors")
    again = load(name, adapter=path)
    assert torch.allclose(again.views.rotations, views.rotations) and again.style == style
    load(name, adapter=path, views=views, style=style)
    with pytest.raises(InputError, match="Shaded with settings"):
        load(name, adapter=path, style=images.style("shaded", light=(0.4, 0.0, -1.0)))


def test_a_head_fitted_on_pictures_with_outliers_refuses_a_model_without(name, tmp_path, own_cache):
    kept = load(name, views="ring-2", drop_outliers=False)
    path = checkpoint(kept).save(tmp_path / "kept.safetensors")
    assert load(name, adapter=path, drop_outliers=False).few_shot is not None
    for refused in (
        lambda: load(name, adapter=path),
        lambda: PointCLIP(kept.clip, "ring-2", adapter=load_checkpoint(path)),
    ):
        with pytest.raises(InputError, match="made with drop_outliers=False .*, not with drop_outliers=True"):
            refused()


def test_a_file_of_version_0_1_loads(path, name):
    old = ("model", "identity", "rig", "cameras", "style", "settings")
    rewrite(path, lambda config: config.update(eye={key: config["eye"][key] for key in old}), 1)
    assert load(name, adapter=path).views.rig == "ring-2"
    with pytest.raises(InputError, match="drop_outliers"):
        load(name, adapter=path, drop_outliers=False)


def test_other_labels_and_text_are_refused(path, name):
    model = load(name, adapter=path)
    with pytest.raises(InputError, match=r"its own 3 classes \(cup, bowl, vase\): leave the labels out"):
        model.classify(CLOUD, ["cup", "vase", "bowl"])
    with pytest.raises(InputError, match="leave text_features out"):
        model(CLOUD.points[None], model.encode_labels(["cup", "bowl", "plate"]))
    plain = load(name, views="ring-2")
    with pytest.raises(InputError, match="at least one class name"):
        plain.classify(CLOUD)
    with pytest.raises(InputError, match="text_features are needed"):
        plain(CLOUD.points[None])


@pytest.mark.parametrize("length", [0, 7, 300, -1])
def test_a_cut_file_is_refused(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match="cups.safetensors is cut"):
        load_checkpoint(path)


def test_a_changed_number_is_refused(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged, its sha256 is another"):
        load_checkpoint(path)


def test_other_files_are_refused(path, tmp_path):
    with pytest.raises(WeightsError, match="none.safetensors does not exist"):
        load_checkpoint(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(WeightsError, match="no few-shot head of pointclip"):
        load_checkpoint(tmp_path / "plain.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"format": 99}, "another format"), ({"colour": 1}, "unknown key 'colour'"), ({"head": {}}, "does not fit")],
)
def test_other_versions_are_refused(path, change, words):
    rewrite(path, lambda config: config.update(change), 2)
    with pytest.raises(WeightsError, match=words):
        load_checkpoint(path)


def rewrite(path, change, digest):
    """Change what is written beside the tensors; with a digest of that format, or the old one for 0."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        config = json.loads(file.metadata()["pointclip"])
    old = config.pop("sha256")
    config["format"] = digest or config["format"]
    change(config)
    new = files._digest(tensors, None if digest == 1 else config)
    save_file(tensors, path, {"pointclip": json.dumps({**config, "sha256": new if digest else old})})


def test_a_head_of_the_first_format_is_read(path):
    before = load_checkpoint(path)
    rewrite(path, lambda _: None, 1)
    found = load_checkpoint(path)
    assert (found.labels, asdict(found.spec), found.about) == (before.labels, asdict(before.spec), before.about)


TAMPERED = {
    "reversed labels": lambda config: config["labels"].reverse(),
    "one label": lambda config: config.update(labels=config["labels"][:1]),
    "a label twice": lambda config: config.update(labels=[config["labels"][0]] * 3),
    "a number": lambda config: config.update(labels=[1, 2, 3]),
    "scale": lambda config: config["head"].update(scale=float("nan")),
    "views": lambda config: config["head"].update(num_views=3),
    "no cameras": lambda config: config["eye"].update(cameras={}),
    "cameras of words": lambda config: config["eye"]["cameras"].update(rotations="no"),
    "no list of cameras": lambda config: config["eye"].update(cameras=5),
    "names": lambda config: config["eye"]["cameras"].update(names=None),
    "style": lambda config: config["eye"].update(settings={"kind": "None"}),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_written_beside_the_tensors_is_protected(path, what):
    rewrite(path, TAMPERED[what], 0)
    with pytest.raises(WeightsError, match="damaged, its sha256 is another"):
        load_checkpoint(path)


@pytest.mark.parametrize("what", [name for name in TAMPERED if name != "reversed labels"])
def test_what_no_fit_leaves_behind_is_refused_without_a_digest_too(path, what):
    rewrite(path, TAMPERED[what], 1)
    with pytest.raises(WeightsError):
        load_checkpoint(path)


def test_it_cannot_be_saved_over_a_folder(path, tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        load_checkpoint(path).save(tmp_path)
