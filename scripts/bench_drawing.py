"""Drawing: milliseconds from a shape in memory to six finished pictures, triangles beside samples, in one run.

    python scripts/bench_drawing.py --csv assets/bench/drawing.csv
    python scripts/bench_drawing.py --root FURNITURE --shapes 26 --csv assets/bench/drawing.csv

Meshes are the samples of assets/meshes, or with --root the first test meshes of the furniture benchmark. "triangles"
draws the mesh; "points" draws samples of it, which were taken before; "points, sampled" counts the sampling too.
"cloud" draws the same shape without its surface. Times are processor time of one thread, the least of three rounds.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import _common
import torch

import pointclip as pc
from pointclip import images
from pointclip.datasets import SweetHome3D
from pointclip.points import MeshCloud, PointCloud, sample_surface

SIZE = 224


def main() -> None:
    asked = _common.parser(__doc__)
    asked.add_argument("--root", type=Path, help="folder of the furniture libraries; None takes the sample meshes")
    asked.add_argument("--shapes", type=int, default=26)
    asked.add_argument("--cloud-points", type=int, default=10_000)
    asked.add_argument("--csv", type=Path)
    given = asked.parse_args()
    torch.set_num_threads(1)
    rows = [_row(name, measured) for name, measured in _measured(given).items()]
    for row in rows:
        print(f"{row['what']:<24} {row['median_ms']:>8} ms (of {row['shapes']}, largest {row['largest_ms']})")
    if given.csv:
        _common.write_csv(given.csv, rows)


def _shapes(given: Any) -> list[MeshCloud]:
    if given.root is None:
        paths = sorted((_common.ASSETS / "meshes").glob("*.[ogO]*"))
        found = [pc.load(path) for path in paths if path.suffix in (".obj", ".off", ".glb")]
    else:
        dataset = SweetHome3D(given.root)
        found = [dataset.item(index)[0] for index in range(min(given.shapes, len(dataset)))]
    return [shape for shape in found if isinstance(shape, MeshCloud)]


def _measured(given: Any) -> dict[str, list[float]]:
    rig, grey = pc.views("ring-6"), images.style("shaded")
    found: dict[str, list[float]] = {}
    for shape in _shapes(given):
        bare = PointCloud(shape.points, shape.normals).subset(given.cloud_points)
        style = images.fitting_style(shape)
        tasks: dict[str, Callable[[], Any]] = {
            "triangles, auto": lambda s=shape, t=style: images.render_mesh(_fresh(s), rig, t, SIZE),  # type: ignore[misc]
            "triangles, shaded": lambda s=shape: images.render_mesh(_fresh(s), rig, grey, SIZE),  # type: ignore[misc]
            "points, shaded": lambda s=shape: images.render_shape(s, grey, rig, SIZE, "points"),  # type: ignore[misc]
            "sampling": lambda s=shape: sample_surface(_fresh(s), 20_000),  # type: ignore[misc]
            f"cloud of {len(bare):,}": lambda b=bare: images.render_shape(b, grey, rig, SIZE),  # type: ignore[misc]
        }
        for name, task in tasks.items():
            found.setdefault(name, []).append(_least(task))
    return found


def _fresh(shape: MeshCloud) -> Any:
    """The mesh as it comes from a file: nothing computed yet."""
    mesh = shape.mesh
    for name in ("unit_normals", "corner_normals", "size"):
        mesh.__dict__.pop(name, None)
    return mesh


def _least(task: Callable[[], Any], rounds: int = 3) -> float:
    task()
    seconds = []
    for _ in range(rounds):
        start = time.thread_time()
        task()
        seconds.append(time.thread_time() - start)
    return 1000 * min(seconds)


def _row(name: str, milliseconds: list[float]) -> dict[str, Any]:
    numbers = {"median_ms": round(median(milliseconds), 1), "largest_ms": round(max(milliseconds), 1)}
    return {"what": name, "shapes": len(milliseconds), **numbers, **_common.birth_certificate()}


if __name__ == "__main__":
    main()
