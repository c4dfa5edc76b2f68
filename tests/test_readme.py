"""README is run: its Python in one go, its commands one by one."""

import re
import shlex
import sys
from pathlib import Path

import pytest
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
    return tmp_path


def test_python_blocks_run(workplace, capsys):
    names: dict = {}
    for language, block in BLOCKS:
        if language == "python":
            exec(compile(block, "README.md", "exec"), names)
    assert "chair" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(workplace, command):
    """A command that wants a hub's weights may end with the sentence that says how to get them."""
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    if "--model" in command and result.exit_code == 2:
        assert "embedded" in result.stderr
    else:
        assert result.exit_code == 0, result.output


def test_the_two_commands_are_those_of_continuous_integration():
    install = [line for line in README.splitlines() if line.startswith("pip install -e '.[")]
    assert len(install) == 2 and install[1].endswith("&& pytest")
    assert 'grep -E "^pip install -e' in (ROOT / ".ci" / "run").read_text()


def test_no_figure_without_its_command():
    """The table of results names scripts that exist."""
    scripts = re.findall(r"scripts/\w+\.py", README)
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)
    assert sys.version_info >= (3, 10)
