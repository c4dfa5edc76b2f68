"""Shapes of any tree of files, without classes."""

from collections.abc import Sequence
from pathlib import Path

from pointclip.datasets.listed import Entry, ListedFiles


class Files(ListedFiles):
    """Give the shapes of a list of files, in its order, each named by its path.

    Args:
        paths: The files, as ``find_shapes`` finds them; relative ones start at the working folder.
        num_points: Points drawn on a mesh, and most kept of a cloud.
        up: Axis that points up in the files.
        seed: Seed of the points drawn.
        drop_outliers: Leave far outliers out.

    Attributes:
        labels: None: no class is known, and every shape's label is "".

    Example:
        >>> shapes = Files(["sub/chair.obj", "table.ply"])
        >>> len(shapes), shapes.id(0), shapes.label(0), shapes.split
        (2, 'sub/chair.obj', '', 'all')
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        num_points: int = 20_000,
        up: str = "y",
        seed: int = 0,
        drop_outliers: bool = True,
    ) -> None:
        super().__init__((Entry(Path(path), "", "all", str(path)) for path in paths), "all", num_points, up, seed)
        self.labels, self.drop_outliers = [], drop_outliers
