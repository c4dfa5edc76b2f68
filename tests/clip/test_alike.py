"""Class names that a text tower cannot tell apart are named, however many there are."""

import torch
from torch.nn.functional import normalize

from pointclip.clip.alike import label_notes

LABELS = ["Stuhl", "Tisch", "Bank", "Sofa"]


class Words:
    """A tokenizer of few words; 1 is the token of all others."""

    def __init__(self, unk=1, eos=2):
        self.unk_token_id, self.eos_token_id, self.pad_token_id = unk, eos, 0

    def __call__(self, texts):
        return torch.tensor([[3 if text in LABELS else 1, self.eos_token_id] for text in texts])


def features(count, channels=16):
    return normalize(torch.randn(count, channels, generator=torch.Generator().manual_seed(1)), dim=1)


def test_labels_of_one_feature_are_named():
    text = features(4)
    assert label_notes(Words(), LABELS, text) == []
    text[2] = normalize(text[0] + 1e-6, dim=0)
    (note,) = label_notes(Words(), LABELS, text)
    assert note.startswith("the text tower cannot tell 'Stuhl' from 'Bank': write them")
    (note,) = label_notes(Words(), LABELS, text[:1].expand(4, -1))
    assert "'Stuhl' from 'Tisch' or 'Stuhl' from 'Bank' or 'Stuhl' from 'Sofa' and 3 pairs more" in note


def test_near_is_not_the_same():
    text = features(4)
    text[2] = normalize(text[0] + 0.01 * text[1], dim=0)
    assert label_notes(Words(), LABELS, text) == []


def test_a_pair_among_many_thousands_is_found():
    text = features(20_000)
    text[19_000] = text[5]
    (note,) = label_notes(None, [f"class {k}" for k in range(20_000)], text)
    assert "'class 5' from 'class 19000'" in note


def test_words_without_a_token_are_named():
    labels = ["Stuhl", "\u6905\u5b50"]
    (note,) = label_notes(Words(), labels, features(2))
    assert note == "the text tower has no words for '\u6905\u5b50': write them in English"
    assert label_notes(Words(unk=2), labels, features(2)) == [], "a token that ends every sentence is no word"
