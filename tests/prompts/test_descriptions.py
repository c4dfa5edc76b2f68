"""Class descriptions from JSON: read, refused, combined, and how they reach the model."""

import json

import pytest
import torch
from support.command_line import run

import pointclip as pc
from pointclip._base.assets import asset
from pointclip.errors import InputError
from pointclip.prompts import descriptions
from pointclip.prompts import sentences as prompts

PLAIN = {"chair": ["a seat with a back", "four legs  and a seat"], "tv_stand": ["a low cabinet"]}


def write(folder, content):
    path = folder / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_sentences_are_the_descriptions_in_the_order_of_the_labels(tmp_path):
    path = write(tmp_path, PLAIN)
    for source in (path, str(path), PLAIN):
        found = descriptions.class_sentences(["TV  stand", "chair"], source)
        assert found == [("a low cabinet",), ("a seat with a back", "four legs and a seat")]


def test_descriptions_through_templates(tmp_path):
    path = write(tmp_path, {"templates": ["{label}: {}", "a {}."], "descriptions": PLAIN})
    assert descriptions.class_sentences(["tv stand"], path) == [("tv stand: a low cabinet", "a a low cabinet.")]


def test_a_class_may_be_called_descriptions(tmp_path):
    held = {"descriptions": ["many words"], "templates": ["a sheet with holes"]}
    assert descriptions.class_sentences(["templates"], write(tmp_path, held)) == [("a sheet with holes",)]


@pytest.mark.parametrize("name", prompts.template_names())
def test_template_sets_are_as_ever(name):
    found = descriptions.class_sentences(["chair", "tv_stand"], name)
    assert [text for texts in found for text in texts] == prompts.sentences(
        ["chair", "tv_stand"], prompts.templates(name)
    )


def test_what_is_no_template_set_is_told_of_shipped_descriptions_too():
    with pytest.raises(InputError, match="did you mean 'modelnet40-descriptions'.*Known: .*, modelnet40-desc"):
        descriptions.check_prompts("modelnet40-description")
    with pytest.raises(InputError, match="Known: .*modelnet40-descriptions"):
        descriptions.class_sentences(["chair"], "nothing")
    assert "modelnet40-descriptions" in run("models", "--json").json["templates"]


BAD = [
    ("{", "mine.json is no JSON"),
    ("[1]", "holds a list where an object belongs"),
    ("{}", "describes no class"),
    ('{"a": []}', "has for 'a' no list of sentences"),
    ('{"a": "b"}', "has for 'a' no list of sentences, but 'b'"),
    ('{"a": ["b", 3]}', "has for 'a' no list of sentences"),
    ('{"a": [" "]}', "has for 'a' no list of sentences"),
    ('{"a": ["b"], "a": ["c"]}', "'a' is there twice"),
    ('{"tv stand": ["b"], "TV_stand": ["c"]}', "'tv stand' and 'TV_stand'"),
    ('{"descriptions": {"a": ["b"]}, "templates": ["{} {}"]}', "exactly once"),
    ('{"descriptions": {"a": ["b"]}, "templates": "{}"}', "has for 'templates' no list"),
    ('{"descriptions": {"a": ["b"]}, "template": ["{}"]}', "holds 'template' beside"),
]


@pytest.mark.parametrize(("content", "words"), BAD)
def test_bad_files_are_one_sentence(tmp_path, content, words):
    with pytest.raises(InputError, match=words) as caught:
        descriptions.check_prompts(write(tmp_path, content))
    assert "mine.json" in str(caught.value)


def test_a_missing_file_is_told():
    with pytest.raises(InputError, match="file of descriptions none.json does not exist"):
        descriptions.check_prompts("none.json")


def test_a_class_without_a_description_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no description of 'chairs', 'lamp' \(did you mean 'chair'\?\)"):
        descriptions.check_prompts(write(tmp_path, PLAIN), ["chairs", "tv stand", "lamp"])


def test_the_shipped_ones_describe_the_40_classes_of_modelnet():
    names = prompts.read_labels(asset("labels/modelnet40.txt"))
    held = json.loads(asset("labels/modelnet40_descriptions.json").read_text())
    assert list(held["descriptions"]) == list(names)
    found = descriptions.class_sentences(names, "modelnet40-descriptions")
    assert all(3 <= len(texts) <= 5 for texts in found)
    every = [text for texts in found for text in texts]
    assert len(set(every)) == len(every)
    assert all(text.isascii() and 6 <= len(text.split()) <= 20 for text in every)
    assert found[0][0].startswith("a airplane: ")


def test_features_are_the_mean_of_the_descriptions(tiny_file, tmp_path):
    model = pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", templates=PLAIN, device="cpu", precision="fp32")
    found = model.encode_labels(["tv stand", "chair"])
    one, *two = model.clip.encode_sentences(["a low cabinet", "a seat with a back", "four legs and a seat"])
    mean = torch.stack(two).mean(0)
    assert torch.allclose(found, torch.stack([one, mean / mean.norm()]), atol=1e-6)
    other = {**PLAIN, "chair": ["something else"]}
    again = model.clip.encode_labels(["tv stand", "chair"], other)
    assert torch.allclose(again[0], found[0], atol=1e-6)
    assert not torch.allclose(again[1], found[1], atol=1e-3), "other descriptions are not the kept ones"


def test_the_command_line_takes_them(classify, shapes):
    path = write(shapes, PLAIN)
    ran = classify("box.obj", "--labels", "chair,tv stand", "--templates", path, "--json")
    assert (ran.code, ran.json["templates"]) == (0, str(path))
    plain = classify("box.obj", "--labels", "chair,tv stand", "--json").json
    told = [document["shapes"][0]["predictions"][0]["probability"] for document in (ran.json, plain)]
    assert told[0] != told[1]
    assert classify("box.obj", "--templates", "modelnet40-descriptions", "--json").code == 0


def test_a_class_without_one_is_told_before_the_model_is_loaded(classify, shapes, monkeypatch):
    write(shapes, PLAIN)
    monkeypatch.setattr(pc.PointCLIP, "from_pretrained", lambda *_, **__: pytest.fail("a model was loaded"))
    ran = classify("box.obj", "--labels", "chair,sofa", "--templates", "mine.json")
    assert (ran.code, ran.out) == (2, "")
    assert "mine.json has no description of 'sofa'" in ran.err
