"""A process that fits in children of its own, for a parent to kill: it starts once, each fit is a fork.

Arguments: folder of towers, model name, folder of meshes, cache, file to write, log. On each line of stdin it forks a
fit and prints its process id; when that ends, its exit code.
"""

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: a fork has one thread

import torch

import pointclip as pc
from pointclip.datasets.folder import ClassFolder
from pointclip.encoding import local
from pointclip.encoding.looks import Augmentation
from pointclip.fewshot import resume as _resume
from pointclip.heads.adapter import AdapterTrainer
from pointclip.heads.recipe import Recipe
from support.tiny_towers import register


def logged(function, word, log):
    """Write a line before each call that counts as a batch of work."""

    def call(*args, **options):
        with open(log, "a") as file:  # noqa: PTH123
            file.write(f"{word}\n")
        return function(*args, **options)

    return call


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    towers, name, meshes, cache, out, log = sys.argv[1:]
    torch.set_num_threads(1)
    register(Path(towers))
    model = pc.PointCLIP.from_pretrained(name, views="ring-2", device="cpu", precision="fp32")
    _resume._SECONDS = _resume._SHARE = 0.0  # keep the state after every batch
    local.encode_shape = logged(local.encode_shape, "cloud", log)
    AdapterTrainer.step = logged(AdapterTrainer.step, "step", log)
    say("ready")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            shapes = ClassFolder(meshes, num_points=200)
            recipe = Recipe.adamw(epochs=15, batch_size=4)
            options = {"augmentation": Augmentation(copies=2), "cache": cache, "out": out, "progress": False}
            pc.fit(model, shapes, shots=4, recipe=recipe, **options)
            os._exit(0)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
