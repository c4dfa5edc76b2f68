"""Read OFF meshes and sample 2,048 points of each, with one worker and with two, in turns; the clouds must be equal.

    python scripts/bench_reading.py                      # 1,000 meshes of about 2,000 faces, made in a temporary folder
    python scripts/bench_reading.py --faces 2000 10000   # ModelNet's have 20,000 and more on average

A process takes seconds to start (it imports torch). The ratio counts that; the steady ratio is that of the second half
of the meshes. On a machine that does other work too, look at the seconds of processor time: what two workers take in
all, divided by two, is what they need on two free cores. ``--csv FILE`` writes the row.
"""

import resource
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import trimesh
from _common import birth_certificate, parser, write_csv

from pointclip.datasets import Dataset, open_modelnet
from pointclip.reading import read_items


def make(root: Path, count: int, faces: int) -> None:
    """Write lumpy spheres of about so many faces in ModelNet's layout and with its glued headers."""
    random = np.random.default_rng(0)
    for number in range(count):
        around = round((faces / 2) ** 0.5)
        mesh = trimesh.creation.uv_sphere(count=[around, around + number % 9 - 4])
        bumps = 1 + 0.2 * np.sin(mesh.vertices @ random.normal(size=3) * 4)
        lines = [f"OFF{len(mesh.vertices)} {len(mesh.faces)} 0"]
        lines += [" ".join(f"{x:.6f}" for x in vertex) for vertex in mesh.vertices * bumps[:, None]]
        lines += [f"3 {face[0]} {face[1]} {face[2]}" for face in mesh.faces]
        path = root / "chair" / "train" / f"chair_{number:04d}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


def run(data: Dataset, workers: int) -> tuple[list[torch.Tensor], dict[str, float]]:
    """Read everything; give the points, the seconds in all, of the second half, and of the processors."""
    start, busy = time.perf_counter(), processor_seconds()
    readings = read_items(data, range(len(data)), workers)
    points = [reading.cloud.points for reading in islice(readings, len(data) // 2)]
    half = time.perf_counter()
    points += [reading.cloud.points for reading in readings]
    end = time.perf_counter()
    spent = {"all": end - start, "steady": end - half, "cpu": processor_seconds() - busy}
    return points, spent


def processor_seconds() -> float:
    """Sum up this process and its ended children."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def measure(meshes: int, faces: int, rounds: int) -> dict[str, object]:
    """Read with one worker and with two, in turns."""
    spent: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    points = {}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), meshes, faces)
        data = open_modelnet(folder, 40, "train", num_points=2048)
        for _ in range(rounds):
            for workers, measured in spent.items():
                points[workers], seconds = run(data, workers)
                measured.append(seconds)
    equal = all(torch.equal(a, b) for a, b in zip(points[1], points[2], strict=True))
    one, two = (
        {kind: statistics.median(seconds[kind] for seconds in measured) for kind in measured[0]}
        for measured in spent.values()
    )
    row: dict[str, object] = {"meshes": meshes, "faces": faces, "points": 2048, "equal": equal}
    row |= {"one_worker_s": f"{one['all']:.2f}", "two_workers_s": f"{two['all']:.2f}"}
    row |= {"ratio": f"{one['all'] / two['all']:.2f}", "steady_ratio": f"{one['steady'] / two['steady']:.2f}"}
    row |= {"one_worker_cpu_s": f"{one['cpu']:.2f}", "two_workers_cpu_s": f"{two['cpu']:.2f}"}
    return row | {"rounds": rounds} | birth_certificate()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--meshes", type=int, default=1000)
    options.add_argument("--faces", type=int, nargs="+", default=[2000])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--csv", type=Path)
    args = options.parse_args()
    rows = []
    for faces in args.faces:
        rows.append(measure(args.meshes, faces, args.rounds))
        print("\n".join(f"{name:>17}  {value}" for name, value in rows[-1].items()), flush=True)
    if args.csv:
        write_csv(args.csv, rows)


if __name__ == "__main__":
    main()
