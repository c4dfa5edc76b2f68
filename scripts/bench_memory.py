"""Peak memory of an encoding job with few shapes and with many: it must not grow with their number.

    python scripts/bench_memory.py --csv assets/bench/memory.csv       # 100 and 5,000 synthetic clouds, one view each

Each job runs in a process of its own, with the ``embedded`` model, and is what ``pointclip embed`` does.
"""

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

CHILD = """
import resource, sys
from pathlib import Path
import pointclip as pc
from pointclip.datasets.files import Files
from pointclip.search.retrieval import make_index
paths = sorted(Path(sys.argv[1]).glob("*.npy"))[:int(sys.argv[2])]
model = pc.PointCLIP.from_pretrained("embedded", views="ring-1", device="cpu")
make_index(model, Files(paths), sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="100,5000")
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    counts = [int(count) for count in args.shapes.split(",")]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for number in range(max(counts)):
            np.save(Path(folder) / f"{number:06d}.npy", random.normal(size=(args.points, 3)).astype(np.float32))
        for count in counts:
            start = time.perf_counter()
            command = [sys.executable, "-c", CHILD, folder, str(count), str(Path(folder) / f"{count}.safetensors")]
            peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            row = {"shapes": count, "points": args.points, "views": 1, "peak_mb": round(peak)}
            row |= {"seconds": round(time.perf_counter() - start, 1), "cores": os.cpu_count()}
            row |= {"machine": platform.machine(), "date": f"{datetime.now(timezone.utc):%Y-%m-%d}", "commit": commit}
            rows.append(row)
            print(row, flush=True)
    if args.csv:
        with args.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
