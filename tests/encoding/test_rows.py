"""The store of rows: whole or absent, whatever is cut, damaged, stale or written by several at once."""

import logging
import subprocess
import sys
import tempfile
import time

import pytest
import torch

from pointclip.encoding.rows import RowStore
from pointclip.errors import InputError

WIDTH, PROBE = 6, torch.arange(4.0)


def name(number):
    return f"row {number:>12}".encode()


def row(number):
    return torch.full((WIDTH,), float(number))


@pytest.fixture
def folder(tmp_path):
    """Give a folder with the rows 0, 1 and 2."""
    fill(tmp_path / "rows", range(3))
    return tmp_path / "rows"


def fill(folder, numbers, probe=PROBE):
    kept = RowStore(folder, probe, WIDTH)
    for number in numbers:
        kept.add(name(number), row(number))


def read(folder, probe=PROBE):
    kept = RowStore(folder, probe, WIDTH)
    found = {number: kept.row(name(number)) for number in range(10)}
    assert all(known is None or torch.equal(known, row(number)) for number, known in found.items())
    return [number for number, known in found.items() if known is not None]


def segments(folder):
    return sorted(folder.iterdir())


def test_rows_are_found_at_once_and_again(folder):
    kept = RowStore(folder, PROBE, WIDTH)
    kept.add(name(3), row(3))
    assert torch.equal(kept.row(name(3)), row(3)) and kept.row(name(4)) is None
    assert read(folder) == [0, 1, 2, 3]


def test_processes_one_after_the_other_fill_one_segment_and_at_once_one_each(folder):
    fill(folder, [3])
    assert len(segments(folder)) == 1
    one, two = RowStore(folder, PROBE, WIDTH), RowStore(folder, PROBE, WIDTH)
    for number in (4, 6):
        one.add(name(number), row(number))
        two.add(name(number + 1), row(number + 1))
    assert len(segments(folder)) == 2 and read(folder) == list(range(8))
    del one, two
    fill(folder, [8])
    assert len(segments(folder)) == 2


@pytest.mark.parametrize(("cut", "left"), [(1, [0, 1]), (47, [0, 1]), (48, [0, 1]), (49, [0]), (150, []), (10_000, [])])
def test_what_is_cut_off_is_made_anew(cut, left, folder, caplog):
    (path,) = segments(folder)
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    with caplog.at_level(logging.WARNING):
        assert read(folder) == left
        assert ("cut or damaged" in caplog.text) == (cut != 48)  # a whole row less is no damage
    fill(folder, [number for number in range(3) if number not in left])
    caplog.clear()
    assert read(folder) == [0, 1, 2] and not caplog.text
    assert len(segments(folder)) == 1


@pytest.mark.parametrize("place", [3, 20, 45])  # in the name, the numbers, the digest
def test_a_changed_byte_costs_its_row_only_and_is_repaired_for_good(place, folder, caplog):
    (path,) = segments(folder)
    content = bytearray(path.read_bytes())
    content[len(content) - 96 + place] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read(folder) == [0, 2]
    other = RowStore(folder, PROBE, WIDTH)
    other.add(name(7), row(7))  # holds the segment, so that the repair goes into another one
    fill(folder, [1])
    del other
    caplog.clear()
    assert read(folder) == [0, 1, 2, 7] and not caplog.text


def test_rows_of_another_maker_are_stale_and_give_way(folder, caplog):
    with caplog.at_level(logging.WARNING):
        assert read(folder, PROBE + 0.01) == [] and "another version or setting" in caplog.text
    assert read(folder, PROBE + 1e-5) == [0, 1, 2]
    fill(folder, [5], PROBE + 0.01)
    assert read(folder, PROBE + 0.01) == [5] and len(segments(folder)) == 1


def test_a_folder_that_cannot_be_written_is_told_once_and_costs_only_time(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    for _ in range(2):
        kept = RowStore(tmp_path / "file", PROBE, WIDTH)
        for number in range(2):
            kept.add(name(number), row(number))
        assert torch.equal(kept.row(name(1)), row(1)) and torch.equal(kept.row(name(0)), row(0))
    assert caplog.text.count("could not be written") == 1


def test_a_disk_that_is_full_in_the_middle_of_a_row(folder, monkeypatch):
    kept = RowStore(folder, PROBE, WIDTH)
    kept.add(name(3), row(3))
    usual = kept._own

    class Full:
        """Takes half of what it is given."""

        def __getattr__(self, attribute):
            return getattr(usual, attribute)

        def write(self, content):
            return usual.write(content[: len(content) // 2])

    kept._own = Full()
    kept.add(name(4), row(4))
    assert torch.equal(kept.row(name(4)), row(4))
    assert (segments(folder)[0].stat().st_size - len(kept._head)) % 48 == 0
    del kept
    assert read(folder) == [0, 1, 2, 3]


def test_where_nothing_at_all_can_be_written_it_is_said(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match="No space left"):
        RowStore(tmp_path / "file", PROBE, WIDTH).add(name(0), row(0))


CHILD = """
import sys, torch
from pathlib import Path
from pointclip.encoding.rows import RowStore
kept = RowStore(Path(sys.argv[1]), torch.arange(4.0), 6)
for number in range(10**9):
    kept.add(f"row {number:>12}".encode(), torch.full((6,), float(number)))
    print(number, flush=True)
"""


def test_after_a_kill_all_that_was_added_is_there_and_others_go_on(folder):
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    for child in children:
        while int(child.stdout.readline()) < 50:
            time.sleep(0)
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()
    kept = RowStore(folder, PROBE, WIDTH)
    assert all(torch.equal(kept.row(name(number)), row(number)) for number in range(51))
    before = segments(folder)
    del kept
    fill(folder, [3])
    assert segments(folder) == before and len(before) == 2
