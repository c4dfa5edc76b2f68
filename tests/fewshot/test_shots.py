"""Which shapes teach and which judge."""

import pytest

from pointclip.errors import DatasetError, InputError
from pointclip.fewshot.shots import folds, sample_shots

LABELS = ["cup", "bowl", "cup", "vase", "cup", "bowl", "cup", "cup", "bowl"]


def test_shots_and_rest_are_disjoint_and_of_their_class():
    split = sample_shots(LABELS, ["bowl", "cup"], shots=2)
    assert [LABELS[place] for place in split.train] == ["bowl", "bowl", "cup", "cup"]
    assert sorted(split.train + split.rest) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert [LABELS[place] for place in split.rest] == ["bowl", "cup", "cup", "cup"]


def test_shots_grow_with_their_number_and_ignore_other_classes():
    for seed in range(5):
        one, two = (sample_shots(LABELS, ["cup"], shots, seed).train for shots in (1, 2))
        assert one == two[:1]
        assert two == sample_shots(LABELS, ["bowl", "cup"], 2, seed).train[2:]


def test_every_shape_is_drawn_by_some_seed_and_a_seed_draws_alike():
    drawn = [sample_shots(LABELS, ["cup"], 1, seed).train for seed in range(40)]
    assert {place for (place,) in drawn} == {0, 2, 4, 6, 7}
    assert drawn == [sample_shots(LABELS, ["cup"], 1, seed).train for seed in range(40)]


def test_the_rest_is_bounded_and_empty_where_one_class_has_none():
    assert len(sample_shots(LABELS, ["bowl", "cup"], 1, most_rest=1).rest) == 2
    assert sample_shots(LABELS, ["bowl", "cup"], 3).rest == ()
    assert len(sample_shots(LABELS, ["bowl", "cup"], 100).train) == 8


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DatasetError, match="'lamp' has no training shape"):
        sample_shots(LABELS, ["cup", "lamp"], 1)
    with pytest.raises(InputError, match="shots must be at least 1, got 0"):
        sample_shots(LABELS, ["cup"], 0)


@pytest.mark.parametrize("targets", [[0, 0, 1, 1], [0] * 7 + [1] * 2 + [2], [0, 1, 0, 1, 2, 2, 2, 2, 2]])
def test_every_class_teaches_in_every_fold_and_every_shot_judges_once(targets):
    made = folds(targets)
    for teach, judge in made:
        assert sorted(teach + judge) == list(range(len(targets)))
        assert {targets[place] for place in teach} == set(targets)
    judged = sorted(place for _, judge in made for place in judge)
    assert judged == [place for place, target in enumerate(targets) if targets.count(target) > 1]
    assert 2 <= len(made) <= 4


def test_single_shots_cannot_judge():
    assert folds([0, 1, 2]) == []
