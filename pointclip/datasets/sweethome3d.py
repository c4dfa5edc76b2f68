"""The furniture meshes of Sweet Home 3D with the project's own fixed train and test split."""

import csv
import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pointclip._base.assets import asset
from pointclip.datasets.listed import OUTLIERS_KEPT
from pointclip.datasets.protocol import ByIndex, Dataset
from pointclip.errors import DatasetError
from pointclip.meshes import check_unpacked
from pointclip.points import PointCloud, load

NAMES = ("sweethome3d",)
FURNITURE_FOLDER = Path("/usr/share/sweethome3d/furniture")
HOME = FURNITURE_FOLDER
HOW_TO_GET = (
    "it comes from Debian's package sweethome3d-furniture: apt-get install sweethome3d-furniture, or unpack the .deb "
    "with dpkg -x and name its usr/share/sweethome3d/furniture folder"
)


def opened(name: str, folder: Path, split: str | None, num_points: int, up: str | None, seed: int) -> Dataset:
    """Open the benchmark; the split is ``train`` unless one is named."""
    return SweetHome3D(folder, split or "train", num_points, seed, up=up or "y")


@dataclass(frozen=True)
class Row:
    """One mesh of the benchmark: its library's archive, its path in it, its English name, its class and its split."""

    archive: str
    model: str
    name: str
    label: str
    split: str


def read_rows(path: Path | None = None) -> list[Row]:
    """Read the benchmark's table, ``assets/sweethome3d.csv`` unless another one is named.

    Example:
        >>> rows = read_rows()
        >>> len(rows), sum(row.split == "test" for row in rows), len({row.label for row in rows})
        (443, 156, 71)
    """
    with (path or asset("sweethome3d.csv")).open(newline="", encoding="utf-8") as file:
        return [Row(r["library"], r["model"], r["name"], r["class"], r["split"]) for r in csv.DictReader(file)]


class SweetHome3D(ByIndex):
    """Give the furniture meshes of one split as point clouds; ids are library and path.

    Args:
        root: Folder with the five ``.sh3f`` libraries.
        split: ``"train"`` (287 meshes), ``"test"`` (156 meshes of other libraries) or ``"all"``.
        num_points: Surface samples per mesh.
        seed: Seed of the samples.
        only: Rows to keep, for a part of a split; None keeps the whole split.
        up: Axis that points up in the files.

    Attributes:
        labels: The 71 class names.
        rows: The meshes of this split.
        drop_outliers: Leave far outliers out, as :func:`pointclip.load` does; to be set before shapes are read.

    Raises:
        DatasetError: A library is missing; the message says where it comes from.
    """

    splits = ("train", "test")
    drop_outliers = True

    def __init__(
        self,
        root: str | Path = FURNITURE_FOLDER,
        split: str = "test",
        num_points: int = 20_000,
        seed: int = 0,
        only: Sequence[Row] | None = None,
        up: str = "y",
    ) -> None:
        if split not in (*self.splits, "all"):
            raise DatasetError(f"sweethome3d has the splits train and test, not {split!r}")
        everything = read_rows()
        self.labels = sorted({row.label for row in everything})
        self.rows = [row for row in (everything if only is None else only) if split in (row.split, "all")]
        self.root, self.split, self.num_points, self.seed, self.up = Path(root), split, num_points, seed, up
        missing = sorted({row.archive for row in self.rows if not (self.root / row.archive).is_file()})
        if missing:
            raise DatasetError(f"{self.root} has no {', '.join(missing)}: {HOW_TO_GET}")

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, index: int) -> tuple[PointCloud, str, str]:
        """Read one mesh: its point cloud, its label and its id."""
        row = self.rows[index]
        with tempfile.TemporaryDirectory() as folder:
            path = extract(self.root / row.archive, row.model, Path(folder))
            cloud = load(path, self.num_points, self.up, self.seed, drop_outliers=self.drop_outliers)
        return cloud, row.label, self.id(index)

    def label(self, index: int) -> str:
        """Name the class of one mesh without reading it."""
        return self.rows[index].label

    def id(self, index: int) -> str:
        """Name one mesh: its library and its path in it."""
        return f"{self.rows[index].archive}/{self.rows[index].model}"

    def fingerprint(self, index: int) -> str:
        """Name everything that decides the cloud of one mesh: the checksums of the files beside it, how it is read."""
        row = self.rows[index]
        beside = [file for file in self._contents[row.archive] if file[0].startswith(row.model.rpartition("/")[0])]
        reading = [row.model, beside, self.num_points, self.seed, self.up]
        return hashlib.sha256(json.dumps(reading).encode()).hexdigest() + OUTLIERS_KEPT * (not self.drop_outliers)

    @cached_property
    def _contents(self) -> dict[str, list[tuple[str, int]]]:
        found = {}
        for name in {row.archive for row in self.rows}:
            with _opened(self.root / name) as library:
                found[name] = sorted((file.filename, file.CRC) for file in library.infolist())
        return found


def extract(library: Path, model: str, folder: Path) -> Path:
    """Unpack one model of a library with the materials and textures that lie beside it, and give the mesh's path.

    Raises:
        DatasetError: The library is damaged or has no such model.
    """
    beside = model.rpartition("/")[0] + "/"
    try:
        with _opened(library) as archive:
            wanted = [file for file in archive.infolist() if file.filename.startswith(beside) or file.filename == model]
            check_unpacked(library, sum(f.file_size for f in wanted), sum(f.compress_size for f in wanted))
            archive.extractall(folder, wanted)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise DatasetError(f"{library} is damaged ({error}): install it again") from error
    if not (folder / model).is_file():
        raise DatasetError(f"{library} has no model {model}: {HOW_TO_GET}")
    return folder / model


def _opened(library: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(library)
    except zipfile.BadZipFile as error:
        raise DatasetError(f"{library} is damaged ({error}): install it again") from error
