"""Files are written whole or not at all, and a full disk is one sentence."""

import errno
import os

import pytest

from pointclip._base.files import whole
from pointclip.errors import InputError


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_gets_full_is_a_sentence_and_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(InputError, match=r"a.txt cannot be written \(No space left on device\): free some space"),
        whole(tmp_path / "a.txt") as draft,
    ):
        draft.write_text("new")
        full()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_other_faults_of_the_system_pass(tmp_path):
    with pytest.raises(PermissionError), whole(tmp_path / "a.txt"):
        raise PermissionError(errno.EACCES, "no")
    assert not list(tmp_path.iterdir())
