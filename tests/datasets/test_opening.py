"""What every dataset can do, whatever it is called."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from support.boxes import write_box

from pointclip.datasets import open_dataset
from pointclip.datasets.folder import ClassFolder
from pointclip.datasets.scanobjectnn import ScanObjectNN
from pointclip.datasets.sweethome3d import Row, SweetHome3D
from pointclip.reading.items import read_items


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
