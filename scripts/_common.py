"""What the scripts share: where a number comes from, tables written whole, scores, peak memory, the machine's name."""

import argparse
import csv
import os
import platform
import re
import resource
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip._base.files import make_folder, whole
from pointclip._base.provenance import commit
from pointclip.evaluation import metrics

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
BENCH = ASSETS / "bench"


def parser(text: str | None) -> argparse.ArgumentParser:
    """Make a parser that prints a script's docstring as it stands."""
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def birth_certificate(device: torch.device | str = "cpu") -> dict[str, Any]:
    """Say where a number comes from: date, commit, command, torch, processor or GPU, threads, and how busy it was."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": revision(),
        "command": command(),
        "torch": torch.__version__,
        "device": device_name(torch.device(device)),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
    }


@cache
def revision() -> str:
    """Name the commit in short; ``-dirty`` where any tracked file differed from it when this was first asked for."""
    head, *dirty = (commit(changed_in=":/") or "unknown").split("-")
    return "-".join([head[:10], *dirty])


def command() -> str:
    """Give the command line, without the places of this machine: an absolute path outside is left its last name."""
    words = [f"scripts/{Path(sys.argv[0]).name}", *(_placed(word) for word in sys.argv[1:])]
    return shlex.join(["python", *words])


def _placed(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    path = Path(value)
    if not path.is_absolute():
        return word
    inside = path.is_relative_to(ROOT)
    return f"{option}{equals}{path.relative_to(ROOT) if inside else Path('FOLDER', path.name)}"


def device_name(device: torch.device) -> str:
    """Name the GPU, or the processor and its number of cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()}, {os.cpu_count()} cores"


def cpu_name() -> str:
    """Name the processor, or its architecture where the system does not tell."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)", info.read_text(), re.MULTILINE) if info.is_file() else None
    return found[1] if found else platform.machine()


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table whole or not at all, its folder made; columns in the order they first appear, gaps empty."""
    rows = list(rows)
    make_folder(path.parent)
    with whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, dict.fromkeys(name for row in rows for name in row), restval="")
        table.writeheader()
        table.writerows(rows)


def scores(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Compute overall accuracy, mean class accuracy and top-5, in [0, 1], of logits (N, K) and targets (N,)."""
    given, truth = logits.detach().cpu().numpy(), targets.cpu().numpy()
    predicted = given.argmax(1)
    return {
        "accuracy": metrics.accuracy(predicted, truth),
        "mean_class_accuracy": metrics.mean_class_accuracy(predicted, truth),
        "top5": float((metrics.true_ranks(given, truth) <= 5).mean()),
    }


def percentages(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Compute the scores in per cent, to one decimal: top1, top5, mean_class."""
    found = scores(logits, targets)
    names = {"top1": "accuracy", "top5": "top5", "mean_class": "mean_class_accuracy"}
    return {short: round(100 * found[name], 1) for short, name in names.items()}


def reset_peak(device: torch.device) -> None:
    """Start counting the peak anew, where the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb(device: torch.device | str = "cpu") -> float:
    """Give the largest memory in MB (2**20 bytes) since the last reset: of the GPU's allocator, or of this process."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "linux":
        return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
