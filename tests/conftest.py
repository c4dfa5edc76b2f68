"""One thread per test process, a cache folder of the run's own, shared fixtures, and the count of what was skipped.

Fixtures import what they need when they are asked for: the tests of ops load neither open_clip nor the command line.
"""

import os
import socket
import tempfile
from contextlib import ExitStack

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: two test processes share two cores
_CACHE = tempfile.TemporaryDirectory(prefix="pointclip-tests-")
os.environ["POINTCLIP_CACHE"] = _CACHE.name  # the doctests of pointclip/ too stay out of the user's own

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def pytest_terminal_summary(terminalreporter):
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"skipped, each with its reason above: {skipped}")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Register the tiny architectures for the test session; give their names."""
    from support.tiny_towers import CONFIGS, register, unregister

    folder = tmp_path_factory.mktemp("configs")
    register(folder)
    yield tuple(CONFIGS)
    unregister(folder)


@pytest.fixture
def known(tmp_path):
    """Give a function that makes open_clip know one more tiny architecture until the test ends."""
    from support.tiny_towers import register_one

    with ExitStack() as stack:
        yield lambda name, **changes: stack.enter_context(register_one(tmp_path / "config", name, **changes))


@pytest.fixture(scope="session")
def tiny_file(tiny, tmp_path_factory):
    """Write a tiny random tower to disk; give its name for ``--model``."""
    from pointclip.weights import loading as weights

    path = tmp_path_factory.mktemp("tiny") / "tiny.pt"
    torch.save(weights.random("tiny-vit", seed=3).model.state_dict(), path)
    return f"tiny-vit@{path}"


@pytest.fixture(scope="session")
def fixed(tiny_file):
    """Options of the command line that load the tiny tower in the same way on every machine."""
    return ("--model", tiny_file, "--precision", "fp32", "--device", "cpu")


@pytest.fixture(scope="module")
def model(tiny_file):
    """Load the tiny tower with two views."""
    import pointclip as pc

    return pc.PointCLIP.from_pretrained(tiny_file, views="ring-2", device="cpu", precision="fp32")


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Point pointclip's cache folder to an empty one."""
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch):
    """Fail on any attempt to open a connection or to look up a host, and list the attempts."""
    tried: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        tried.append(args)
        raise OSError("the test allows no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


@pytest.fixture
def hub_down(monkeypatch):
    """Point the hub to a closed port of this machine."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """Make three shapes in the working directory: ``box.obj``, ``sub/ball.ply`` and ``sub/cloud.xyz``."""
    import trimesh

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / ".cache"))
    (tmp_path / "sub").mkdir()
    trimesh.creation.box((1, 2, 3)).export("box.obj")
    trimesh.creation.icosphere(2).export("sub/ball.ply")
    (tmp_path / "sub" / "cloud.xyz").write_text("\n".join(f"{k} {k * k % 7} {k % 5}" for k in range(200)))
    return tmp_path


@pytest.fixture
def classify(fixed, shapes):
    """Run ``pointclip classify`` with the tiny tower, few views and few points."""
    from support.command_line import run

    def call(*arguments, **how):
        return run("classify", *fixed, "--views", "ring-2", "--points", 300, *arguments, **how)

    return call


@pytest.fixture
def scans(tmp_path):
    """Write the files of ScanObjectNN's layout, four clouds each."""
    import numpy as np

    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pointclip[data]'")
    random = np.random.default_rng(0)
    for folder, ending in (("main_split", ""), ("main_split_nobg", ""), ("main_split", "_augmentedrot_scale75")):
        for part in ("training", "test"):
            path = tmp_path / "h5_files" / folder / f"{part}_objectdataset{ending}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                file["data"] = random.normal(size=(4, 40, 3)).astype(np.float32)
                file["label"] = np.array([0, 14, 3, 6], np.uint8)
                file["mask"] = np.where(np.arange(40) < 10, -1, 5)[None].repeat(4, 0)
    return tmp_path


@pytest.fixture
def encoded(monkeypatch):
    """List what is really encoded: the name of the shape, and which augmented copy or None."""
    from pointclip.encoding import local

    seen: list[tuple[str, int | None]] = []
    usual = local.encode_shape

    def spy(model, task, reading):
        if reading.cloud is not None:
            seen.extend((reading.cloud.name, look.copy if look.augmentation else None) for look in task.looks)
        return usual(model, task, reading)

    monkeypatch.setattr(local, "encode_shape", spy)
    return seen
