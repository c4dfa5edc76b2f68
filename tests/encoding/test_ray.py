"""Encoding on a Ray cluster: the same bytes as in this process, also when stopped or when a worker is killed."""

import os
import pickle
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
import trimesh
from support.tiny_towers import write_folder

import pointclip as pc
from pointclip.datasets.files import Files
from pointclip.encoding import job
from pointclip.encoding import ray as engine_ray
from pointclip.encoding.job import encode_dataset
from pointclip.errors import InputError, MissingDependency
from pointclip.search.retrieval import make_index
from pointclip.weights import loading as weights

WORKERS, SHAPES = 2, 10


@pytest.fixture(scope="module")
def model_name(tiny, tmp_path_factory):
    """Write a tiny random tower to a folder, which a worker loads without further ado."""
    folder = tmp_path_factory.mktemp("tiny")
    write_folder(folder / "model", "tiny-vit", weights.random("tiny-vit", seed=3).model.state_dict())
    return f"local-dir:{folder}/model"


@pytest.fixture(scope="module")
def model(model_name):
    return pc.PointCLIP.from_pretrained(model_name, views="ring-2", precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    for number in range(SHAPES):
        trimesh.creation.box((1, 2, 1 + number)).export(root / f"{number}.obj")
    (root / "5.obj").write_text("not a mesh")
    return Files(sorted(root.glob("*.obj")), num_points=300)


@pytest.fixture(scope="module")
def truth(model, shapes, tmp_path_factory):
    return bytes_of(encode_dataset(model, shapes, cache=tmp_path_factory.mktemp("local"), workers=1))


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'pointclip[cluster]'")
    assert "RAY_ADDRESS" not in os.environ, "the test is for a cluster of its own"
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with engine_ray._cluster(ray, WORKERS):
        yield ray
    assert not ray.is_initialized()


def bytes_of(encodings):
    whole = encodings.whole()
    return whole.ids, whole.labels, whole.errors, whole.features.numpy().tobytes()


def in_worker(noted, again, **changes):
    """Load a model; the file of the process's number tells that this worker has it."""
    (Path(noted) / str(os.getpid())).touch()
    return again(**changes)


class Slow(Files):
    """Shapes that take a while, so that a worker can be killed in the midst of one."""

    def item(self, index):
        time.sleep(0.15)
        return super().item(index)


class Deadly(Files):
    """Shapes of which one ends the process that reads it."""

    def item(self, index):
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().item(index)


def test_a_stopped_run_is_resumed_to_the_bytes_of_the_local_engine(cluster, model, shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "local cache"))
    make_index(model, shapes, tmp_path / "local", workers=1)
    monkeypatch.setenv("POINTCLIP_CACHE", str(tmp_path / "ray cache"))
    ray = partial(make_index, model, shapes, tmp_path / "ray", engine="ray")

    def stop_at_three(done, total):
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ray(workers=1, watch=stop_at_three)
    assert not (tmp_path / "ray").exists()
    told = []
    made = ray(workers=WORKERS, watch=lambda *now: told.append(now))
    assert told[0] == (3, SHAPES) and told[-1] == (SHAPES, SHAPES)
    assert made.shapes == SHAPES - 1 and "5.obj" in made.errors[0][1]
    assert (tmp_path / "ray").read_bytes() == (tmp_path / "local").read_bytes()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_a_killed_worker_changes_no_byte(cluster, model_name, shapes, truth, tmp_path):
    model = pc.PointCLIP.from_pretrained(model_name, views="ring-2", precision="fp32", device="cpu")
    noted = tmp_path / "workers"
    noted.mkdir()
    model.again = partial(in_worker, str(noted), model.again)
    killed = []

    def kill_one(done, total):
        if done >= 2 and not killed:
            killed.append(int(min(path.name for path in noted.iterdir())))
            os.kill(killed[0], signal.SIGKILL)

    slow = Slow([entry.path for entry in shapes.entries], num_points=300)
    run = encode_dataset(model, slow, cache=tmp_path / "run", engine="ray", workers=WORKERS, watch=kill_one)
    assert bytes_of(run) == truth
    assert killed and len(list(noted.iterdir())) > len(killed)  # those that were left or came anew did the rest


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with SIGKILL")
def test_a_shape_that_kills_every_worker_ends_the_run(cluster, model, shapes, tmp_path):
    deadly = Deadly([entry.path for entry in shapes.entries], num_points=300)
    with pytest.raises(InputError, match="lost, each over the shapes 3 to 3"):
        encode_dataset(model, deadly, cache=tmp_path, engine="ray", workers=1)


def test_a_worker_searches_poses_as_this_process_does(model, shapes, tmp_path, monkeypatch):
    def here(model, dataset, tasks, workers):
        worker = engine_ray.Worker(*pickle.loads(pickle.dumps((model.again, model.feature_spec.key, dataset, "."))))
        done, refused = pickle.loads(pickle.dumps(worker.work(tasks)))
        assert not refused
        yield from done

    monkeypatch.setitem(job.ENGINES, "ray", here)
    how = {"indices": range(4, 8), "pose": "search"}
    local, worker = (encode_dataset(model, shapes, cache=tmp_path / name, engine=name, **how) for name in job.ENGINES)
    torch.testing.assert_close(local.whole().features, worker.whole().features, atol=2e-5, rtol=0)
    assert worker.whole().features.shape == (4, 12, 16) and len(worker.ups) == 6


def test_a_model_that_no_worker_could_load_is_refused(model, shapes, tmp_path):
    bare = pc.PointCLIP(model.clip, "ring-2")
    with pytest.raises(InputError, match="from_pretrained"):
        encode_dataset(bare, shapes, cache=tmp_path, engine="ray")


def test_a_worker_with_another_model_is_refused(model, shapes):
    crew = partial(engine_ray.Worker, dataset=shapes, folder=str(Path.cwd()))
    other = partial(model.again, precision="bf16", device="cpu")
    threads = torch.get_num_threads()
    with pytest.raises(InputError, match="another model"):
        crew(other, model.feature_spec.key).load()
    assert crew(model.again, model.feature_spec.key).load().feature_spec.key == model.feature_spec.key
    torch.set_num_threads(threads)


def test_without_ray_the_message_names_the_extra(model, shapes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"pointclip\[cluster\]"):
        encode_dataset(model, shapes, cache=tmp_path, engine="ray")
