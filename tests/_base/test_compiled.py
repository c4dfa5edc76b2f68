"""Compiled loops: where they are kept, what is said, and that each is kept as long as its own file alone says."""

import logging
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from numba.core.dispatcher import Dispatcher

import pointclip
from pointclip._base import compiled

PACKAGE = Path(pointclip.__file__).parent
FILES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if "\n@kernel\n" in path.read_text()
]
USE = """
import torch, sys
from pointclip import ops
from pointclip._base import compiled
from pointclip.ops.numba import zbuffer as _zbuffer
print(ops.zbuffer(torch.ones(1, 1, 1, 3), (2, 2), backend="numba").index.tolist())
print(sum(_zbuffer._nearest.stats.cache_hits.values()), sum(_zbuffer._nearest.stats.cache_misses.values()))
print(compiled.folder())
"""
READ_ONLY = """
import tempfile
def refuse(**_):
    raise PermissionError("read-only file system")
tempfile.TemporaryFile = refuse  # with which Numba tries every folder
"""


@pytest.mark.parametrize("name", FILES)
def test_a_kernel_calls_no_kernel_of_another_file(name):
    """Numba would not see that the other one has changed, and go on with the old machine code."""
    kernels = [one for one in vars(import_module(name)).values() if isinstance(one, Dispatcher)]
    assert kernels
    assert {one.py_func.__module__ for one in kernels} == {name}


def use(folder, before=""):
    run = subprocess.run(
        [sys.executable, "-c", before + USE],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("[[[[-1, -1], [-1, 0]]]]")
    return run.stdout.splitlines()[1:], run.stderr


def test_a_kernel_is_compiled_once_and_says_so(tmp_path):
    (counts, folder), said = use(tmp_path)
    assert counts == "0 1"
    assert folder.startswith(str(tmp_path))
    assert said.count("\n") == 1 and f"compiling kernels for this CPU, once, some seconds (kept in {tmp_path}" in said
    (counts, _), said = use(tmp_path)
    assert counts == "1 0"
    assert said == ""


def test_without_a_folder_it_is_compiled_in_each_process(tmp_path):
    (_, folder), said = use(tmp_path, READ_ONLY)
    assert folder == "None"
    assert "not kept: no cache folder of Numba can be written" in said


def test_a_folder_that_is_a_file_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("")
    (_, folder), _ = use(tmp_path / "file")
    assert folder.startswith(str(PACKAGE))


def test_kernels_of_others_are_not_spoken_of(caplog):
    compiled._Announcement.said = False
    with caplog.at_level(logging.WARNING):
        compiled.numba.njit(lambda number: number + 1)(1)
    assert not caplog.records


def test_memory_that_nobody_holds_is_used_again():
    shape = (3, 700_001)
    first = compiled.empty(shape, torch.int64)
    address, kept = first.data_ptr(), first[1].numpy()
    del first
    second = compiled.empty(shape, torch.int64)
    assert second.data_ptr() != address  # a view of the first is still held
    del kept
    third = compiled.empty(shape, torch.int64)
    assert third.data_ptr() == address
    assert compiled.empty(shape, torch.float32).data_ptr() not in (second.data_ptr(), address)
    assert sum(size * len(blocks) for size, blocks in compiled._SPARE.items()) <= compiled._MOST_SPARE
