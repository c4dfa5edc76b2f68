"""The furniture meshes of the sweethome3d benchmark as one pool, or one split of it, with labels and fingerprints."""

import hashlib
import json
import zipfile
from pathlib import Path

from pointclip.datasets.sweethome3d import SweetHome3D, read_rows


class Furniture:
    """The shapes of one split, or of all libraries where ``split`` is None; no mesh is read before it is asked for."""

    def __init__(self, root: Path, num_points: int, split: str | None = None) -> None:
        self.rows = [row for row in read_rows() if split in (None, row.split)]
        self.root, self.num_points, self.contents = root, num_points, {}
        self.labels, self.splits = sorted({row.label for row in self.rows}), ("all",)
        for name in {row.library for row in self.rows}:
            with zipfile.ZipFile(root / name) as library:
                self.contents[name] = sorted((file.filename, file.CRC) for file in library.infolist())

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, index: int):
        row = self.rows[index]
        return SweetHome3D(self.root, row.split, self.num_points, only=[row]).item(0)

    def label(self, index: int) -> str:
        return self.rows[index].label

    def fingerprint(self, index: int) -> str:
        row = self.rows[index]
        beside = [file for file in self.contents[row.library] if file[0].startswith(row.model.rpartition("/")[0])]
        return hashlib.sha256(json.dumps([row.model, beside, self.num_points]).encode()).hexdigest()
