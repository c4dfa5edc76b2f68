"""``classify --csv`` stopped at any moment and started again: the same bytes, and nothing is done twice."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import trimesh

import pointclip as pc
from pointclip.cli.kept import KeptRows
from pointclip.cli.report import Row

ALL = ("box.obj", "sub", "--labels", "ball,box", "--csv", "out.csv")
PART = Path("out.csv.part")


@pytest.fixture
def seen(monkeypatch):
    """Note the shapes that the model is asked of; Ctrl-C comes at those in ``seen.stops``."""

    class Seen(list):
        stops = ()

    noted, real = Seen(), pc.PointCLIP.classify

    def watch(self, cloud, *arguments):
        if cloud.name in noted.stops:
            raise KeyboardInterrupt
        noted.append(cloud.name)
        return real(self, cloud, *arguments)

    monkeypatch.setattr(pc.PointCLIP, "classify", watch)
    return noted


@pytest.fixture
def stopped(classify, seen):
    """Stop a run before its last shape; give the bytes and the text of one that was not stopped."""
    whole = classify(*ALL)
    truth = Path("out.csv").read_bytes(), whole.out
    Path("out.csv").unlink()
    seen.stops = ("cloud",)
    assert classify(*ALL).code == 130
    assert not Path("out.csv").exists() and len(PART.read_text().splitlines()) == 2
    seen.stops = ()
    seen.clear()
    return truth


def test_the_same_command_goes_on_and_gives_the_same_bytes(classify, stopped, seen):
    again = classify(*ALL)
    assert again.code == 0, again.err
    assert seen == ["cloud"]
    assert (Path("out.csv").read_bytes(), again.out) == stopped
    assert not PART.exists()


@pytest.mark.parametrize("cut", [1, 40])
def test_a_line_that_a_killed_process_left_unfinished_is_done_again(classify, stopped, seen, cut):
    PART.write_bytes(PART.read_bytes()[:-cut])
    seen.stops = ("cloud",)
    assert classify(*ALL).code == 130
    assert [json.loads(line)["row"]["path"] for line in PART.read_text().splitlines()] == ["box.obj", "sub/ball.ply"]
    seen.stops = ()
    assert classify(*ALL).code == 0
    assert seen == ["ball", "cloud"] and Path("out.csv").read_bytes() == stopped[0]


@pytest.mark.parametrize("option", [("--seed", 1), ("--top-k", 1), ("--up", "z"), ("--save-views", "v")])
def test_rows_of_other_settings_are_not_taken(classify, stopped, seen, option):
    assert classify(*ALL, *option).code == 0
    assert seen == ["box", "ball", "cloud"]


def test_a_file_that_has_changed_is_done_again(classify, stopped, seen):
    Path("box.obj").write_text(Path("box.obj").read_text() + "\n# changed\n")
    assert classify(*ALL).code == 0
    assert seen == ["box", "cloud"]


def test_pictures_that_are_gone_are_drawn_again(classify, seen):
    seen.stops = ("cloud",)
    assert classify(*ALL, "--save-views", "views").code == 130
    next(Path("views/box.obj").glob("*.png")).unlink()
    seen.stops = ()
    seen.clear()
    assert classify(*ALL, "--save-views", "views").code == 0
    assert seen == ["box", "cloud"] and len(list(Path("views").rglob("*.png"))) == 6


def test_kept_rows_come_back_as_they_were(tmp_path):
    row = Row("a.obj", ("cup",), (0.123456789,), "shaded", (), None, "z")
    for key, found in (("one", {"a.obj": row}), ("other", {})):
        kept = KeptRows(tmp_path / "x.part", "one", str.upper)
        kept.add(row)
        kept.close()
        assert KeptRows(tmp_path / "x.part", key, str.upper).find(["a.obj", "b.obj"]) == found


def kept_rows():
    return PART.read_bytes().count(b"\n") if PART.exists() else 0


@pytest.fixture
def runs(shapes, tiny_file, tmp_path_factory):
    """Give a function that runs ``classify`` in a process of its own and stops it after some seconds."""
    architecture, _, weights = tiny_file.partition("@")
    command = ("classify", ".", "--csv", "out.csv", "--labels", "ball,box", "--model", f"{architecture}@{weights}")
    command += ("--views", "ring-2", "--points", "300", "--device", "cpu", "--precision", "fp32")
    tests = Path(__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-m", "support.classify_child", str(tmp_path_factory.mktemp("towers")), *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tests), *sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline().strip() == "ready"

    def run(sign=None, more=0, later=0.0):
        """Run; with a signal, stop it some seconds after it has kept some rows more."""
        wanted = kept_rows() + more
        process.stdin.write("go\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        if sign is not None:
            until = time.monotonic() + 60
            while kept_rows() < wanted and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(later)
            os.kill(child, sign)
        return int(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this system has not")
def test_killed_at_any_moment_the_same_command_gives_the_same_bytes(runs, shapes):
    for number in range(24):
        trimesh.creation.icosphere(1).export(shapes / f"ball{number}.ply")
    assert runs() == 0
    truth = Path("out.csv").read_bytes()
    Path("out.csv").unlink()
    random, kept = Random(0), [0]
    for sign, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGKILL, -9)):
        assert runs(sign, 2, random.uniform(0, 0.03)) == code
        kept.append(kept_rows())
    assert all(later >= earlier + 2 for earlier, later in pairwise(kept)), "no row is lost"
    assert runs() == 0
    assert Path("out.csv").read_bytes() == truth and not PART.exists()
