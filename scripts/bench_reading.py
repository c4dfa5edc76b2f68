"""Read OFF meshes and sample 2,048 points of each, with one worker and with two, in turns; the clouds must be equal.

    python scripts/bench_reading.py                      # 1,000 meshes of about 2,000 faces, made in a temporary folder

Processes take seconds to start (they import torch), which counts. ``--csv FILE`` writes the row.
"""

import argparse
import csv
import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
import trimesh

from pointclip.datasets.modelnet import open_modelnet
from pointclip.datasets.reading import read_items


def make(root: Path, count: int) -> None:
    """Write lumpy spheres of 1,280 to 2,000 faces in ModelNet's layout and with its glued headers."""
    random = np.random.default_rng(0)
    for number in range(count):
        mesh = trimesh.creation.uv_sphere(count=[32, 24 + number % 9])
        bumps = 1 + 0.2 * np.sin(mesh.vertices @ random.normal(size=3) * 4)
        lines = [f"OFF{len(mesh.vertices)} {len(mesh.faces)} 0"]
        lines += [" ".join(f"{x:.6f}" for x in vertex) for vertex in mesh.vertices * bumps[:, None]]
        lines += [f"3 {face[0]} {face[1]} {face[2]}" for face in mesh.faces]
        path = root / "chair" / "train" / f"chair_{number:04d}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meshes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), args.meshes)
        data = open_modelnet(folder, 40, "train", num_points=2048)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        clouds = {}
        for _ in range(args.rounds):
            for workers, spans in seconds.items():
                start = time.perf_counter()
                clouds[workers] = [reading.cloud.points for reading in read_items(data, range(len(data)), workers)]
                spans.append(time.perf_counter() - start)
        equal = all(torch.equal(a, b) for a, b in zip(clouds[1], clouds[2], strict=True))
    one, two = (statistics.median(seconds[workers]) for workers in (1, 2))
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    row = {"meshes": args.meshes, "points": 2048, "one_worker_s": f"{one:.2f}", "two_workers_s": f"{two:.2f}"}
    row |= {"ratio": f"{one / two:.2f}", "equal": equal, "rounds": args.rounds, "cores": os.cpu_count()}
    row |= {"machine": platform.machine(), "date": f"{datetime.now(timezone.utc):%Y-%m-%d}", "commit": commit}
    for name, value in row.items():
        print(f"{name:>14}  {value}")
    if args.csv:
        with args.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, row)
            table.writeheader()
            table.writerow(row)


if __name__ == "__main__":
    main()
