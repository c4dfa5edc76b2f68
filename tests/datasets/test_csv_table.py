"""Tables of paths."""

import pytest
from support.boxes import write_box

from pointclip.datasets import open_dataset
from pointclip.errors import DatasetError


def test_a_table_of_paths(tmp_path):
    write_box(tmp_path / "m" / "a.obj", (1, 2, 3))
    write_box(tmp_path / "b.obj", (1, 1, 3))
    table = tmp_path / "shapes.csv"
    table.write_text("Path, label ,split\nm/a.obj,cup,train\nb.obj,bowl,test\n", encoding="utf-8-sig")
    train, test = open_dataset(table), open_dataset(str(table), "test", num_points=30)
    assert (train.labels, train.split, train.splits) == (["bowl", "cup"], "train", ("test", "train"))
    assert (train.id(0), train.label(0)) == ("m/a.obj", "cup")
    cloud, label, name = test.item(0)
    assert (len(cloud), label, name) == (30, "bowl", "b.obj")


def test_splits_of_a_table_may_be_spelled_as_folders_are(tmp_path):
    (tmp_path / "t.csv").write_text("path,label,split\na.obj,cup,Training\nb.obj,cup,TEST\nc.obj,cup,fold 1\n")
    assert open_dataset(tmp_path / "t.csv").id(0) == "a.obj"
    assert open_dataset(tmp_path / "t.csv", "test").splits == ("fold 1", "test", "train")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it needs the columns|of an empty file"),
        ("path,class\na,b\n", "has the columns path, class: it needs path, label"),
        ("path,label\n", "lists no shape"),
        ("path,label\na.obj,\n", "line 2: a path and a label"),
        ("path,label\na.obj,cup\na.obj,bowl\n", "line 3: a.obj is there twice"),
        ("path,label,split\na.obj,cup,train\n./a.obj,cup,test\n", "line 3: ./a.obj is there twice"),
        ("path,label,split\na.obj,cup,dev\nb.obj,cup,test\n", "no split 'train', it has dev and test"),
    ],
)
def test_bad_tables(tmp_path, content, words):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DatasetError, match=words):
        open_dataset(tmp_path / "t.csv")
