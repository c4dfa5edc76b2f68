"""ScanObjectNN, tables of paths, furniture libraries, and what they all can do."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from support.boxes import write_box

from pointclip.datasets import open_dataset
from pointclip.datasets.folder import ClassFolder
from pointclip.datasets.scanobjectnn import CLASSES, ScanObjectNN
from pointclip.datasets.sweethome3d import Row, SweetHome3D
from pointclip.errors import DatasetError, InputError
from pointclip.reading.items import read_items


@pytest.fixture
def scans(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pointclip[data]'")
    random = np.random.default_rng(0)
    for folder, ending in (("main_split", ""), ("main_split_nobg", ""), ("main_split", "_augmentedrot_scale75")):
        for part in ("training", "test"):
            path = tmp_path / "h5_files" / folder / f"{part}_objectdataset{ending}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                file["data"] = random.normal(size=(4, 40, 3)).astype(np.float32)
                file["label"] = np.array([0, 14, 3, 6], np.uint8)
                file["mask"] = np.where(np.arange(40) < 10, -1, 5)[None].repeat(4, 0)
    return tmp_path


@pytest.mark.parametrize("variant", ["obj_bg", "obj_only", "pb_t50_rs"])
def test_variants_of_scanobjectnn(scans, variant):
    test = open_dataset(f"scanobjectnn-{variant}:{scans}", "test")
    assert (test.labels, len(test)) == (sorted(CLASSES), 4)
    assert [test.label(k) for k in range(4)] == ["bag", "toilet", "cabinet", "display"]
    assert test.id(3) == f"{variant}-test/000003"
    other = open_dataset(f"scanobjectnn-{variant}:{scans / 'h5_files'}", "train")
    assert test.fingerprint(0) != other.fingerprint(0)
    assert test.item(0)[0].points.norm(dim=1).max() == pytest.approx(1)


def test_the_background_can_be_left_out(scans):
    whole, cut = (ScanObjectNN(scans, "obj_bg", background=background) for background in (True, False))
    assert (len(whole.item(0)[0]), len(cut.item(0)[0])) == (40, 30)
    assert whole.fingerprint(0) != cut.fingerprint(0)


def test_what_scanobjectnn_lacks_is_told(scans):
    with pytest.raises(DatasetError, match="did you mean 'obj_bg'"):
        ScanObjectNN(scans, "obj_bgs")
    (scans / "h5_files" / "main_split_nobg" / "test_objectdataset.h5").unlink()
    with pytest.raises(DatasetError, match="(?s)is not there.*hkust-vgd.github.io"):
        open_dataset(f"scanobjectnn:{scans}", "test")


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


def library(folder, name, scale):
    write_box(folder / "raw" / f"{name}.obj", (1, scale, 1))
    with zipfile.ZipFile(folder / "Lib.sh3f", "a") as archive:
        archive.write(folder / "raw" / f"{name}.obj", f"models/{name}/{name}.obj")


def test_furniture(tmp_path):
    for name, scale in (("cup", 1), ("bowl", 2)):
        library(tmp_path, name, scale)
    rows = [Row("Lib.sh3f", f"models/{name}/{name}.obj", name, name, "train") for name in ("cup", "bowl")]
    data = SweetHome3D(tmp_path, "train", num_points=50, only=rows)
    cloud, label, name = data.item(1)
    assert (len(cloud), label, name) == (50, "bowl", "Lib.sh3f/models/bowl/bowl.obj")
    assert (data.id(1), data.label(1)) == (name, label)
    before = [data.fingerprint(k) for k in range(2)]
    (tmp_path / "Lib.sh3f").unlink()
    for name, scale in (("cup", 1), ("bowl", 3)):
        library(tmp_path, name, scale)
    after = SweetHome3D(tmp_path, "train", num_points=50, only=rows)
    assert [after.fingerprint(k) == before[k] for k in range(2)] == [True, False]
    with zipfile.ZipFile(tmp_path / "Lib.sh3f", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("models/cup/cup.obj", b"v 0 0 0\n" * 10_000_000)
        archive.writestr("other.obj", b"v 0 0 0\n")
    with pytest.raises(InputError, match="Lib.sh3f unpacks from .* to 80,000,000 bytes, as no shape does"):
        data.item(0)
    (tmp_path / "Lib.sh3f").write_bytes(b"cut")
    with pytest.raises(DatasetError, match="Lib.sh3f is damaged"):
        data.item(0)
    with pytest.raises(DatasetError, match="apt-get install"):
        open_dataset(f"sweethome3d:{tmp_path / 'nowhere'}")


@pytest.fixture
def folder(tmp_path):
    for number in range(11):
        write_box(tmp_path / "shapes" / ("cup" if number % 2 else "bowl") / f"{number}.obj", (1, 2, 1 + number))
    (tmp_path / "shapes" / "cup" / "5.obj").write_text("v 1 2\n")
    return ClassFolder(tmp_path / "shapes", num_points=40)


def test_reading_stays_a_few_ahead(folder):
    asked = []

    class Watched:
        labels, split = folder.labels, "all"

        def __len__(self):
            return len(folder)

        def item(self, index):
            asked.append(index)
            return folder.item(index)

        label, id = staticmethod(folder.label), staticmethod(folder.id)

    stream = read_items(Watched(), range(11), ahead=3)
    next(stream)
    stream.close()
    assert max(asked) <= 4


def test_datasets_travel_to_other_processes(folder, scans):
    for data in (folder, ScanObjectNN(scans)):
        data.item(0)
        again = pickle.loads(pickle.dumps(data))
        assert torch.equal(again.item(0)[0].points, data.item(0)[0].points)


def test_every_kind_of_dataset_keeps_outliers_where_it_is_told_to(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pointclip[data]'")
    cloud = np.append(np.random.default_rng(0).uniform(-1, 1, (299, 3)), [[0.0, 30.0, 0.0]], 0)
    (tmp_path / "folder" / "cup").mkdir(parents=True)
    np.savetxt(tmp_path / "folder" / "cup" / "a.xyz", cloud)
    (tmp_path / "table.csv").write_text("path,label\nfolder/cup/a.xyz,cup\n")
    (tmp_path / "clouds" / "chair").mkdir(parents=True)
    np.savetxt(tmp_path / "clouds" / "chair" / "chair_0001.txt", cloud, delimiter=",")
    for part in ("train", "test"):
        (tmp_path / "clouds" / f"modelnet40_{part}.txt").write_text("chair_0001\n")
    (tmp_path / "main_split_nobg").mkdir()
    with h5py.File(tmp_path / "main_split_nobg" / "training_objectdataset.h5", "w") as file:
        file["data"], file["label"] = cloud[None].astype(np.float32), np.zeros(1, np.uint8)
    with zipfile.ZipFile(tmp_path / "furniture.sh3f", "w") as library:
        library.writestr("a/a.xyz", (tmp_path / "folder" / "cup" / "a.xyz").read_text())
    for name in ("folder", "table.csv", f"modelnet40:{tmp_path / 'clouds'}", f"scanobjectnn:{tmp_path}"):
        name = name if ":" in name else tmp_path / name
        kept, left = (open_dataset(name, drop_outliers=drop) for drop in (False, True))
        assert (len(kept.item(0)[0]), len(left.item(0)[0])) == (300, 299)
        assert kept.fingerprint(0) != left.fingerprint(0) == open_dataset(name).fingerprint(0)
        assert len(pickle.loads(pickle.dumps(kept)).item(0)[0]) == 300
    furniture = SweetHome3D(tmp_path, "train", only=[Row("furniture.sh3f", "a/a.xyz", "a", "bed", "train")])
    before = furniture.fingerprint(0)
    assert len(furniture.item(0)[0]) == 299
    furniture.drop_outliers = False
    assert len(furniture.item(0)[0]) == 300 and furniture.fingerprint(0) != before
