"""The table of datasets: every row answers to its names, and says what it lacks."""

import pytest

from pointclip.datasets import SOURCES, dataset_names, open_dataset
from pointclip.errors import DatasetError


def test_no_name_is_there_twice():
    names = dataset_names()
    assert len(set(names)) == len(names) >= 7
    assert [name for name in names if name != name.lower() or ":" in name] == []


@pytest.mark.parametrize("name", dataset_names())
def test_every_name_is_opened_and_says_where_its_files_come_from(name, tmp_path):
    with pytest.raises(DatasetError, match="not downloaded|comes from"):
        open_dataset(f"{name.upper()}:{tmp_path}")


@pytest.mark.parametrize("name", [name for source in SOURCES if source.HOME is None for name in source.NAMES])
def test_a_set_without_a_usual_place_needs_a_folder(name):
    with pytest.raises(DatasetError, match=f"write {name}:FOLDER"):
        open_dataset(name)


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(DatasetError, match="did you mean 'modelnet40'"):
        open_dataset("modelnet4:there")
