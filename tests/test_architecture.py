"""The shape of the package: rooms in rows, imports that go down, small files, a quick start."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import pointclip

PACKAGE = Path(pointclip.__file__).parent
# A package imports only from rows above its own in this list; packages of one row do not know each other.
ROWS = [
    ["errors"],
    ["_base"],
    ["meshes", "cameras", "ops", "prompts", "weights", "fusion"],
    ["points", "clip"],
    ["images", "datasets", "prediction"],
    ["feature_spec", "reading"],
    ["heads"],
    ["model"],
    ["encoding", "explain"],
    ["fewshot", "evaluation", "search", "viz"],
    ["cli", "__init__"],
    ["__main__"],
]
ROW = {name: row for row, names in enumerate(ROWS) for name in names}
ROOT = {"__init__", "__main__", "errors", "explain", "feature_spec", "model", "prediction"}
LONG = {"eval_": 46, "_run": 42, "fit": 41, "_encode_task": 46}  # still to be cut; none may be added or grow
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pointclip":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("pointclip.")}
    return found - {"__version__"}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function's name and its lines without the docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            words = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
            yield node.name, node.end_lineno - node.lineno + 1 - words


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    others = imported_packages(path) - {own}
    assert own in ROW and others <= set(ROW), "a package without a row"
    assert not {other for other in others if ROW[other] >= ROW[own]}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_are_small(path):
    assert len(path.read_text().splitlines()) <= 300
    assert not {name: lines for name, lines in functions(path) if lines > LONG.get(name, 40)}


def test_the_root_holds_what_a_reader_starts_from():
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT


def test_one_underscore():
    rooms = {path.parent.relative_to(PACKAGE).parts[:1] for path in MODULES if path.parent != PACKAGE}
    assert {room for (room,) in rooms if room.startswith("_")} == {"_base"}
    assert not [name_of(path) for path in MODULES if path.stem.startswith("_") and not path.stem.startswith("__")]


@pytest.mark.parametrize("room", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_what_a_package_hands_on_is_there_and_is_no_submodule(room):
    module = import_module(f"pointclip.{room}")
    files = {path.stem for path in (PACKAGE / room).glob("*.py")}
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None
        assert name not in files, f"{room}.{name} is both a function and a module"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_private_is_taken_from_another_package(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pointclip."):
            private = [a.name for a in node.names if a.name.startswith("_") and not a.name.startswith("__")]
            assert node.module.split(".")[1] == own or not private


def test_the_top_level_is_small():
    assert len(pointclip.__all__) <= 30
    for name in pointclip.__all__:
        assert getattr(pointclip, name) is not None


def test_ops_need_only_torch_and_numpy():
    """The scatter ops import where neither open_clip nor trimesh is installed."""
    code = (
        "import sys\n"
        "for name in ('open_clip', 'trimesh', 'einops', 'scipy', 'transformers', 'typer', 'rich', 'PIL', 'numba'):\n"
        "    sys.modules[name] = None\n"
        "import pointclip.ops, torch\n"
        "print(pointclip.ops.zbuffer(torch.ones(1, 1, 1, 3), (2, 2)).index.tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[[[[-1, -1], [-1, 0]]]]", done.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("pointclip", "torch open3d matplotlib transformers open_clip timm trimesh h5py sklearn numba"),
        ("pointclip.model", "pyarrow matplotlib h5py pointclip.datasets pointclip.evaluation pointclip.encoding"),
        ("pointclip.search.retrieval", "ray pyarrow pointclip.fewshot pointclip.evaluation pointclip.viz"),
        ("pointclip.ops", "numba trimesh open_clip scipy PIL pointclip.points pointclip.meshes"),
    ],
)
def test_imports_stay_light(module, absent):
    code = f"import sys, {module}; print([name for name in {absent.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
