"""ScanObjectNN: real scans of 15 kinds of objects, in its three variants."""

from pathlib import Path

from pointclip._base.checks import nearest
from pointclip.datasets.hdf5 import Hdf5Clouds, Hdf5File
from pointclip.datasets.protocol import Dataset
from pointclip.errors import DatasetError

CLASSES = "bag bin box cabinet chair desk display door shelf table bed pillow sink sofa toilet".split()
SPLITS = ("train", "test")
VARIANTS = {
    "obj_bg": ("main_split", ""),
    "obj_only": ("main_split_nobg", ""),
    "pb_t50_rs": ("main_split", "_augmentedrot_scale75"),
}
NAMES = ("scanobjectnn", *(f"scanobjectnn-{variant}" for variant in VARIANTS))
HOME = None
HOW_TO_GET = (
    "ScanObjectNN is not downloaded by pointclip: hkust-vgd.github.io/scanobjectnn gives it to those who agree to its "
    "terms of use. The folder must hold h5_files/main_split/{training,test}_objectdataset.h5 (obj_bg), "
    "h5_files/main_split_nobg/{training,test}_objectdataset.h5 (obj_only) or "
    "h5_files/main_split/{training,test}_objectdataset_augmentedrot_scale75.h5 (pb_t50_rs)"
)


def opened(name: str, folder: Path, split: str | None, num_points: int, up: str | None, seed: int) -> Dataset:
    """Open the variant that the name ends with, ``obj_only`` where it has none; nothing is drawn, so no seed counts."""
    return ScanObjectNN(folder, name.partition("-")[2] or "obj_only", split or "train", num_points, up or "y")


class ScanObjectNN(Hdf5Clouds):
    """Give the clouds of one variant and split, y-up.

    Args:
        root: The folder that holds ``h5_files``, or that folder itself.
        variant: ``"obj_bg"`` (with the background points), ``"obj_only"`` or ``"pb_t50_rs"`` (moved, turned and scaled
            boxes, the hardest).
        split: ``"train"`` or ``"test"``.
        num_points: Most points kept.
        up: Axis that points up in the files.
        background: False leaves out the points whose ``mask`` is -1.

    Raises:
        DatasetError: There is no such variant, split or file; the message says where it comes from.
    """

    def __init__(
        self,
        root: str | Path,
        variant: str = "obj_only",
        split: str = "train",
        num_points: int = 20_000,
        up: str = "y",
        background: bool = True,
    ) -> None:
        if variant not in VARIANTS:
            raise DatasetError(f"ScanObjectNN has no variant {variant!r}: {nearest(variant, VARIANTS)}")
        if split not in SPLITS:
            raise DatasetError(f"ScanObjectNN has the splits train and test, not {split!r}")
        folder, ending = VARIANTS[variant]
        above = Path(root) / "h5_files" if (Path(root) / "h5_files").is_dir() else Path(root)
        part = {"train": "training", "test": "test"}[split]
        path = above / folder / f"{part}_objectdataset{ending}.h5"
        self.variant = variant
        super().__init__(
            [Hdf5File(path, f"{variant}-{split}")], CLASSES, sorted(CLASSES), split, SPLITS, num_points, up, HOW_TO_GET,
            drop_masked=not background,
        )  # fmt: skip
