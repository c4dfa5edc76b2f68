"""A fit that is killed again and again ends with the bytes of one that never was, and does hardly any work twice."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.boxes import tiny_name, write_boxes

from pointclip.heads.checkpoint import load_checkpoint

KILLS = 12
PER_CLASS = 6
BATCH = 8  # clouds of a batch of features

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this system has not")


class Fits:
    """Drive the process of ``support/fit_child.py``."""

    def __init__(self, tmp_path: Path, name: str, meshes: Path, kind: str) -> None:
        self.cache, self.out, self.log = (tmp_path / f"{kind}-{part}" for part in ("cache", "out", "log"))
        (tmp_path / "configs").mkdir(exist_ok=True)
        arguments = (tmp_path / "configs", name, meshes, self.cache, self.out, self.log)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.fit_child", *map(str, arguments)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.said() == "ready"

    def said(self) -> str:
        return self.process.stdout.readline().strip()

    def run(self, seconds: float | None = None) -> int:
        """Fit, kill it after some seconds, and return its exit code."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        child = int(self.said())
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it had ended
                os.kill(child, signal.SIGKILL)
        return int(self.said())

    def work(self, word: str) -> int:
        return self.log.read_text().split().count(word) if self.log.exists() else 0

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def test_killing_costs_at_most_a_batch_and_never_a_file(tiny, tmp_path, own_cache):
    name, meshes = tiny_name(tmp_path / "tower"), write_boxes(tmp_path / "boxes", PER_CLASS)
    whole = Fits(tmp_path, name, meshes, "whole")
    start = time.monotonic()
    assert whole.run() == 0
    span = time.monotonic() - start
    whole.close()
    killed = Fits(tmp_path, name, meshes, "killed")
    draws, kills, codes = random.Random(5), 0, []
    while len(codes) < 60 and (not codes or codes[-1] != 0):
        codes.append(killed.run(draws.uniform(0.05, 0.35) * span if kills < KILLS else None))
        kills += codes[-1] == -signal.SIGKILL
        if killed.out.exists():
            assert load_checkpoint(killed.out).labels == ("cube", "plank", "pole")
    killed.close()
    assert codes[-1] == 0 and kills >= 3 and set(codes) <= {0, -signal.SIGKILL}
    assert killed.out.read_bytes() == whole.out.read_bytes()
    assert whole.work("cloud") == 3 * PER_CLASS
    assert whole.work("cloud") <= killed.work("cloud") <= whole.work("cloud") + BATCH * kills
    assert whole.work("step") <= killed.work("step") <= whole.work("step") + kills
    left = sorted(path.relative_to(killed.cache).as_posix() for path in killed.cache.rglob("*") if path.is_file())
    assert len(left) == 1 and left[0].endswith(".rows"), left
