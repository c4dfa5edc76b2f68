"""What is written: tables, JSON, CSV, pictures, and files that are whole or not there."""

import csv
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from pointclip._base import files as _outputs
from pointclip._base.files import check_folder, whole
from pointclip.cli.report import Row, as_document, as_table, open_csv, picture_folders, save_pictures
from pointclip.errors import InputError

GOOD = Row("a/chair.obj", ("chair", "bar stool"), (0.9, 0.0512345678), "shaded")
BAD = Row("b.obj", error="b.obj is empty: export it again")


def printed(row, width=10_000):
    console = Console(file=io.StringIO(), width=width)
    console.print(as_table(row))
    return console.file.getvalue()


def test_table_has_rank_label_and_probability_in_order():
    lines = [line.split() for line in printed(GOOD).splitlines()]
    assert lines == [["a/chair.obj"], ["1", "chair", "0.900"], ["2", "bar", "stool", "0.051"]]


def test_table_of_a_bad_file_is_its_error():
    assert printed(BAD).split("\n") == ["b.obj", "  error: b.obj is empty: export it again", ""]


def test_no_text_is_taken_for_markup_or_terminal_codes():
    row = Row("a[bold].obj", ("[embedded]", "x\x1b[31m\ny"), (0.6, 0.4))
    text = printed(row)
    assert "a[bold].obj" in text
    assert "[embedded]" in text
    assert "x?[31m y" in text
    assert "\x1b" not in text


def test_a_file_name_that_is_no_unicode_can_be_printed():
    name = os.fsdecode(b"ch\xe9se.obj")
    printed(Row(name, ("chair",), (1.0,))).encode()
    printed(Row(name, error=f"{name} is empty")).encode()


def test_long_paths_are_not_broken_in_a_pipe_and_not_cut_on_a_terminal():
    row = Row("folder/" * 40 + "a.obj", ("chair",), (1.0,))
    assert printed(row).splitlines()[0] == row.path
    assert "".join(printed(row, width=60).splitlines()[:-1]).replace(" ", "") == row.path


def test_document_counts_and_survives_json():
    document = json.loads(json.dumps(as_document([GOOD, BAD], {"model": "embedded", "labels": ("chair",)})))
    assert document["counts"] == {"files": 2, "classified": 1, "failed": 1}
    assert document["model"] == "embedded"
    good, bad = document["shapes"]
    assert [entry["label"] for entry in good["predictions"]] == ["chair", "bar stool"]
    assert [entry["rank"] for entry in good["predictions"]] == [1, 2]
    assert good["predictions"][1]["probability"] == GOOD.probs[1]
    assert (good["style"], "error" in good, "pictures" in good) == ("shaded", False, False)
    assert bad == {"path": "b.obj", "error": BAD.error}


def test_csv_is_read_back(tmp_path):
    odd = Row('we,"ird\n.obj', ("a, b",), (1.0,))
    with open_csv(tmp_path / "out.csv") as table:
        for row in (GOOD, BAD, odd):
            table.add(row)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["path"], r["rank"], r["label"]) for r in rows] == [
        ("a/chair.obj", "1", "chair"),
        ("a/chair.obj", "2", "bar stool"),
        ("b.obj", "", ""),
        ('we,"ird\n.obj', "1", "a, b"),
    ]
    assert float(rows[1]["probability"]) == pytest.approx(GOOD.probs[1], rel=1e-5)
    assert [r["error"] for r in rows] == ["", "", BAD.error, ""]


def test_csv_takes_a_file_name_that_is_no_unicode(tmp_path):
    with open_csv(tmp_path / "out.csv") as table:
        table.add(Row(os.fsdecode(b"ch\xe9se.obj"), ("chair",), (1.0,)))
    assert b"ch\xe9se.obj,1,chair" in (tmp_path / "out.csv").read_bytes()


def test_a_file_appears_only_when_the_block_ends_well(tmp_path):
    (tmp_path / "old.csv").write_text("old")
    for name in ("old.csv", "new.csv"):
        with pytest.raises(KeyboardInterrupt), open_csv(tmp_path / name) as table:
            table.add(GOOD)
            raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "old"
    with open_csv(tmp_path / "old.csv"):
        assert (tmp_path / "old.csv").read_text() == "old"
    assert (tmp_path / "old.csv").read_text() != "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_of_the_block_passes_as_it_is(tmp_path):
    with pytest.raises(OSError, match="^the block's own$"), open_csv(tmp_path / "a.csv"):
        raise OSError("the block's own")


