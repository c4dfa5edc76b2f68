"""A process that runs ``pointclip classify`` in children of its own, for a parent to kill: it starts once.

Arguments: folder of towers, then the command line. On each line of stdin it forks a run and prints its process id; when
that ends, its exit code.
"""

import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: a fork has one thread

import torch

import pointclip as pc
from pointclip.cli import main
from pointclip.reading import clouds  # noqa: F401  what a run imports is there before the fork
from support.fit_child import say
from support.tiny_towers import register


def slowed(function):
    """Take a while for each shape, so that a kill finds a run in its middle."""

    def call(*arguments):
        time.sleep(0.05)
        return function(*arguments)

    return call


def serve() -> None:
    torch.set_num_threads(1)
    register(Path(sys.argv[1]))
    pc.PointCLIP.predict = slowed(pc.PointCLIP.predict)
    sys.argv = ["pointclip", *sys.argv[2:]]
    say("ready")
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdout = sys.stderr  # the parent reads this process's own words only
            try:
                main()
            except SystemExit as end:
                os._exit(end.code or 0)
            os._exit(0)
        say(child)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    serve()
