"""The choice of backend, the refusals, the memory kept, and what importing costs."""

import logging
import subprocess
import sys

import pytest
import torch
from support.ops import INTERPRETED, random_points

from pointclip import BackendUnavailable, InputError, ops
from pointclip.ops import backends as _backends
from pointclip.ops import triton as _triton

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
    monkeypatch.setattr(_triton, "find_spec", lambda name: None)
    assert "not installed" in ops.why_not("triton", UVZ)
    monkeypatch.setattr(_triton, "find_spec", lambda name: object())
    assert "the points are on cpu" in ops.why_not("triton", UVZ)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    monkeypatch.setattr(torch.version, "hip", None)
    on_gpu = type("OnGpu", (), {"device": torch.device("cuda")})()
    assert "compute capability 7.0" in ops.why_not("triton", on_gpu)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert ops.why_not("triton", on_gpu) is None
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert ops.why_not("triton", UVZ) is None


def test_numba_says_what_it_lacks(monkeypatch):
    assert ops.why_not("numba", UVZ) is None
    assert "the points are on meta" in ops.why_not("numba", UVZ.to("meta"))
    monkeypatch.setitem(sys.modules, "numba", None)
    assert ops.why_not("numba", UVZ) == "the package numba is not installed: pip install numba"


@pytest.fixture
def logged(caplog):
    """Let backends be chosen anew, here and after; give a function that lists what was logged about it."""

    def forget() -> None:
        _backends._first.cache_clear()
        _backends._instead.cache_clear()

    forget()
    with caplog.at_level(logging.INFO, logger="pointclip.ops"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "pointclip.ops"]
    forget()


def test_the_automatic_choice_is_logged_once(logged):
    ops.zbuffer(UVZ, (12, 17))
    ops.zbuffer(UVZ, (12, 17))
    assert logged() == ["scatter ops on cpu run with the backend numba"]


def test_without_numba_the_reference_runs_and_says_why(logged, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    ops.zbuffer(UVZ, (12, 17))
    assert logged() == [
        "scatter ops on cpu run with the backend reference (the package numba is not installed: pip install numba)"
    ]


OWN_BACKEND = {
    "__init__.py": "def why_not(device):\n    return 'not on meta' if str(device) == 'meta' else None\n",
    "zbuffer.py": (
        "import torch\n\n"
        "def zbuffer(uvz, height, width, radius):\n"
        "    shape = (*uvz.shape[:2], height, width)\n"
        "    return torch.full(shape, 7), torch.full(shape, 0.5)\n"
    ),
}


@pytest.fixture
def own_backend(tmp_path, monkeypatch):
    """Add a backend of one op: a folder, and one row of the table."""
    (tmp_path / "own_backend").mkdir()
    for name, text in OWN_BACKEND.items():
        (tmp_path / "own_backend" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(_backends.BACKENDS, "own", _backends.Backend("own_backend"))


@pytest.mark.usefixtures("own_backend")
def test_a_backend_is_a_folder_and_a_row():
    assert (ops.zbuffer(UVZ, (2, 3), backend="own").index == 7).all()
    assert ops.why_not("own", UVZ.to("meta")) == "not on meta"
    with pytest.raises(BackendUnavailable, match="backend='own' cannot run: it has no splat; pass"):
        ops.splat(UVZ, (2, 3), backend="own")
    with pytest.raises(InputError, match="did you mean 'own'"):
        ops.zbuffer(UVZ, (2, 3), backend="owm")


@pytest.mark.usefixtures("own_backend")
def test_what_the_first_backend_lacks_the_reference_runs(logged, monkeypatch):
    first = _backends.BACKENDS.pop("own")._replace(first_on="cpu")
    monkeypatch.setattr(_backends, "BACKENDS", {"own": first, **_backends.BACKENDS})
    assert (ops.zbuffer(UVZ, (2, 3)).depth == 0.5).all()
    soft = ops.splat(UVZ.clone().requires_grad_(), (2, 3))
    soft.depth.sum().backward()
    assert logged() == [
        "scatter ops on cpu run with the backend own",
        "splat on cpu runs with the backend reference (own does not have it)",
        "splat_backward on cpu runs with the backend reference (own does not have it)",
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


def test_importing_the_ops_imports_no_compiler():
    code = "import sys, pointclip.ops; print({'pointclip.ops.triton.points', 'numba'} & set(sys.modules) != set())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
