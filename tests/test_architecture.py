"""The shape of the package: rooms in rows, imports that go down, small files, a quick start."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

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
# What is imported past a package's door, and why.
DEEP = {
    "pointclip.weights.embedded": "scripts train and time the shipped head, part by part",
    "pointclip.clip.precision": "a script compares the fast forms of every architecture with its own forward",
    "pointclip.evaluation.metrics": "scripts score arrays of their own",
    "pointclip.evaluation.scores": "scripts judge answers of their own",
    "pointclip.evaluation.splits": "scripts draw the same validation shapes",
}
# Modules without a test file of their name, by the file that tests them: through their package's door, as users do.
TESTED_IN = {
    "_base": {
        "cli/test_doctor": "torch_pair",
        "test_assets": "assets",
        "scripts/test_common": "provenance",
    },
    "cameras": {"cameras/test_rigs": "camera files", "points/test_interop": "interop"},
    "cli": {
        "cli/test_classify": "boundary console notes",
        "cli/test_resume": "kept",
        "cli/test_eval": "eval_tables",
        "cli/test_search": "embed",
        "cli/test_shared_options": "options",
        "cli/test_show": "pictures",
        "evaluation/test_protocols": "eval_protocol",
        "fewshot/test_conversion": "convert",
        "test_additions": "models tables",
    },
    "clip": {"clip/test_towers": "folding patches precision", "clip/test_frozen": "device", "test_model": "still"},
    "datasets": {
        "cli/test_search": "files",
        "datasets/test_folder": "listed",
        "datasets/test_shapes": "psb",
        "datasets/test_modelnet": "hdf5 protocol",
        "reading/test_clouds": "paths",
    },
    "encoding": {"encoding/test_job": "local store", "cli/test_classify": "clouds"},
    "evaluation": {
        "evaluation/test_metrics": "calibration",
        "evaluation/test_run": "caveats judged",
        "evaluation/test_comparison": "result_folder scores",
        "evaluation/test_open_set": "splits",
        "evaluation/test_protocols": "literature",
        "viz/test_viz": "plots",
    },
    "fewshot": {"fewshot/test_fitting": "progress tuning"},
    "fusion": {"fusion/test_logits": "ensembles view_weights", "search/test_index": "pooling"},
    "heads": {"heads/test_adapter": "cache probe recipe table", "heads/test_checkpoint": "weights"},
    "images": {
        "images/test_render": "drawing scene shaded styles",
        "images/test_contour": "depth",
        "images/test_closing": "surface windows",
        "images/test_triangles": "shapes textures triangles_compiled",
    },
    "meshes": {
        "meshes/test_clouds": "arrays columns pcd text",
        "meshes/test_scene": "geometry obj off paint polygons",
        "images/test_triangles": "creases creases_compiled",
        "meshes/test_field_cases": "companions foreign gltf_graph gltf_surface off_binary",
        "meshes/test_bad_files": "repair",
        "meshes/test_field_meshes": "gltf_accessors stl",
        "meshes/test_field_ply": "ply ply_elements",
    },
    "ops": {
        "ops/test_torch": "autograd functions library",
        "ops/test_zbuffer": "footprint types points memory arrays",
        "ops/test_mean": "weighted_mean",
        "ops/test_surfaces": "packed",
        "ops/test_gather": "gather_values",
        "ops/test_splat": "splat_backward",
    },
    "points": {"points/test_points": "cloud frames loading mesh_cloud normals sampling"},
    "prompts": {"prompts/test_label_lists": "labels"},
    "reading": {"reading/test_items": "worker"},
    "search": {"cli/test_search": "retrieval"},
    "viz": {"viz/test_viz": "panels sheet turntable window"},
    "weights": {
        "weights/test_embedded": "embedded_head embedded_names",
        "weights/test_errors": "companions hub files",
        "weights/test_loading": "normalization openclip skip_init",
    },
}
TESTED_BY_USE = "cache checks leaks optional seeds version words"  # of _base: small helpers, in every package's tests
LONG = {"eval_": 46, "_run": 42, "fit": 41, "_encode_task": 46}  # still to be cut; none may be added or grow
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = Path(__file__).parent
SCRIPTS = sorted((TESTS.parent / "scripts").glob("*.py"))


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


def entered(path: Path) -> set[str]:
    """Give the modules of other packages that a file imports past their ``__init__``."""
    own = path.relative_to(PACKAGE).parts[0] if path.is_relative_to(PACKAGE) else "scripts"
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("pointclip."):
            continue
        room, *deeper = node.module.split(".")[1:]
        if room in (own, "_base") or not (PACKAGE / room).is_dir():
            continue
        files = {alias.name for alias in node.names if (PACKAGE / room / f"{alias.name}.py").is_file()}
        found |= {node.module} if deeper else {f"{node.module}.{name}" for name in files}
    return found


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=lambda path: path.relative_to(PACKAGE.parent).as_posix())
def test_packages_are_entered_by_their_door(path):
    assert not [module for module in entered(path) if not module.startswith(tuple(DEEP))]


def test_no_exception_outlives_its_reason():
    taken = {module for path in [*MODULES, *SCRIPTS] for module in entered(path)}
    assert [known for known in DEEP if not any(module.startswith(known) for module in taken)] == []


def test_one_public_name_has_one_meaning():
    homes: dict[str, list[str]] = {}
    for room in sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")):
        for name in getattr(import_module(f"pointclip.{room}"), "__all__", ()):
            homes.setdefault(name, []).append(room)
    assert {name: rooms for name, rooms in homes.items() if len(rooms) > 1} == {"load": ["points", "weights"]}


def test_every_module_has_tests():
    """A test file of its name, or a place in ``TESTED_IN``; a name there that has a file of its own by now goes."""
    missing, stale = [], []
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if path.stem in ("__init__", "__main__", "errors"):
            continue
        own = TESTS / ("" if path.parent == PACKAGE else room) / f"test_{path.stem}.py"
        elsewhere = [file for file, names in TESTED_IN.get(room, {}).items() if path.stem in names.split()]
        if not own.is_file() and not elsewhere and not (room == "_base" and path.stem in TESTED_BY_USE.split()):
            missing.append(name_of(path))
        if own.is_file() and elsewhere:
            stale.append(name_of(path))
    assert (missing, stale) == ([], [])
    named = {(room, name) for room, files in TESTED_IN.items() for words in files.values() for name in words.split()}
    there = {(path.relative_to(PACKAGE).parts[0], path.stem) for path in MODULES}
    assert named <= there, "TESTED_IN names modules that are gone"
    assert not [file for files in TESTED_IN.values() for file in files if not (TESTS / f"{file}.py").is_file()]


def test_the_tables_are_complete():
    """What looks like a row stands in its table, and the command line names it."""
    from pointclip import datasets, heads, images, ops
    from pointclip.cli.tables import TABLES
    from pointclip.images.scene import draw

    def modules(room: str) -> list[ModuleType]:
        return [import_module(f"pointclip.{room}.{path.stem}") for path in (PACKAGE / room).glob("[!_]*.py")]

    assert {m for m in modules("datasets") if hasattr(m, "opened")} == set(datasets.SOURCES)
    rows = [value for m in modules("heads") for value in vars(m).values() if isinstance(value, heads.Method)]
    assert {row.name for row in rows} == set(heads.METHODS)
    own = {kind for kind in draw.registry if kind.__module__.startswith("pointclip.")}
    drawn = {kind for kind in own if issubclass(kind, images.Style) and kind is not images.Style}
    drawn -= {kind for kind in drawn if any(kind in other.__mro__[1:] for other in drawn)}
    assert drawn <= {type(style) for style in images.STYLES.values()}
    folders = {path.parent.name for path in (PACKAGE / "ops").glob("*/__init__.py")}
    assert folders == set(ops.BACKENDS)
    assert set(TABLES["datasets"]()) >= {name for source in datasets.SOURCES for name in source.NAMES}
    assert set(TABLES["methods"]()) == set(heads.METHODS)
    assert set(TABLES["styles"]()) >= set(images.STYLES)


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
