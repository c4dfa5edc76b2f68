"""Class folders in the three layouts, what they refuse, and fingerprints that see every byte that counts."""

import pytest
from support.boxes import write_box

from pointclip.datasets.folder import ClassFolder
from pointclip.errors import DatasetError


def make(root, *names):
    for name in names:
        write_box(root / name, (1, 2, 3))
    return root


def told(shapes):
    return [(shapes.label(i), shapes.item(i)[2]) for i in range(len(shapes))]


def test_plain_layout(tmp_path):
    shapes = ClassFolder(make(tmp_path, "chair/a.obj", "chair/deep/b.obj", "bar_stool/c.obj"), num_points=50)
    (tmp_path / "chair" / "notes.txt").write_text("no shape")
    (tmp_path / ".git").mkdir()
    assert (shapes.labels, shapes.split, shapes.splits) == (["bar_stool", "chair"], "all", ("all",))
    assert told(shapes) == [("bar_stool", "bar_stool/c.obj"), ("chair", "chair/a.obj"), ("chair", "chair/deep/b.obj")]
    cloud, label, _ = shapes.item(1)
    assert (len(cloud), label) == (50, "chair")


@pytest.mark.parametrize("layout", ["{split}/{label}/{name}.obj", "{label}/{split}/{name}.obj"])
def test_layouts_with_splits(tmp_path, layout):
    for split, label, name in [
        ("train", "cup", "a"),
        ("train", "bowl", "b"),
        ("test", "cup", "c"),
        ("val", "cup", "d"),
    ]:
        make(tmp_path, layout.format(split=split, label=label, name=name))
    for split, wanted in [(None, {"a", "b"}), ("train", {"a", "b"}), ("test", {"c"}), ("val", {"d"})]:
        shapes = ClassFolder(tmp_path, split, num_points=20)
        assert {shapes.item(i)[0].name for i in range(len(shapes))} == wanted
        assert shapes.split == (split or "train")
        assert shapes.labels == ["bowl", "cup"]


def test_a_class_may_be_called_train(tmp_path):
    shapes = ClassFolder(make(tmp_path, "train/a.obj", "bus/b.obj"))
    assert (shapes.labels, shapes.split) == (["bus", "train"], "all")


@pytest.mark.parametrize(
    ("names", "split", "words"),
    [
        ((), None, "holds no folder"),
        (("cup/a.obj",), "test", "no split 'test'.*not split"),
        (("train/cup/a.obj",), "val", "no split 'val', it has train"),
        (("cup/train/a.obj", "bowl/b.obj"), None, "give all the same"),
    ],
)
def test_wrong_layouts_are_refused(tmp_path, names, split, words):
    with pytest.raises(DatasetError, match=words):
        ClassFolder(make(tmp_path, *names), split)


def test_missing_folder_and_empty_class_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        ClassFolder(tmp_path / "nowhere")
    (make(tmp_path, "cup/a.obj") / "bowl").mkdir()
    with pytest.raises(DatasetError, match="class 'bowl'.*holds no shape"):
        ClassFolder(tmp_path)


def test_fingerprints_follow_the_bytes_and_not_the_name(tmp_path):
    make(tmp_path, "cup/a.obj", "cup/b.obj")
    write_box(tmp_path / "cup" / "c.obj", (1, 1, 1))
    a, b, c = (ClassFolder(tmp_path).fingerprint(i) for i in range(3))
    assert a == b != c
    assert a != ClassFolder(tmp_path, num_points=7).fingerprint(0)
    assert a != ClassFolder(tmp_path, up="z").fingerprint(0)
    assert a != ClassFolder(tmp_path, seed=1).fingerprint(0)


def test_fingerprints_follow_materials_and_textures(tmp_path):
    path = write_box(tmp_path / "cup" / "a.obj", (1, 1, 1))
    path.write_text("mtllib paint.mtl\n" + path.read_text())
    seen = [ClassFolder(tmp_path).fingerprint(0)]
    (path.parent / "paint.mtl").write_text("newmtl m\nmap_Kd wood grain.png\n")
    seen.append(ClassFolder(tmp_path).fingerprint(0))
    (path.parent / "wood grain.png").write_bytes(b"one")
    seen.append(ClassFolder(tmp_path).fingerprint(0))
    (path.parent / "wood grain.png").write_bytes(b"two")
    seen.append(ClassFolder(tmp_path).fingerprint(0))
    assert len(set(seen)) == 4
