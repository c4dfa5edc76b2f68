"""A process that reads the shapes it is asked for until its input ends; the other side is ``reading.py``."""

import os
import pickle
import sys
from typing import Any

import torch

from pointclip.errors import InputError
from pointclip.reading.items import packed, read_one


def serve() -> None:
    """Take a dataset from standard input, then indices; answer each on standard output with a reading."""
    asked, told = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    torch.set_num_threads(1)
    dataset: Any = None
    refusal = None
    content = pickle.load(asked)
    try:
        dataset = pickle.loads(content)
    except Exception as error:  # the dataset's class or module is not to be found from here
        refusal = InputError(f"the dataset cannot be made in another process ({error}): read it with workers=1")
    pickle.dump(refusal, told)
    told.flush()
    while True:
        index = pickle.load(asked)
        pickle.dump(refusal or packed(read_one(dataset, index)), told)
        told.flush()


if __name__ == "__main__":
    try:
        serve()
    except (EOFError, OSError):  # the parent wants no more, or is gone
        os._exit(0)
