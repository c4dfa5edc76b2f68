"""What doctor takes for needed, and a torch and torchvision that do not fit each other, by every command."""

import os
import re
import shutil
import subprocess
import sys
from unittest.mock import Mock

import pytest
from support.command_line import run

from pointclip.cli import doctor
from pointclip.errors import MissingDependency


def test_doctor_needs_no_extra(monkeypatch):
    def left_out():
        raise MissingDependency("this needs timm")

    monkeypatch.setattr(doctor, "CHECKS", {"embedded": left_out})
    ran = run("doctor")
    assert (ran.code, ran.out, ran.err) == (0, "no   embedded: this needs timm\n", "")


# what Python says of the pair at the first import, at each further one, and where the shared library does not load
MISFITS = {
    "first": RuntimeError("operator torchvision::nms does not exist"),
    "again": AttributeError("partially initialized module 'torchvision' has no attribute 'extension'"),
    "library": OSError("/x/torchvision/_C.so: undefined symbol: _ZN3c10"),
}


@pytest.mark.parametrize("error", MISFITS.values(), ids=MISFITS)
def test_a_torch_and_a_torchvision_that_do_not_fit_are_named_by_doctor(monkeypatch, error):
    monkeypatch.setattr(doctor, "CHECKS", {"torch": doctor.CHECKS["torch"], "torchvision": Mock(side_effect=error)})
    ran = run("doctor")
    assert ran.code == 1
    assert "NO   torchvision: torch " in ran.out and "do not fit each other (" in ran.out
    assert "-> install both anew, from one index: python -m pip install" in ran.out


@pytest.mark.parametrize(
    "command",
    [("classify", "box.obj"), ("eval", "all"), ("fit", "all", "--out", "f.safetensors"),
     ("embed", "box.obj", "--out", "e.safetensors"), ("models",)],
    ids=lambda command: command[0],
)  # fmt: skip
def test_a_torch_and_a_torchvision_that_do_not_fit_are_named_by_every_command(command, shapes):
    """A package ``torchvision`` that fails as the real one does stands before it on the path."""
    for kind in ("box", "ball"):
        (shapes / "all" / kind).mkdir(parents=True)
        shutil.copy(shapes / "box.obj", shapes / "all" / kind)
    (shapes / "bad" / "torchvision").mkdir(parents=True)
    (shapes / "bad" / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    path = os.pathsep.join([str(shapes / "bad"), *sys.path])
    how = {"capture_output": True, "text": True, "env": {**os.environ, "PYTHONPATH": path}, "cwd": shapes}
    ran = subprocess.run([sys.executable, "-m", "pointclip", *command], **how, check=False)
    assert ran.returncode == 1
    assert re.match(r"error: torch \S+ and torchvision \S+ do not fit each other \(", ran.stderr.splitlines()[-1])
    assert "Traceback" not in ran.stderr
