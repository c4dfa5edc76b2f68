"""Datasets of one's own, indexed as torch's are."""

import pickle

import numpy as np
import pytest
import torch
from support.boxes import write_boxes

from pointclip.datasets import ClassFolder, as_dataset, opener
from pointclip.errors import DatasetError, InputError
from pointclip.points import PointCloud


class Own(torch.utils.data.Dataset):
    """Three clouds, in the forms in which they are held."""

    labels = ("cup", "bowl")

    def __init__(self, numbers=(1, 0, 1)):
        self.numbers, self.read = numbers, []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.read.append(index)
        points = torch.arange(12.0).view(4, 3) * (1 + index)
        normals = torch.nn.functional.normalize(1 + points, dim=1)
        cloud = (points, points.numpy().astype(np.float64), PointCloud(points, normals, points / 99, "c"))[index]
        return cloud, self.numbers[index]


def test_items_labels_and_ids():
    shapes = as_dataset(Own((torch.tensor(1), np.int64(0), 1)))
    assert (len(shapes), shapes.labels, shapes.split) == (3, ["cup", "bowl"], "all")
    assert [shapes.label(k) for k in range(3)] == ["bowl", "cup", "bowl"]
    cloud, label, name = shapes.item(2)
    assert (label, name, cloud.name) == ("bowl", "000002", "000002")
    assert cloud.normals is not None and cloud.colors is not None
    assert torch.equal(shapes.item(1)[0].points, 2 * torch.arange(12.0).view(4, 3))
    again = pickle.loads(pickle.dumps(shapes))
    assert again.label(0) == "bowl"


def test_a_label_is_read_once_and_targets_save_the_reading():
    own = Own()
    shapes = as_dataset(own)
    assert [shapes.label(0), shapes.label(0)] == ["bowl", "bowl"] and own.read == [0]
    own = Own()
    own.targets, own.split = [0, 1, 1], "train"
    shapes = as_dataset(own)
    assert [shapes.label(k) for k in range(3)] == ["cup", "bowl", "bowl"]
    assert (own.read, shapes.split) == ([], "train")


@pytest.mark.parametrize("number", [2, -1, 0.5, "cup", None])
def test_a_class_is_a_number_of_the_labels(number):
    with pytest.raises(InputError, match="shape 0 must come with the number of its class, 0 to 1, got"):
        as_dataset(Own((number, 0, 0))).item(0)


def test_what_is_no_dataset_is_told():
    with pytest.raises(InputError, match="list lacks one of them"):
        as_dataset([(torch.rand(3, 3), 0)])
    with pytest.raises(InputError, match="or the name of one, is needed, got int"):
        opener(3)


def test_what_is_given_is_the_only_split(tmp_path):
    write_boxes(tmp_path / "b" / "train", 1)
    write_boxes(tmp_path / "b" / "test", 2)
    given = ClassFolder(tmp_path / "b", "test")
    alone = opener(given)(None)
    assert (alone.splits, alone.split, len(alone), given.splits) == (("test",), "test", 6, ("test", "train"))
    with pytest.raises(DatasetError, match="holds the split 'test' and no 'train'"):
        opener(given)("train")
    assert len(opener(str(tmp_path / "b"))("train")) == 3
    assert opener(len) is len
