"""One thread per test process, a cache folder of the run's own, and the count of what was skipped at the end."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: two test processes share two cores

import pytest
import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep the user's cache folder out of the tests."""
    before = os.environ.get("POINTCLIP_CACHE")
    os.environ["POINTCLIP_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["POINTCLIP_CACHE"]
    else:
        os.environ["POINTCLIP_CACHE"] = before


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"skipped, each with its reason above: {len(terminalreporter.stats.get('skipped', []))}")
