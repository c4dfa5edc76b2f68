"""The choice of backend, the refusals, the memory kept, and what importing costs."""

import logging
import subprocess
import sys

import pytest
import torch
from support.ops import INTERPRETED, random_points

from pointclip import BackendUnavailable, InputError, ops
from pointclip.ops import backends as _backends

UVZ = random_points()
WEIGHTS = torch.ones(2, 120)


def test_the_reference_runs_everywhere():
    assert ops.why_not("reference") is None
    assert ops.why_not("reference", UVZ) is None


@pytest.mark.skipif(INTERPRETED, reason="the interpreter makes triton run on a CPU")
def test_a_named_backend_is_refused_with_the_reason():
    reason = ops.why_not("triton", UVZ)
    assert reason is not None
    with pytest.raises(BackendUnavailable) as refusal:
        ops.zbuffer(UVZ, (12, 17), backend="triton")
    assert reason in str(refusal.value)
    assert "backend='auto'" in str(refusal.value)


def test_each_reason_is_one_sentence_of_its_own(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(_backends, "find_spec", lambda name: None)
    assert "not installed" in ops.why_not("triton", UVZ)
    monkeypatch.setattr(_backends, "find_spec", lambda name: object())
    assert "the points are on cpu" in ops.why_not("triton", UVZ)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    monkeypatch.setattr(torch.version, "hip", None)
    on_gpu = type("OnGpu", (), {"device": torch.device("cuda")})()
    assert "compute capability 7.0" in ops.why_not("triton", on_gpu)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert ops.why_not("triton", on_gpu) is None
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert ops.why_not("triton", UVZ) is None


def test_the_automatic_choice_is_logged_once(caplog):
    _backends._automatic.cache_clear()
    with caplog.at_level(logging.INFO, logger="pointclip.ops"):
        ops.zbuffer(UVZ, (12, 17))
        ops.zbuffer(UVZ, (12, 17))
    assert [record.getMessage() for record in caplog.records] == [
        "scatter ops on cpu run with the backend reference (this is cpu)"
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ops.zbuffer(UVZ[0], (4, 4)), r"uvz must have shape \(B, V, N, 3\), got \(3, 120, 3\)"),
        (lambda: ops.zbuffer(UVZ.long(), (4, 4)), "floating-point"),
        (lambda: ops.zbuffer(UVZ, (4, 0)), "two positive whole numbers"),
        (lambda: ops.zbuffer(UVZ, (4, 4, 4)), "two positive whole numbers"),
        (lambda: ops.zbuffer(UVZ, (4, 2.5)), "two positive whole numbers"),
        (lambda: ops.zbuffer(UVZ, 4), "two positive whole numbers"),
        (lambda: ops.zbuffer(UVZ, (100_000, 100_000)), "pixels"),
        (lambda: ops.zbuffer(UVZ, (4, 4), radius=-1), "radius must be between 0 and 64"),
        (lambda: ops.zbuffer(UVZ, (4, 4), radius=float("nan")), "radius must be"),
        (lambda: ops.zbuffer(UVZ, (4, 4), backend="trition"), "did you mean 'triton'"),
        (lambda: ops.splat(UVZ, (4, 4), sigma=0.1), "sigma must be between 0.25"),
        (lambda: ops.splat(UVZ, (4, 4), tau=0), "tau must be a positive depth"),
        (lambda: ops.splat(UVZ, (4, 4), torch.zeros(2, 119, 3)), "values of shape"),
        (lambda: ops.splat(UVZ, (4, 4), torch.zeros(2, 120)), "values must have shape"),
        (lambda: ops.splat(UVZ, (4, 4), torch.zeros(2, 120, 3).long()), "values must hold floating-point"),
        (lambda: ops.weighted_mean(UVZ, torch.ones(3, 120), (4, 4)), "weights of shape"),
        (lambda: ops.weighted_mean(UVZ, WEIGHTS.to("meta"), (4, 4)), r"move one of them with \.to\(device\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


MEASURE = """
import resource, torch
from pointclip import ops
uvz = torch.rand(1, 6, 1_500_000, 3).mul_(224)
ops.zbuffer(uvz[:, :, :1000], (224, 224), 1.5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ops.zbuffer(uvz, (224, 224), 0.6)
ops.weighted_mean(uvz, torch.ones(1, 1_500_000), (224, 224))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read the way Linux reports it")
def test_memory_beside_the_points_does_not_grow_with_them():
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    kilobytes = int(run.stdout)
    assert kilobytes < 90_000  # one (V, N) intermediate in int64 would be 72 MB, and a careless program keeps many


def test_importing_the_ops_imports_no_triton():
    code = "import sys, pointclip.ops; print('pointclip.ops.triton.points' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
