"""Furniture libraries."""

import zipfile

import pytest
from support.boxes import write_box

from pointclip.datasets import open_dataset
from pointclip.datasets.sweethome3d import Row, SweetHome3D
from pointclip.errors import DatasetError, InputError


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
    with pytest.raises(InputError, match=r"Lib.sh3f unpacks from .* to 80,000,000 bytes, as no shape does"):
        data.item(0)
    (tmp_path / "Lib.sh3f").write_bytes(b"cut")
    with pytest.raises(DatasetError, match="Lib.sh3f is damaged"):
        data.item(0)
    with pytest.raises(DatasetError, match="apt-get install"):
        open_dataset(f"sweethome3d:{tmp_path / 'nowhere'}")
