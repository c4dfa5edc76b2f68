"""The Triton kernels without a GPU: what every backend has to do, in Triton's interpreter, and compiled for a GPU.

Both run in processes of their own: the interpreter is switched on before triton is imported, and must not be seen by
torch.compile in the other tests.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.ops import INTERPRETED

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.skipif(
        find_spec("triton") is None, reason="triton is not installed: no Triton kernels on this platform"
    ),
    pytest.mark.skipif(INTERPRETED, reason="already inside Triton's interpreter"),
]
ALONE = {"PYTEST_ADDOPTS": "", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("op", ["zbuffer", "mean", "splat", "rasterize"])
def test_the_contract_holds_in_the_interpreter(op, tmp_path):
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    run = subprocess.run(
        [*command, str(HERE / f"test_{op}.py")],
        env={**os.environ, **ALONE, "TRITON_INTERPRET": "1"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    names = [case.get("name", "") for case in cases]
    assert sum("triton-cpu" in name for name in names) >= 10
    assert not any("reference-cpu" in name for name in names)
    assert not [case for case in cases if case.find("skipped") is not None]


@pytest.mark.parametrize("capability", ["80", "90"])
def test_the_kernels_compile_for_a_gpu(capability):
    run = subprocess.run(
        [sys.executable, str(HERE.parent / "support" / "compile_kernels.py"), capability],
        env={**os.environ, **ALONE, "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    lines = dict(line.split(": ", 1) for line in run.stdout.splitlines())
    assert lines["zbuffer fp32 atomics"] == lines["zbuffer fp64 atomics"] == "max.s64"
    assert lines["rasterize fp32 atomics"] == lines["rasterize fp64 atomics"] == "max.s64"
    assert lines["splat fp32 atomics"] == "add.f32"
    assert lines["mean fp64 atomics"] == "add.f64"
    # A fused multiply-add would round the distance to a pixel centre otherwise than the reference does.
    assert lines["zbuffer fp32 fma"] == lines["zbuffer fp64 fma"] == "0"
    assert lines["rasterize fp32 fma"] == lines["rasterize fp64 fma"] == "0"
