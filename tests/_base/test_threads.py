"""Work is shared out among threads without changing results or the settings of the caller."""

import threading

import pytest
import torch

from pointclip._base.threads import spread
from pointclip.clip.frozen import FrozenClip
from pointclip.weights import loading as weights


@pytest.fixture
def threads():
    """Let torch use four threads in a test, and what it used before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield 4
    torch.set_num_threads(before)


@pytest.mark.parametrize(("things", "share"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_each_gets_its_share_and_the_caller_keeps_all(things, share, threads):
    assert spread(lambda _: torch.get_num_threads(), range(things)) == [share] * things
    assert torch.get_num_threads() == threads
    late = []
    other = threading.Thread(target=lambda: late.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert late == [threads]


def test_things_are_worked_on_at_once(threads):
    together = threading.Barrier(2, timeout=20)
    assert spread(lambda x: (together.wait(), x)[1], ["a", "b"]) == ["a", "b"]


def test_an_error_arrives_and_the_caller_keeps_its_threads(threads):
    with pytest.raises(ZeroDivisionError):
        spread(lambda x: 1 / x, [1, 0])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("skip", [False, True])
def test_features_are_the_same_on_any_number_of_threads(skip, threads):
    clip = FrozenClip(weights.random("ViT-S-32-alt"), "cpu", "fp32", skip_background=skip)
    images = torch.rand(5, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    images[:, :, :96] = images[:, :1, :1, :1]
    images[0, :, :192] = images[0, :, :1, :1]
    sizes = []
    clip.image_tower.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    found = clip.encode_images(images)
    assert len(sizes) >= 2 and sum(sizes) == 5
    torch.set_num_threads(1)
    assert torch.allclose(found, clip.encode_images(images), atol=1e-6)
    assert not found.is_inference()
