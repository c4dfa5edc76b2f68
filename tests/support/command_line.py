"""A command line whose model is a tiny random tower in a file, and small shapes to feed it."""

import json

import pytest
import torch
import trimesh
from typer.testing import CliRunner

from pointclip.cli import app
from pointclip.weights import loading as weights
from support.tiny_towers import register, unregister

ARCH = "tiny-vit"


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """Write a tiny random tower to disk; give its name for ``--model``."""
    folder = tmp_path_factory.mktemp("tiny")
    register(folder)
    torch.save(weights.random(ARCH, seed=3).model.state_dict(), folder / "tiny.pt")
    yield f"{ARCH}@{folder}/tiny.pt"
    unregister(folder)


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """Make three shapes in the working directory: ``box.obj``, ``sub/ball.ply`` and ``sub/cloud.xyz``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / ".cache"))
    (tmp_path / "sub").mkdir()
    trimesh.creation.box((1, 2, 3)).export("box.obj")
    trimesh.creation.icosphere(2).export("sub/ball.ply")
    (tmp_path / "sub" / "cloud.xyz").write_text("\n".join(f"{k} {k * k % 7} {k % 5}" for k in range(200)))
    return tmp_path


class Ran:
    """What a run of the command line left: exit code, both streams, and stdout read as JSON."""

    def __init__(self, result):
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr

    @property
    def json(self):
        """stdout as one JSON document."""
        return json.loads(self.out)


def run(*arguments, env=None):
    """Run ``pointclip`` in this process."""
    return Ran(CliRunner().invoke(app, [str(argument) for argument in arguments], env=env))


@pytest.fixture
def classify(tiny_file, shapes):
    """Run ``pointclip classify`` with the tiny tower, few views and few points."""

    def call(*arguments, env=None):
        fixed = ("--model", tiny_file, "--views", "ring-2", "--points", 300, "--precision", "fp32", "--device", "cpu")
        return run("classify", *fixed, *arguments, env=env)

    return call
