"""Paths to clouds: what is found, in which order, how many are alive, and what becomes of bad files."""

import os
import threading
import time
import weakref

import pytest
import torch

from pointclip.datasets.paths import Item, find_shapes
from pointclip.errors import InputError
from pointclip.points import PointCloud
from pointclip.reading import clouds as stream
from pointclip.reading.clouds import read_clouds


def names(found, root):
    return [item.path.removeprefix(f"{root}/") for item in found]


@pytest.fixture
def tree(tmp_path):
    for name in ("b.obj", "a.PLY", "notes.txt", "a.mtl", ".hidden.obj", "sub/c.glb", "sub/deep/d.xyz", ".git/e.obj"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def test_a_folder_gives_its_shapes_sorted_at_any_depth_without_hidden_ones(tree):
    assert names(find_shapes([tree]), tree) == ["a.PLY", "b.obj", "sub/c.glb", "sub/deep/d.xyz"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.obj", ["b.obj"]),
        ("*", ["a.PLY", "b.obj", "sub/c.glb", "sub/deep/d.xyz"]),
        ("**/*.xyz", ["sub/deep/d.xyz"]),
        ("[ab].*", ["a.PLY", "b.obj"]),
        ("s?b", ["sub/c.glb", "sub/deep/d.xyz"]),
    ],
)
def test_patterns(tree, pattern, expected):
    assert names(find_shapes([tree / pattern]), tree) == expected


def test_a_file_with_brackets_in_its_name_is_a_file(tree):
    (tree / "chair[1].obj").write_text("x")
    (tree / "chair1.obj").write_text("x")
    assert names(find_shapes([tree / "chair[1].obj"]), tree) == ["chair[1].obj"]


def test_arguments_keep_their_order_and_no_file_comes_twice(tree):
    found = find_shapes([tree / "sub", tree / "b.obj", tree / "sub" / ".." / "b.obj", tree])
    assert names(found, tree) == ["sub/c.glb", "sub/deep/d.xyz", "b.obj", "a.PLY"]


def test_a_named_file_of_unknown_type_is_kept_for_the_reader_to_refuse(tree):
    assert find_shapes([tree / "notes.txt"]) == [Item(str(tree / "notes.txt"))]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none.obj", "none.obj does not exist: check the path"),
        ("none*.obj", "matches no file: check the pattern"),
        ("*.mtl", "matches 1 path, none a shape: known file types are .*\\.obj"),
        (".git/hooks", "does not exist"),
        ("empty", "holds no shape.*known file types are .*\\.obj"),
    ],
)
def test_what_leads_to_no_shape_says_so(tree, path, words):
    (tree / "empty" / "er").mkdir(parents=True)
    (item,) = find_shapes([tree / path])
    with pytest.raises(InputError, match=words):
        raise item.error
    assert str(tree / path) in str(item.error)


def test_a_folder_that_cannot_be_listed_is_an_error_beside_the_others(tree, monkeypatch):
    real = os.walk

    def refuse(top, onerror, **options):
        onerror(PermissionError(13, "Permission denied", f"{top}/locked"))
        return real(top, **options)

    monkeypatch.setattr("pointclip.datasets.paths.os.walk", refuse)
    found = find_shapes([tree])
    assert [bool(item.error) for item in found] == [True, False, False, False, False]
    assert "locked cannot be listed (Permission denied): check its permissions" in str(found[0].error)


def cloud_named(path):
    return PointCloud(torch.rand(3, 3), name=str(path))


def items(count):
    return [Item(f"{index}.obj") for index in range(count)]


def test_order_is_kept_however_long_each_takes():
    def read(path):
        time.sleep(0.02 if int(path.split(".")[0]) % 3 == 0 else 0)
        return cloud_named(path)

    found = list(read_clouds(items(20), read, workers=4, ahead=8))
    assert [item.cloud.name for item in found] == [item.path for item in found] == [f"{k}.obj" for k in range(20)]


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (2, 4), (4, 3)])
def test_few_clouds_are_alive_at_once(workers, ahead):
    alive, most = set(), []

    def read(path):
        cloud = cloud_named(path)
        alive.add(path)
        weakref.finalize(cloud, alive.discard, path)
        return cloud

    for item in read_clouds(items(60), read, workers, ahead):
        time.sleep(0.002)
        most.append(len(alive))
        del item
    assert ahead <= max(most) <= ahead + 1


def test_reading_goes_on_in_other_threads_while_the_caller_works():
    threads, enough = set(), threading.Event()

    def read(path):
        threads.add(threading.get_ident())
        if path == "3.obj":
            enough.set()
        return cloud_named(path)

    running = read_clouds(items(9), read, workers=2, ahead=4)
    next(running)
    assert enough.wait(5)
    assert threading.get_ident() not in threads
    running.close()


def test_an_endless_list_is_read_as_far_as_asked():
    begun = []

    def endless():
        while True:
            begun.append(1)
            yield Item(f"{len(begun)}.obj")

    running = read_clouds(endless(), cloud_named, ahead=3)
    for _ in range(1000):
        next(running)
    running.close()
    assert len(begun) == 1000 + 3


def test_closing_neither_waits_nor_begins_another_file():
    hold, begun = threading.Event(), []

    def read(path):
        begun.append(path)
        if path != "0.obj":
            assert hold.wait(30)
        return cloud_named(path)

    running = read_clouds(items(9), read, workers=1, ahead=5)
    next(running)
    while len(begun) < 2:
        time.sleep(0.001)
    start = time.perf_counter()
    running.close()
    assert time.perf_counter() - start < 5
    hold.set()
    time.sleep(0.1)
    assert begun == ["0.obj", "1.obj"]


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (InputError("1.obj is empty"), InputError, "1.obj is empty"),
        (MemoryError(), InputError, "1.obj needs more memory than there is free: thin it"),
        (ZeroDivisionError("oops"), ZeroDivisionError, "oops"),
    ],
)
def test_an_exception_is_carried_and_the_others_are_read(raised, kind, words):
    def read(path):
        if path == "1.obj":
            raise raised
        return cloud_named(path)

    found = list(read_clouds(items(3), read))
    assert len(found) == 3
    assert [item.cloud is None for item in found] == [False, True, False]
    assert type(found[1].error) is kind
    assert words in str(found[1].error)


def test_items_with_an_error_are_not_read():
    bad = Item("x.obj", error=InputError("x.obj does not exist"))
    assert list(read_clouds([bad], read=lambda path: pytest.fail("read"))) == [bad]


@pytest.mark.parametrize(("large", "expected"), [(0, 1), (10**9, 2)])
def test_large_files_are_read_one_at_a_time(tmp_path, monkeypatch, large, expected):
    monkeypatch.setattr(stream, "LARGE_BYTES", large)
    running, most = [], []

    def read(path):
        running.append(path)
        time.sleep(0.02)
        most.append(len(running))
        running.remove(path)
        return cloud_named(path)

    paths = [tmp_path / f"{index}.obj" for index in range(6)]
    for path in paths:
        path.write_text("x")
    assert len(list(read_clouds(find_shapes(paths), read, workers=2))) == 6
    assert max(most) == expected


def test_no_workers_is_refused():
    with pytest.raises(InputError, match="workers and ahead must be at least 1, got 0 and 4"):
        next(read_clouds([], workers=0, ahead=4))
