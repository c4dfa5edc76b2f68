"""README is run: its Python in one go, its commands one by one."""

import re
import shlex
from pathlib import Path

import pytest
import trimesh
from typer.testing import CliRunner

from pointclip.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S)
COMMANDS = [
    line.split("  #")[0].strip()
    for language, block in BLOCKS
    if not language
    for line in block.splitlines()
    if line.startswith("pointclip ")
]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    makers = {"box": trimesh.creation.box, "ball": trimesh.creation.icosphere, "pipe": trimesh.creation.annulus}
    for index, scale in enumerate((1.0, 0.8, 0.6)):
        for name, make in makers.items():
            mesh = make(0.5, 1.0, 2.0) if name == "pipe" else make()
            (tmp_path / "my_shapes" / name).mkdir(parents=True, exist_ok=True)
            mesh.apply_scale([1.0, scale, 1.0]).export(tmp_path / "my_shapes" / name / f"{index}.obj")
    return tmp_path


def test_python_blocks_run(workplace, capsys):
    names: dict = {}
    for language, block in BLOCKS:
        if language == "python":
            exec(compile(block, "README.md", "exec"), names)
    assert "chair" in capsys.readouterr().out.splitlines()[0]


def test_commands_run(workplace):
    """A command that wants a hub's weights may end with the sentence that says how to get them."""
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        if "--model" in command and result.exit_code == 2:
            assert "embedded" in result.stderr
        else:
            assert result.exit_code == 0, f"{command}\n{result.output}"


def test_the_two_commands_are_those_of_continuous_integration():
    install = [line for line in README.splitlines() if line.startswith("pip install -e '.[")]
    assert len(install) == 2 and install[1].endswith("&& pytest")
    assert 'grep -E "^pip install -e' in (ROOT / ".ci" / "run").read_text()


def test_no_figure_without_its_command():
    """The table of results names scripts that exist."""
    scripts = re.findall(r"scripts/\w+\.py", README)
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_number_has_its_script_and_its_table():
    """The page of the scripts names every program and every table there is, and none that is not."""
    page = (ROOT / "scripts" / "README.md").read_text()
    programs = {path.name for path in (ROOT / "scripts").glob("[a-z]*.py")}
    assert programs == set(re.findall(r"\b[a-z]\w+\.py\b", page))
    tables = {path.name for path in (ROOT / "assets" / "bench").iterdir()}
    assert tables == set(re.findall(r"\b\w+\.csv\b", page)) - {"sweethome3d.csv"}
    places = [ROOT / "scripts" / place for place in re.findall(r"\]\(([^#)]+)\)", page)]
    assert places and all(place.exists() for place in places)
