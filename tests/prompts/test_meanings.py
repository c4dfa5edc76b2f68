"""What is told about a label: its own definition, WordNet's, or that none is known."""

import pytest
import torch

import pointclip as pc
from pointclip import prompts
from pointclip.prompts import meanings

pytest.importorskip("timm", reason="the extra embedded is not installed")


def test_things_go_before_persons_and_shapes():
    assert [one.definition for one in prompts.senses("fan")] == [
        "a device for creating a current of air by movement of a surface or surfaces"
    ]


def test_what_is_named_so_first_goes_before_by_names():
    told = prompts.senses("armchair")
    assert len(told) == 1 and told[0].definition.startswith("chair with a support on each side")


@pytest.mark.parametrize("label", sorted(meanings._OWN))
def test_own_definitions_say_something_else_than_the_label(label):
    (meaning,) = prompts.senses(label.upper().replace(" ", "_"))
    assert meaning.definition and not meaning.definition.startswith(label)


def test_unknown_words_have_no_definition_and_say_so():
    assert prompts.senses("flurb") == ()
    assert prompts.meaning_sentences(["flurb"]) == [("flurb",)]
    assert str(prompts.Meaning("flurb")) == "flurb: no definition is known"


def test_without_timm_only_bare_labels_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(meanings, "_folder", lambda: tmp_path)
    meanings._tables.cache_clear()
    meanings._synsets.cache_clear()
    try:
        assert prompts.meaning_sentences(["armchair", "plate"])[0] == ("armchair",)
        assert len(prompts.meaning_sentences(["plate"])[0]) == 2
    finally:
        meanings._tables.cache_clear()
        meanings._synsets.cache_clear()


def test_the_nearest_sense_has_half_the_weight():
    vectors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.0, 0.8]])
    assert prompts.nearest_sense(vectors) == 1
    joined = prompts.joined_meaning(vectors)
    assert torch.allclose(joined, torch.tensor([1.3, 0.0, 0.4]) / (1.3**2 + 0.4**2) ** 0.5)
    assert torch.equal(prompts.joined_meaning(vectors[:1]), vectors[0])


@pytest.mark.parametrize("label", ["horse", "armchair"])
def test_embedded_tells_the_label_and_its_definition(label):
    model = pc.PointCLIP.from_pretrained("embedded", device="cpu", precision="fp32")
    (meaning,) = model.clip.meanings([label])
    bare, told = model.clip.encode_sentences([label, f"{label}: {meaning.definition}"])
    expected = torch.nn.functional.normalize(bare + 0.5 * told, dim=0)
    assert torch.allclose(model.encode_labels([label])[0], expected, atol=1e-5)
