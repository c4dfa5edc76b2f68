"""Label lists in the forms people keep them; what is no list of names is one sentence."""

import pytest

from pointclip.errors import InputError
from pointclip.prompts.sentences import read_labels

RIGHT = ("chair", "table", "office chair")


@pytest.mark.parametrize(
    "text",
    [
        "chair\ntable\noffice chair\n",
        '["chair", "table", "office chair"]',
        '{"0": "chair",\n "2": "office chair",\n "1": "table"}\n',
        '{"table": 1, "chair": 0, "office chair": 2}',
        "chair,table,office chair\n",
        "chair\ttable\toffice chair",
        "chair; table; office chair;",
        "0 chair\n1 table\n2 office chair\n",
        "1,chair\n2,table\n3,office chair\n",
        "0\tchair\n1\ttable\n2\toffice chair\n",
        "chair,\ntable,\noffice chair\n",
    ],
)
def test_lists(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    assert read_labels(tmp_path / "labels.txt") == RIGHT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chair;Stuhl\ntable;Tisch\n", "has several columns: write one class name a line"),
        ('["chair", 5]', "is JSON and no list of names: write one"),
        ('["chair", ', "begins like JSON and is damaged: write one"),
        ("[" * 100_000, "begins like JSON and is damaged"),
    ],
)
def test_no_lists(tmp_path, text, message):
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / "labels.txt")


def test_numbers_that_do_not_count_stay_in_the_names(tmp_path):
    (tmp_path / "labels.txt").write_text("747 airliner\n2 seater\n")
    assert read_labels(tmp_path / "labels.txt") == ("747 airliner", "2 seater")
