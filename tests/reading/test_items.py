"""Reading in processes: the same readings as in this thread, in order, whatever becomes of a shape or of a worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.boxes import write_box

from pointclip.datasets.folder import ClassFolder
from pointclip.errors import InputError, PointClipError
from pointclip.points import PointCloud
from pointclip.reading import items as reading
from pointclip.reading.items import read_items


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    for k in range(9):
        write_box(root / "box" / f"{k}.obj", (1, 2, 1 + k))
    (root / "box" / "4.obj").write_text("v 0 0 0\nf 1 2 3\n")
    return ClassFolder(root, num_points=4000)


def told(readings):
    """All but the seconds, bit for bit."""
    found = []
    for one in readings:
        tensors = [] if one.cloud is None else [one.cloud.points, one.cloud.normals, one.cloud.colors]
        bits = [None if tensor is None else tensor.numpy().tobytes() for tensor in tensors]
        found.append((one.index, one.id, one.label, bits, one.cloud and one.cloud.name, repr(one.error)))
    return found


@pytest.fixture
def started(monkeypatch):
    """Ask for the first reading only when the processes take part, and give the indices they read."""
    seen = []

    class Started(reading._Worker):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            assert self.ready.wait(120)

        def read(self, index):
            seen.append(index)
            return super().read(index)

    monkeypatch.setattr(reading, "_Worker", Started)
    return seen


def test_processes_give_the_same_readings_in_the_same_order(shapes, started):
    order = [8, 4, 0, 4, 1, 7, 2, 2, 5, 3, 4, 4, 6, 1, 4, 4]
    alone = told(read_items(shapes, order, workers=1))
    before = set(children())
    readings = read_items(shapes, order, workers=2)
    assert len(set(children()) - before) == 1
    assert told(readings) == alone
    assert set(children()) == before
    assert 0 < len(started) < len(order)
    assert [row[0] for row in alone] == order
    assert [row[1:3] for row in alone][:2] == [("box/8.obj", "box"), ("box/4.obj", "box")]
    assert [row[0] for row in alone if row[-1] != "None"] == [4] * 6
    assert "4.obj" in alone[1][-1] and alone[1][3] == []


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_seconds_are_those_of_the_reading(shapes):
    assert all(0 < one.seconds < 60 for one in read_items(shapes, [0, 1], workers=1))


class Untold(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Odd:
    """Items that fail in the ways that are hard to send."""

    labels, split, splits = ["a"], "all", ("all",)

    def __len__(self):
        return 3

    def label(self, index):
        return "a"

    def id(self, index):
        return f"odd {index}"

    def fingerprint(self, index):
        return ""

    def item(self, index):
        if index == 0:
            raise MemoryError
        if index == 1:
            sys.stdout.write("noise between the answers\n")
            raise Untold(1, 2)
        raise InputError(f"{torch.get_num_threads()} thread, open_clip {'open_clip' in sys.modules}")


def test_any_exception_is_a_reading_and_processes_have_one_thread_and_no_tower(started):
    for workers in (1, 2):
        first, second, *_ = read_items(Odd(), [0, 1], workers)
        assert isinstance(first.error, InputError) and "odd 0 needs more memory" in str(first.error)
        assert type(second.error) is InputError and str(second.error) == "Untold: 1 and 2"
    rest = list(read_items(Odd(), [2] * 30, workers=2))
    assert 2 in started and "1 thread, open_clip False" in {str(one.error) for one in rest}


def is_alive(pid):
    for _ in range(1200):  # one that is just starting sees the end of its input when it has started
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, FileNotFoundError):
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_worker_is_told_and_none_is_left(shapes):
    before = set(children())
    readings = read_items(shapes, [0] * 100_000, workers=3)
    os.kill(int((set(children()) - before).pop()), signal.SIGKILL)
    with pytest.raises(PointClipError, match="ended early.*exit status -9"):
        list(readings)
    assert set(children()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_readings_nobody_asked_for_leave_no_worker(shapes):
    before = set(children())
    readings = read_items(shapes, range(9), workers=2)
    assert set(children()) != before
    readings.close()
    assert set(children()) == before


def test_an_answer_that_finds_no_memory_stops_the_readings(shapes, started, monkeypatch):
    def load(_):
        raise MemoryError

    readings = read_items(shapes, [0] * 1000, workers=2)
    monkeypatch.setattr(reading.pickle, "load", load)
    with pytest.raises(PointClipError, match="ended early.*exit status -9.*memory"):
        list(readings)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_a_stopped_program(tmp_path, stop):
    """The script has no ``if __name__`` guard on purpose; it asks for Ctrl-C, which jobs in the background ignore."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pointclip.datasets.folder import ClassFolder\n"
        "from pointclip.reading.items import read_items\n"
        "import itertools, pathlib\n"
        "readings = read_items(ClassFolder(sys.argv[2], num_points=3000), [0] * 100000, workers=3)\n"
        "for _ in range(200): next(readings)\n"
        "here = pathlib.Path(f'/proc/self/task/{__import__(\"os\").getpid()}/children').read_text()\n"
        "pathlib.Path(sys.argv[3]).write_text(here)\n"
        "for _ in readings: __import__('time').sleep(0.01)\n"
    )
    write_box(tmp_path / "shapes" / "box" / "a.obj", (1, 2, 3))
    (tmp_path / "script.py").write_text(code)
    here = str(Path(__file__).parent.parent)
    arguments = [sys.executable, tmp_path / "script.py", here, tmp_path / "shapes", tmp_path / "pids"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as program:
        for _ in range(1200):
            if (tmp_path / "pids").exists() and (tmp_path / "pids").read_text():
                break
            assert program.poll() is None, program.stderr.read().decode()
            time.sleep(0.05)
        program.send_signal(stop)
        try:
            program.wait(20)
        finally:
            program.kill()
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2 and not any(is_alive(pid) for pid in pids)


def test_a_dataset_that_cannot_travel_is_refused(shapes):
    stuck = ClassFolder(shapes.root)
    stuck.up = lambda: None
    with pytest.raises(InputError, match="cannot be sent to another process.*workers=1"):
        read_items(stuck, [0], workers=2)


@pytest.mark.parametrize(("workers", "ahead"), [(0, None), (2, 0)])
def test_numbers_below_one_are_refused(shapes, workers, ahead):
    with pytest.raises(InputError, match="at least 1"):
        read_items(shapes, [0], workers, ahead)


@pytest.fixture
def many(monkeypatch):
    """Let a few shapes count as many, on a machine of two cores."""
    monkeypatch.setattr(reading, "WORTH_PROCESSES", 2)
    monkeypatch.setattr(reading, "cores", lambda: 2)
    monkeypatch.setattr("pointclip.reading.clouds.cores", lambda: 2)


def test_a_process_takes_over_for_a_caller_who_computes(shapes, started, many):
    order = [8, 0, 1, 7, 2, 5, 3, 6, 4]
    assert told(read_items(shapes, order)) == told(read_items(shapes, order, workers=1))
    assert len(started) >= len(order) - 1  # this process may have taken the first


def test_this_process_reads_what_no_other_can(shapes, many, monkeypatch):
    shapes.up = lambda: None
    assert len(list(read_items(shapes, [0, 1]))) == 2
    del shapes.up
    for refusing in ("/bin/false", "/no/such/program"):
        monkeypatch.setattr(reading.sys, "executable", refusing)
        assert told(read_items(shapes, range(9))) == told(read_items(shapes, range(9), workers=1))


def test_few_shapes_are_read_without_a_process(shapes, monkeypatch):
    monkeypatch.setattr(reading, "_Worker", None)
    monkeypatch.setattr("pointclip.reading.clouds.cores", lambda: 8)
    assert len(list(read_items(shapes, range(9)))) == 9


def test_the_notes_of_a_cloud_pass_from_process_to_process():
    cloud = PointCloud(torch.rand(5, 3), name="a", notes=("1 row left out",))
    _, arrays = reading.packed(reading.Reading(0, "a", "", cloud, None, 0.0))
    sent = reading._cloud(*arrays)
    assert torch.equal(sent.points, cloud.points) and (sent.name, sent.notes) == ("a", cloud.notes)
