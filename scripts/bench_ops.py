"""Time the ops on every backend this machine has, and write a CSV.

Each row compares an op with (a) the memory floor: the time to fill its output buffers once and to read them once, and
(b) a naive loop over clouds and views; ``times_reference`` says how many times faster the backend is than plain
torch. ``rasterize`` draws as many triangles as ``num_points`` says, on the whole twice as large as the picture. On
CUDA the bytes that have to move are also set against the measured copy bandwidth. ``cpu_ms`` is the processor time of
one call, all threads together, which other programs on the machine disturb least; ``load`` is their number when the
run began; ``peak_mb`` is the largest memory of the process so far (of the GPU's allocator on CUDA), the points and
torch included.
Example: ``python scripts/bench_ops.py --out assets/bench/ops_cpu.csv``.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _common import birth_certificate, parser, peak_mb, write_csv

from pointclip import ops

SIDE = 224
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
BATCHES = ((1, 6), (16, 6))
RADII = (0.0, 1.5)


def main() -> None:
    """Run the sweep and write the table."""
    options = parser(__doc__)
    options.add_argument("--out", type=Path, required=True, help="the CSV to write")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--quick", action="store_true", help="the two smallest clouds only")
    options.add_argument("--targets", action="store_true", help="only the sizes that have a target of their own")
    options.add_argument("--linear", action="store_true", help="only one cloud in six views, 1k to 10M points")
    args = options.parse_args()
    device = torch.device(args.device)
    birth = birth_certificate(device)
    backends = [name for name in ops.BACKENDS if ops.why_not(name, torch.empty(0, device=device)) is None]
    rows = []
    for backend, case in itertools.product(backends, cases(args)):
        if backend == "reference" and case[0] == "rasterize" and case[1] * case[3] > 20_000:
            continue  # takes minutes
        figures = measure(backend, device, *case)
        rows.append(birth | figures)
        print({name: value for name, value in figures.items() if value != ""}, flush=True)
    compare(rows)
    write_csv(args.out, rows)


def cases(args: argparse.Namespace) -> list[tuple[str, int, int, int, float]]:
    """List (op, B, V, N, radius); a splat is left out where it would take minutes on a CPU."""
    if args.targets:
        sizes = [(16, 6, 1_024), (16, 6, 10_000), (64, 6, 2_048), (8, 6, 100_000)]
        return [
            (op, *size, 0.0) for op in ("zbuffer", "rasterize") for size in sizes if op == "zbuffer" or size[0] < 64
        ]
    if args.linear:
        return [(op, 1, 6, 10**power, 0.0) for op in ("zbuffer", "rasterize") for power in range(3, 8)]
    found: list[tuple[str, int, int, int, float]] = []
    for num_points, (num_clouds, num_views) in itertools.product(COUNTS[: 2 if args.quick else None], BATCHES):
        size = (num_clouds, num_views, num_points)
        if num_clouds * num_points > 1_600_000:
            continue
        found += [("zbuffer", *size, radius) for radius in RADII]
        found += [("weighted_mean", *size, 0.0), ("rasterize", *size, 0.0)]
        if num_clouds * num_points <= 160_000 or args.device == "cuda":
            found.append(("splat", *size, 3.0))
    return found


def measure(backend: str, device: torch.device, op: str, b: int, v: int, n: int, radius: float) -> dict[str, Any]:
    """Time one case; the naive loop only where it ends within seconds."""
    generator = torch.Generator(device).manual_seed(0)
    uvz = torch.rand(b, v, n, 3, generator=generator, device=device)
    uvz.mul_(torch.tensor([SIDE, SIDE, 1.0], device=device)).add_(torch.tensor([0.0, 0.0, 0.5], device=device))
    run = call(op, uvz, radius, backend)
    outputs = [image for image in run() if image is not None]
    times = clock(run, device)
    cpu_start, repeats = time.process_time(), 5
    for _ in range(repeats):
        run()
    cpu_ms = (time.process_time() - cpu_start) * 1e3 / repeats
    floor = min(clock(lambda: fill_and_read(outputs), device))
    naive_ms: float | str = ""
    if op == "zbuffer" and radius == 0 and b * v * n <= 10_000_000:
        naive_ms = round(min(clock(lambda: naive(uvz), device, budget=2.0)), 4)
    best = min(times)
    moved = uvz.numel() * uvz.element_size() + 2 * sum(image.numel() * image.element_size() for image in outputs)
    return {
        "backend": backend, "op": op, "num_clouds": b, "num_views": v, "num_points": n, "side": SIDE, "radius": radius,
        "best_ms": round(best, 4), "median_ms": round(statistics.median(times), 4),
        "cpu_ms": round(cpu_ms, 4) if device.type == "cpu" else "",
        "ms_per_cloud": round(best / b, 4), "floor_ms": round(floor, 4), "times_floor": round(best / floor, 2),
        "naive_ms": naive_ms, "times_naive": round(naive_ms / best, 2) if naive_ms != "" else "",
        "gb_per_s": round(moved / best / 1e6, 2), "copy_gb_per_s": copy_bandwidth(device),
        "peak_mb": int(peak_mb(device)),
    }  # fmt: skip


def compare(rows: list[dict[str, Any]]) -> None:
    """Set every row beside the reference's of the same case."""
    same = ("op", "num_clouds", "num_views", "num_points", "radius")
    plain = {tuple(row[name] for name in same): row["best_ms"] for row in rows if row["backend"] == "reference"}
    for row in rows:
        reference = plain.get(tuple(row[name] for name in same))
        row["times_reference"] = round(reference / row["best_ms"], 2) if reference else ""
        print(*(row[name] for name in same), row["backend"], "times the reference:", row["times_reference"])


