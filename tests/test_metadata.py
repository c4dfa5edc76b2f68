"""What the package says of itself to the index, to those who cite it, and to a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import pointclip

ROOT = Path(__file__).resolve().parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text()


def test_the_citation_is_of_this_version_and_of_readmes_paper():
    told = yaml.safe_load((ROOT / "assets" / "CITATION.cff").read_text())
    assert told["version"] == pointclip.__version__
    assert told["license"] == re.search(r'^license = "(.+)"', PROJECT, re.MULTILINE)[1]
    paper, readme = told["preferred-citation"], (ROOT / "README.md").read_text()
    assert f"title = {{{paper['title']}}}" in readme and f"year = {{{paper['year']}}}" in readme
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert f"author = {{{authors}}}" in readme
    assert f'Paper = "{paper["url"]}"' in PROJECT


def test_the_oldest_python_of_the_classifiers_is_the_one_required():
    versions = re.findall(r"Python :: (3\.\d+)", PROJECT)
    assert versions == sorted(versions, key=lambda version: int(version[2:]))
    assert f'requires-python = ">={versions[0]}"' in PROJECT


@pytest.mark.parametrize(
    ("words", "offered"),
    [("pointclip cla", "classify"), ("pointclip convert", "convert-v1"), ("pointclip eval --proto", "--protocol")],
)
def test_a_shell_completes_commands_and_options(words, offered):
    env = {**os.environ, "_POINTCLIP_COMPLETE": "complete_bash", "COMP_WORDS": words}
    env["COMP_CWORD"] = str(len(words.split()) - 1)
    code = "import sys; sys.argv = ['pointclip']; from pointclip.cli import main; main()"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert offered in told.stdout.split()
