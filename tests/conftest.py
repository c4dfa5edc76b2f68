"""One thread per test process, a cache folder of the run's own, and the count of what was skipped at the end."""

import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: two test processes share two cores
_CACHE = tempfile.TemporaryDirectory(prefix="pointclip-tests-")
os.environ["POINTCLIP_CACHE"] = _CACHE.name  # the doctests of pointclip/ too stay out of the user's own

import torch  # noqa: E402

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def pytest_terminal_summary(terminalreporter):
    skipped = len(terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"skipped, each with its reason above: {skipped}")