def call(op: str, uvz: torch.Tensor, radius: float, backend: str) -> Callable[[], tuple[Any, ...]]:
    """Bind an op to its arguments; a splat's radius is its 3 sigma."""
    size = (SIDE, SIDE)
    if op == "zbuffer":
        return lambda: ops.zbuffer(uvz, size, radius, backend=backend)
    if op == "splat":
        return lambda: ops.splat(uvz, size, sigma=radius / 3, backend=backend)
    if op == "rasterize":
        corners, faces = triangles(uvz)
        return lambda: ops.rasterize(corners, faces, size, backend=backend)
    weights = 1 / uvz[..., 2]
    return lambda: (ops.weighted_mean(uvz, weights, size, backend=backend),)


def triangles(uvz: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put a triangle around every point; together they are twice as large as the picture."""
    num_faces = uvz.shape[2]
    angles = torch.rand(num_faces, 1, device=uvz.device) + torch.arange(3, device=uvz.device) / 3
    radius = SIDE * (2 / (1.3 * num_faces)) ** 0.5  # 1.3 is the area of a triangle of equal sides in a circle of 1
    offsets = torch.stack((angles.mul(2 * torch.pi).cos(), angles.mul(2 * torch.pi).sin(), angles * 0), -1) * radius
    faces = torch.arange(3 * num_faces, device=uvz.device).view(-1, 3)
    return (uvz.unsqueeze(3) + offsets).flatten(2, 3), faces


def naive(uvz: torch.Tensor) -> list[torch.Tensor]:
    """Do what a first version does: one cloud and view at a time, sorted far to near so that the nearest is written."""
    images = []
    for view in uvz.flatten(0, 1):
        order = view[:, 2].argsort(descending=True)
        u, v, z = view[order].unbind(-1)
        inside = (u >= 0) & (u < SIDE) & (v >= 0) & (v < SIDE)
        pixel = v[inside].long() * SIDE + u[inside].long()
        depth = torch.zeros(SIDE * SIDE, device=uvz.device)
        index = torch.full((SIDE * SIDE,), -1, device=uvz.device)
        depth[pixel] = z[inside]
        index[pixel] = order[inside]
        images += [depth, index]
    return images


def fill_and_read(outputs: list[torch.Tensor]) -> None:
    """Fill fresh buffers like these and read them once: what no implementation can save."""
    for image in outputs:
        torch.full_like(image, 1).sum()


def clock(run: Callable[[], Any], device: torch.device, budget: float = 1.0) -> list[float]:
    """Return milliseconds of repeated runs, at least three after a first one, until the budget in seconds is spent."""
    run()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < budget * 1e3 and len(times) < 50):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def copy_bandwidth(device: torch.device) -> float | str:
    """Return the bytes per second of a large copy on CUDA, read and write counted, in GB/s."""
    if device.type != "cuda":
        return ""
    source = torch.empty(1 << 28, device=device)
    target = torch.empty_like(source)
    return round(2 * source.numel() * 4 / min(clock(lambda: target.copy_(source), device)) / 1e6, 1)


if __name__ == "__main__":
    main()
