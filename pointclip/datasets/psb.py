"""The layout of the Princeton Shape Benchmark: meshes by number, and ``.cla`` files that say which class each is of."""

from collections.abc import Iterator
from pathlib import Path

from pointclip.datasets.listed import Entry, ListedFiles
from pointclip.errors import DatasetError

NAMES, HOME = ("psb",), None
_MESHES = (".off", ".obj", ".ply")
_LEVELS_UP = 5
HOW_TO_GET = "keep the .cla file and the folder of the meshes (db/1/m118/m118.off) below one folder, as unpacked"


class ClassFile(ListedFiles):
    """Give the meshes that a ``.cla`` file names, in its order; ids are paths.

    The file starts with ``PSB 1`` and the numbers of classes and models. A line ``NAME PARENT COUNT`` opens a class,
    COUNT numbers of models follow. Model 118 is the mesh ``m118.off`` (or ``118.off``, ``.obj``, ``.ply``), which is
    looked for below the file's folder and the folders above it that have a folder ``db``.

    Args:
        path: The ``.cla`` file; ``train`` or ``test`` in its name is the split.
        split: That split, or None.
        num_points: Points drawn on a mesh.
        up: Axis that points up in the files.
        seed: Seed of the points drawn.

    Attributes:
        labels: The names of the classes that hold models, with spaces for underscores, sorted.

    Raises:
        DatasetError: The file is missing or not of this layout, a mesh is not there, or the split is another.

    Example:
        >>> list(classes_of("PSB 1\\n2 1\\nplant 0 0\\nplant_bush plant 1\\n7\\n", Path("test.cla")))
        [('7', 'plant bush')]
    """

    def __init__(
        self, path: str | Path, split: str | None = None, num_points: int = 20_000, up: str = "y", seed: int = 0
    ) -> None:
        path = Path(path)
        known = next((name for name in ("train", "test") if name in path.stem.lower()), "all")
        if split not in (None, known):
            raise DatasetError(f"{path} is the split {known!r}, not {split!r}: name the .cla file of that split")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path} cannot be read ({error}): {HOW_TO_GET}; it is not downloaded") from error
        root, meshes = _meshes(path)
        entries = []
        for model, label in classes_of(text, path):
            mesh = meshes.get(model)
            if mesh is None:
                raise DatasetError(f"{path} names the model {model}, and {root} has no m{model}.off: {HOW_TO_GET}")
            entries.append(Entry(mesh, label, known, mesh.relative_to(root).as_posix()))
        super().__init__(entries, known, num_points, up, seed)


def classes_of(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Read the text of a ``.cla`` file: for each model its number and the name of its class.

    Raises:
        DatasetError: It is of another layout, or cut.
    """
    words = [line.split() for line in text.splitlines() if line.strip()]
    if len(words) < 2 or words[0] != ["PSB", "1"] or len(words[1]) != 2 or not all(map(str.isdecimal, words[1])):
        raise DatasetError(f"{path} does not start with 'PSB 1' and two numbers, as a .cla file does")
    rest, number = iter(words[2:]), 0
    for line in rest:
        if len(line) != 3 or not line[2].isdecimal():
            raise DatasetError(f"{path} has {' '.join(line)!r} where a class, its parent and a number belong")
        for _ in range(int(line[2])):
            model = next(rest, None)
            if model is None or len(model) != 1:
                raise DatasetError(f"{path} ends or goes on before all {line[2]} models of {line[0]!r}: copy it again")
            number += 1
            yield model[0], line[0].replace("_", " ")
    if number != int(words[1][1]):
        raise DatasetError(f"{path} promises {words[1][1]} models and names {number}: copy it again")


def _meshes(path: Path) -> tuple[Path, dict[str, Path]]:
    """Find the folder that holds the meshes, and the meshes in it by number."""
    folder = path.absolute().parent
    above = [folder, *folder.parents[:_LEVELS_UP]]
    root = next((place for place in above if (place / "db").is_dir()), folder)
    found: dict[str, Path] = {}
    for mesh in sorted(root.rglob("*")):
        if mesh.suffix.lower() in _MESHES:
            found.setdefault(mesh.stem.removeprefix("m"), mesh)
    return root, found


def opened(name: str, folder: Path, split: str | None, num_points: int, up: str | None, seed: int) -> ClassFile:
    """Open the meshes of a class file by the name ``psb:FILE.cla``."""
    return ClassFile(folder, split, num_points, up or "y", seed)