class FullDisk(io.StringIO):
    """A file that takes text into its buffer and finds the disk full when it is closed."""

    def close(self):
        if not self.closed:
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode, **kw: FullDisk() if mode == "w" else real(path, mode, **kw))
    with (
        pytest.raises(InputError, match=r"a.csv cannot be written \(No space left"),
        open_csv(tmp_path / "a.csv") as table,
    ):
        table.add(GOOD)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_and_not_replaced(tmp_path):
    """As any device. Not tried on /dev/null: a wrong program run by root would replace it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_csv(pipe) as table:
        table.add(GOOD)
    assert b"a/chair.obj,1,chair" in os.read(reader, 10_000)
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_devices_are_never_replaced():
    assert all(_outputs._is_special(Path(name)) for name in ("/dev/null", "/dev/stdout", "/dev/new", "/proc/self/fd/1"))
    assert not _outputs._is_special(Path("dev") / "null.csv")


def test_a_table_on_stdout_reaches_the_file_it_was_redirected_to(tmp_path):
    code = "from pointclip.cli.report import open_csv\nwith open_csv('/dev/stdout'): pass"
    with (tmp_path / "rows.csv").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "rows.csv").read_bytes().startswith(b"path,")


def test_a_link_keeps_pointing_to_the_file_that_is_replaced(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with whole(tmp_path / "link.txt") as draft:
        draft.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_new_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_text("x")
    with whole(tmp_path / "ours") as draft:
        draft.write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("folder", "folder is a folder: name a file to write"),
        ("none/a.csv", "none is no folder: make it first"),
        ("file/a.csv", "file is no folder: make it first"),
        ("/proc/a.csv", "/proc/a.csv cannot be written .*: name a file in a folder you can write to"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path, target, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=words), whole(tmp_path / target):
        pytest.fail("the block was entered")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("old")
    monkeypatch.setattr(_outputs.os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(InputError, match="a.csv is read-only: name another file"), whole(tmp_path / "a.csv"):
        pytest.fail("the block was entered")


@pytest.mark.parametrize("folder", ["new", "new/er", ".", "there"])
def test_a_folder_to_write_into_may_be_new_and_is_not_made_yet(tmp_path, folder):
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert check_folder(tmp_path / folder) == tmp_path / folder
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("file", "file cannot be a folder, for it is a file: name another folder"),
        ("file/below", "below cannot be a folder, for .*file is a file"),
        ("/proc/pictures", "/proc/pictures cannot be written .*: name a folder you can write to"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, folder, words):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=words):
        check_folder(tmp_path / folder)


def test_pictures_are_the_pixels_of_the_views(tmp_path):
    pictures = torch.rand(11, 3, 8, 8)
    saved = save_pictures(pictures, [f"yaw {k}, up 25" for k in range(11)], tmp_path / "a" / "b")
    assert sorted(saved) == list(saved), "sorting by name keeps the order of the views"
    assert saved[3].endswith("b/03-yaw-3-up-25.png")
    for path, picture in zip(saved, pictures, strict=True):
        pixels = np.asarray(Image.open(path)).astype(float) / 255
        assert abs(pixels - picture.permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6
    assert len(list((tmp_path / "a" / "b").iterdir())) == 11


def test_pictures_into_a_file_are_refused(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="cannot be written"):
        save_pictures(torch.rand(1, 3, 8, 8), ["front"], tmp_path / "a" / "b")


def test_no_two_files_share_a_folder_of_pictures(tmp_path):
    paths = ["a/x.obj", "a/x.ply", "b/x.obj", "../x.obj", "b/a/x.obj", str(tmp_path / "x.obj"), "a__x.obj"]
    folders = picture_folders(paths, tmp_path)
    assert len(set(folders.values())) == len(paths)
    assert all(tmp_path in folder.parents and ".." not in folder.parts for folder in folders.values())
    assert not any(one in other.parents for one in folders.values() for other in folders.values())


def test_one_file_has_a_folder_of_its_name(tmp_path):
    assert picture_folders(["some/where/x.obj"], tmp_path) == {"some/where/x.obj": tmp_path / "x.obj"}


def test_what_was_left_out_is_told_below_the_table_and_in_the_document():
    row = Row("a.stl", ("chair",), (1.0,), "shaded", notes=("3 facets with NaN left out",))
    assert printed(row).splitlines()[-1] == "  note: 3 facets with NaN left out"
    assert as_document([row], {})["shapes"][0]["notes"] == ["3 facets with NaN left out"]
    assert "notes" not in as_document([GOOD], {})["shapes"][0]
