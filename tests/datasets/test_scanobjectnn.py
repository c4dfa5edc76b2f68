"""The three variants of ScanObjectNN, on small files of its layout."""

import pytest

from pointclip.datasets import open_dataset
from pointclip.datasets.scanobjectnn import CLASSES, ScanObjectNN
from pointclip.errors import DatasetError


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
