"""What is asked of one prediction: a probability, a dictionary, rows of a table, one short line."""

import json

import pytest
import torch

from pointclip.errors import InputError
from pointclip.prediction import Prediction

CLASSES = ("cup", "bowl", "lamp", "chair")


@pytest.fixture
def prediction():
    logits = torch.tensor([1.0, 3.0, 2.0, 0.0])
    best = logits.softmax(-1).topk(2)
    labels = tuple(CLASSES[place] for place in best.indices.tolist())
    return Prediction(labels, tuple(best.values.tolist()), logits, torch.stack([logits, logits]), CLASSES, "mug")


def test_a_label_outside_of_the_best_has_its_probability_too(prediction):
    assert prediction.prob_of("bowl") == prediction.probs[0]
    assert sum(map(prediction.prob_of, CLASSES)) == pytest.approx(1, abs=1e-6)
    with pytest.raises(InputError, match="no class is named 'cups': did you mean 'cup'"):
        prediction.prob_of("cups")


def test_the_dictionary_survives_json_and_holds_all(prediction):
    told = json.loads(json.dumps(prediction.to_dict()))
    assert (told["name"], told["label"], told["labels"], told["up"]) == ("mug", "bowl", ["bowl", "lamp"], "y")
    assert told["probs"] == list(prediction.probs) and told["view_weights"] is None
    assert told["view_logits"] == [[1.0, 3.0, 2.0, 0.0]] * 2


def test_rows_are_ranked(prediction):
    assert [(row["name"], row["rank"], row["label"]) for row in prediction.rows()] == [
        ("mug", 1, "bowl"),
        ("mug", 2, "lamp"),
    ]
    assert [row["probability"] for row in prediction.rows()] == list(prediction.probs)


def test_the_repr_is_one_line_without_tensors(prediction):
    assert repr(prediction) == "Prediction(bowl 0.644, lamp 0.237, ..., name='mug')"
