"""Peak memory of an encoding job with few shapes and with many: it must not grow with their number.

    python scripts/bench_memory.py --csv assets/bench/memory.csv       # 100 and 5,000 synthetic clouds, one view each

Each job runs in a process of its own, with the ``embedded`` model, and is what ``pointclip embed`` does.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import birth_certificate, parser, write_csv

CHILD = """
import sys
from pathlib import Path
from _common import peak_mb
import pointclip as pc
from pointclip.datasets.files import Files
from pointclip.search.retrieval import make_index
paths = sorted(Path(sys.argv[1]).glob("*.npy"))[:int(sys.argv[2])]
model = pc.PointCLIP.from_pretrained("embedded", views="ring-1", device="cpu")
make_index(model, Files(paths), sys.argv[3])
print(peak_mb())
"""


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--shapes", default="100,5000")
    options.add_argument("--points", type=int, default=2000)
    options.add_argument("--csv", type=Path)
    args = options.parse_args()
    counts = [int(count) for count in args.shapes.split(",")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for number in range(max(counts)):
            np.save(Path(folder) / f"{number:06d}.npy", random.normal(size=(args.points, 3)).astype(np.float32))
        for count in counts:
            start = time.perf_counter()
            command = [sys.executable, "-c", CHILD, folder, str(count), str(Path(folder) / f"{count}.safetensors")]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path[1:]])}
            environment["POINTCLIP_CACHE"] = str(Path(folder) / f"cache of {count}")  # nothing is found
            child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
            row = {"shapes": count, "points": args.points, "views": 1, "peak_mb": round(float(child.stdout))}
            rows.append(row | {"seconds": round(time.perf_counter() - start, 1)} | birth_certificate())
            print(rows[-1], flush=True)
    if args.csv:
        write_csv(args.csv, rows)


if __name__ == "__main__":
    main()
