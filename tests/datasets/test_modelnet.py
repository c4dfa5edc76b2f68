"""ModelNet in its three layouts, as the tests write them."""

import numpy as np
import pytest
import torch

from pointclip.datasets import open_dataset
from pointclip.datasets.modelnet import CLASSES_10, CLASSES_40
from pointclip.datasets.protocol import fingerprint_of
from pointclip.errors import DatasetError, InputError

OFF = "OFF4 4 0\n0 0 0\n1 0 0\n0 2 0\n0 0 5\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"


@pytest.fixture
def meshes(tmp_path):
    for name in ("chair/train/chair_0001", "chair/test/chair_0002", "night_stand/train/night_stand_0001"):
        path = tmp_path / f"{name}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OFF)
    (tmp_path / "chair" / "train" / "._chair_0001.off").write_text("left by a Mac")
    return tmp_path


@pytest.fixture
def hdf5(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pointclip[data]'")
    names = [name.replace("_", " ") if name == "tv_stand" else name for name in CLASSES_40]
    (tmp_path / "shape_names.txt").write_text("\n".join(names) + "\n")
    random = np.random.default_rng(0)
    for split, count in (("train", 2), ("test", 1)):
        lines = []
        for number in range(count):
            with h5py.File(tmp_path / f"ply_data_{split}{number}.h5", "w") as file:
                file["data"] = random.normal(size=(3, 60, 3)).astype(np.float32) * [1, 3, 1]
                file["label"] = np.array([[8], [23], [36]], np.uint8)
            lines.append(f"data/modelnet40_ply_hdf5_2048/ply_data_{split}{number}.h5")
        (tmp_path / f"{split}_files.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def resampled(tmp_path):
    (tmp_path / "modelnet40_train.txt").write_text("chair_0001\nnight_stand_0002\n")
    (tmp_path / "modelnet40_test.txt").write_text("tv_stand_0007\n")
    random = np.random.default_rng(0)
    for name in ("chair/chair_0001", "night_stand/night_stand_0002", "tv_stand/tv_stand_0007"):
        points, normals = random.normal(size=(2, 50, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.savetxt(tmp_path / f"{name}.txt", np.hstack([points, normals]), "%.6f", ",")
    return tmp_path


def test_meshes(meshes):
    train = open_dataset(f"modelnet40:{meshes}", num_points=400)
    assert (train.split, train.splits, len(train), len(train.labels)) == ("train", ("test", "train"), 2, 40)
    assert [train.label(k) for k in range(2)] == ["chair", "night stand"]
    assert [train.id(k) for k in range(2)] == ["chair/train/chair_0001.off", "night_stand/train/night_stand_0001.off"]
    cloud, label, name = train.item(1)
    assert (label, name, len(cloud)) == ("night stand", "night_stand/train/night_stand_0001.off", 400)
    extent = cloud.points.amax(0) - cloud.points.amin(0)
    assert extent.argmax() == 1, "the files are z-up, the cloud is y-up"
    assert cloud.points.norm(dim=1).max() == pytest.approx(1)
    as_they_are = open_dataset(f"modelnet40:{meshes}", num_points=400, up="y").item(1)[0].points
    assert (as_they_are.amax(0) - as_they_are.amin(0)).argmax() == 2


def test_the_ten_classes_of_the_forty(meshes):
    assert open_dataset(f"modelnet10:{meshes}", "test").labels == [name.replace("_", " ") for name in CLASSES_10]


def test_hdf5(hdf5):
    train, test = (open_dataset(f"modelnet40:{hdf5}", split) for split in ("train", "test"))
    assert (len(train), len(test), len(train.labels)) == (6, 3, 40)
    assert [train.label(k) for k in range(3)] == ["chair", "night stand", "tv stand"]
    assert train.id(4) == "ply_data_train1/000001"
    cloud, label, name = test.item(2)
    assert (label, name, len(cloud)) == ("tv stand", "ply_data_test0/000002", 60)
    assert (cloud.points.amax(0) - cloud.points.amin(0)).argmax() == 1, "y-up as it is"
    assert len({train.fingerprint(k) for k in range(6)}) == 6
    assert train.fingerprint(0) != open_dataset(f"modelnet40:{hdf5}", num_points=10).fingerprint(0)
    assert len(open_dataset(f"modelnet40:{hdf5}", num_points=10).item(0)[0]) == 10


def test_hdf5_of_ten_classes_leaves_the_others_out(hdf5):
    train = open_dataset(f"modelnet10:{hdf5}")
    assert [train.label(k) for k in range(len(train))] == ["chair", "night stand"] * 2


def test_clouds_with_normals(resampled):
    train, test = (open_dataset(f"modelnet40:{resampled}", split) for split in ("train", "test"))
    assert [train.id(k) for k in range(2)] == ["chair/chair_0001.txt", "night_stand/night_stand_0002.txt"]
    cloud, label, _ = test.item(0)
    assert label == "tv stand"
    torch.testing.assert_close(cloud.normals.norm(dim=1), torch.ones(50))
    before = train.fingerprint(0)
    (resampled / "chair" / "chair_0001.txt").write_text("1,2,3,0,0,1\n4,5,6,0,0,1\n")
    assert train.fingerprint(0) != before
    assert len(train.item(0)[0]) == 2


@pytest.mark.parametrize("content", ["a,b,c\n", "1,2\n3,4\n", "1,2,3,0,0,1\n", "", "nan,nan,nan,0,0,1\n1,2,3,0,0,1\n"])
def test_bad_clouds_are_named(resampled, content):
    (resampled / "chair" / "chair_0001.txt").write_text(content)
    with pytest.raises(InputError, match="chair_0001"):
        open_dataset(f"modelnet40:{resampled}").item(0)


def test_a_listed_cloud_that_is_not_there(resampled):
    (resampled / "chair" / "chair_0001.txt").unlink()
    data = open_dataset(f"modelnet40:{resampled}")
    assert fingerprint_of(data, 0).startswith("unreadable")
    with pytest.raises(InputError, match="unpack the set again"):
        data.item(0)


def test_what_is_missing_is_told_with_its_source(tmp_path, hdf5):
    for name, words in [
        (f"modelnet40:{tmp_path / 'nowhere'}", "is no folder with ModelNet40.*modelnet.cs.princeton.edu"),
        ("modelnet40", "write modelnet40:FOLDER"),
        ("modelnet41:x", "did you mean 'modelnet40'"),
    ]:
        with pytest.raises(DatasetError, match="(?s)" + words):
            open_dataset(name)
    with pytest.raises(DatasetError, match="train and test, not 'val'"):
        open_dataset(f"modelnet40:{hdf5}", "val")
    (hdf5 / "ply_data_train1.h5").write_bytes(b"cut")
    with pytest.raises(DatasetError, match="ply_data_train1.h5 is no HDF5 file"):
        open_dataset(f"modelnet40:{hdf5}")
    (hdf5 / "ply_data_train1.h5").unlink()
    with pytest.raises(DatasetError, match="ply_data_train1.h5 is not there"):
        open_dataset(f"modelnet40:{hdf5}")


def test_the_arrays_of_a_file_are_opened_once(hdf5, monkeypatch):
    """Each opened array has its own cache of unpacked blocks: 16 ms a cloud without it, 0.2 ms with it."""
    import h5py

    data = open_dataset(f"modelnet40:{hdf5}", "test")
    data.item(0)
    monkeypatch.setattr(h5py.Group, "__getitem__", None)
    assert data.item(1)[1:] == ("night stand", "ply_data_test0/000001")


def test_a_damaged_block_is_told_of_its_rows_only(hdf5):
    import h5py

    path = hdf5 / "ply_data_test0.h5"
    with h5py.File(path, "r+") as file:
        rows = file["data"][()]
        del file["data"]
        file.create_dataset("data", data=rows, chunks=(1, 60, 3), compression="gzip")
        where, size = (getattr(file["data"].id.get_chunk_info(1), name) for name in ("byte_offset", "size"))
    content = bytearray(path.read_bytes())
    content[where : where + size] = b"?" * size
    path.write_bytes(content)
    data = open_dataset(f"modelnet40:{hdf5}", "test")
    assert len(data.item(0)[0]) == 60 and data.fingerprint(1).startswith("unreadable")
    with pytest.raises(InputError, match="ply_data_test0.h5 is damaged at row 1"):
        data.item(1)


def test_splits_without_a_shape_and_foreign_classes_are_refused(resampled):
    (resampled / "modelnet40_test.txt").write_text("")
    with pytest.raises(DatasetError, match="modelnet40_test.txt names no shape"):
        open_dataset(f"modelnet40:{resampled}", "test")
    (resampled / "modelnet40_test.txt").write_text("mug_0001\n")
    with pytest.raises(DatasetError, match="names shapes of mug, no class of it"):
        open_dataset(f"modelnet40:{resampled}", "test")


@pytest.mark.parametrize("name", ["data", "label"])
@pytest.mark.parametrize("way", ["external", "soft to external", "virtual", "stored outside", "group"])
def test_arrays_that_lie_in_other_files_are_not_read(hdf5, name, way):
    import h5py

    path = hdf5 / "ply_data_test0.h5"
    with h5py.File(hdf5 / "other.h5", "w") as other, h5py.File(path, "r+") as file:
        rows = file[name][()]
        other["secret"] = rows
        del file[name]
        if way == "external":
            file[name] = h5py.ExternalLink("other.h5", "/secret")
        elif way == "soft to external":
            file["away"] = h5py.ExternalLink("other.h5", "/secret")
            file[name] = h5py.SoftLink("/away")
        elif way == "virtual":
            layout = h5py.VirtualLayout(rows.shape, rows.dtype)
            layout[...] = h5py.VirtualSource(other["secret"])
            file.create_virtual_dataset(name, layout)
        elif way == "stored outside":
            (hdf5 / "raw").write_bytes(rows.tobytes())
            outside = [("raw", 0, rows.nbytes)]
            file.create_dataset(name, rows.shape, rows.dtype, external=outside)
        else:
            file.create_group(name)
    with pytest.raises(DatasetError, match=f"{name} is no array of this file, and links are not followed"):
        open_dataset(f"modelnet40:{hdf5}", "test")


def test_a_file_without_clouds_is_refused(hdf5):
    import h5py

    with h5py.File(hdf5 / "ply_data_test0.h5", "w") as file:
        file["data"], file["label"] = np.zeros((0, 60, 3), np.float32), np.zeros((0, 1), np.uint8)
    with pytest.raises(DatasetError, match="test files hold no cloud"):
        open_dataset(f"modelnet40:{hdf5}", "test")
