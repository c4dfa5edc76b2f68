"""The shape of the package: data flows one way, files stay small, import stays quick."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pointclip

PACKAGE = Path(pointclip.__file__).parent
LEAVES = {"errors", "_checks", "_optional", "_assets", "_cache", "_outputs", "_threads", "_provenance", "_words"}
# The datum's way from a file to the screen; a module imports only from its left and from the leaves.
ORDER = """
    meshes points stream datasets _other_cameras _cameras _rig_files rigs projection ops images
    prompts descriptions _init _hub _checkpoints _openclip embedded weights folding towers precision background clip
    _linear adapter view_weights ensembles fusion heads recipe training solvers _resume checkpoint
    prediction pose model explain shots _rows features _job _fit_progress tuning fewshot metrics
    calibration open_set validation _parts engine_ray encodings index retrieval judging _caveats scoring evaluation viz
    report result_folder compare doctor cli __main__
""".split()
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "py.typed")


def stage(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_stages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pointclip":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("pointclip.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_left(path):
    name = stage(path)
    if name == "__init__":
        return
    assert name in LEAVES or name in ORDER, f"{name} has no place in the order of the pipeline"
    allowed = LEAVES | ({name} if name in LEAVES else set(ORDER[: ORDER.index(name) + 1]))
    if name == "cli":
        allowed |= set(ORDER)
    assert imported_stages(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_have_one_job(path):
    assert len(path.read_text().splitlines()) <= 300


def test_the_top_level_is_small():
    assert len(pointclip.__all__) <= 20
    for name in pointclip.__all__:
        assert getattr(pointclip, name) is not None


def test_ops_need_only_torch_and_numpy():
    """The scatter ops import where neither open_clip nor trimesh is installed."""
    code = (
        "import sys\n"
        "for name in ('open_clip', 'trimesh', 'einops', 'scipy', 'transformers', 'typer', 'rich', 'PIL'):\n"
        "    sys.modules[name] = None\n"
        "import pointclip.ops, torch\n"
        "print(pointclip.ops.zbuffer(torch.ones(1, 1, 1, 3), (2, 2)).index.tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[[[[-1, -1], [-1, 0]]]]", done.stderr


def test_import_loads_nothing_heavy():
    heavy = "torch open3d matplotlib transformers open_clip timm trimesh h5py sklearn".split()
    code = f"import sys, pointclip; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
