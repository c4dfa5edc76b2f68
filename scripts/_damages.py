"""What may happen to a shape before it is classified: the conditions of robustness.py, by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pointclip import ops, views
from pointclip.cameras import fit_to_frame, project
from pointclip.points import UP_AXES, PointCloud

Change = Callable[[PointCloud, torch.Generator], PointCloud]


@dataclass(frozen=True)
class Condition:
    """One way to damage a shape, and how the model is asked then.

    Attributes:
        name: As in the table.
        family: Conditions of a family draw the same random numbers for the same shape.
        change: What is done to the clean cloud.
        num_points: Samples drawn on the mesh; None is what the run asks for.
        drop_outliers: Whether the model leaves far outliers out.
        pose: Whether the model searches for the up axis.
    """

    name: str
    family: str
    change: Change
    num_points: int | None = None
    drop_outliers: bool = True
    pose: str = "given"


def _same(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
    return cloud


def _keep(share: float) -> Change:
    def change(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
        order = torch.randperm(len(cloud), generator=generator)
        return cloud.rows(order[: max(2, round(share * len(cloud)))])

    return change


def _noise(deviation: float) -> Change:
    """Gaussian noise on every coordinate, in radii of the shape; the normals stay those of the mesh."""

    def change(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
        return replace(cloud, points=cloud.points + deviation * torch.randn(len(cloud), 3, generator=generator))

    return change


def _strays(share: float | None, low: float, high: float) -> Change:
    """Move one point, or a share of them, to random directions and to distances between low and high radii."""

    def change(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
        count = 1 if share is None else round(share * len(cloud))
        directions = normalize(torch.randn(count, 3, generator=generator), dim=1)
        distance = low + (high - low) * torch.rand(count, 1, generator=generator)
        which = torch.randperm(len(cloud), generator=generator)[:count]
        points = cloud.points.clone()
        points[which] = distance * directions
        return replace(cloud, points=points)

    return change


def _rotated(cloud: PointCloud, rotation: Tensor) -> PointCloud:
    normals = None if cloud.normals is None else normalize(cloud.normals @ rotation.T, dim=1)
    return replace(cloud, points=cloud.points @ rotation.T, normals=normals)


def _yaw(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
    angle_rad = float(torch.rand((), generator=generator)) * 2 * math.pi
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return _rotated(cloud, torch.tensor([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]))


def _any_rotation(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
    """An even draw of all rotations: a random unit quaternion."""
    w, x, y, z = normalize(torch.randn(4, generator=generator), dim=0).tolist()
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return _rotated(cloud, torch.tensor(rows))


def _other_axis(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
    """Another axis points up: one of the five, with an even chance each."""
    return cloud.turned(UP_AXES[1 + int(torch.randint(len(UP_AXES) - 1, (), generator=generator))])


def _scale(factor: float) -> Change:
    return lambda cloud, generator: replace(cloud, points=cloud.points * factor)


def _half(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
    """Cut the shape by an upright plane at a random angle, so that half of its points are gone."""
    angle_rad = float(torch.rand((), generator=generator)) * 2 * math.pi
    along = cloud.points @ torch.tensor([math.cos(angle_rad), 0.0, math.sin(angle_rad)])
    return cloud.rows(along.argsort()[: max(2, len(cloud) // 2)])


def _one_side(cloud: PointCloud, generator: torch.Generator) -> PointCloud:
    """Keep what a scanner sees that stands still at a random yaw, a little above the shape."""
    turned = _yaw(cloud, generator)
    size = (64, 64)  # coarse, so that samples leave no gaps to look through
    uvz = fit_to_frame(project(turned.points, views("ring-1"), size), size)
    depth = ops.zbuffer(uvz, size, radius=1.0).depth[0, 0]
    u, v, z = uvz[0, 0].unbind(-1)
    return cloud.rows(z <= depth[v.long(), u.long()] + 0.05)


def conditions() -> list[Condition]:
    """List every condition, the clean one first.

    Example:
        >>> conditions()[0].name
        'clean'
    """
    found = [Condition("clean", "clean", _same)]
    found += [Condition(f"{share} % of the points", "dropped", _keep(share / 100)) for share in (50, 25, 10)]
    found += [Condition(f"noise {share} %", "noise", _noise(share / 100)) for share in (0.5, 1, 2, 5)]
    for drop in (True, False):
        kept = "" if drop else ", not dropped"
        for far in (3, 10, 100):
            found.append(Condition(f"1 outlier at {far}x{kept}", "outlier", _strays(None, far, far), None, drop))
        for low, high in ((3, 10), (1, 3)):
            name = f"1 % outliers at {low}x to {high}x{kept}"
            found.append(Condition(name, "outliers", _strays(0.01, low, high), None, drop))
    turns = {"turned about up": _yaw, "another axis up": _other_axis, "any rotation": _any_rotation}
    found += [Condition(name, name, change) for name, change in turns.items()]
    found += [Condition("clean, pose searched", "clean", _same, pose="search")]
    found += [
        Condition(f"{name}, pose searched", name, turns[name], pose="search")
        for name in ("another axis up", "any rotation")
    ]
    found += [Condition(f"scaled by {factor:g}", "scale", _scale(factor)) for factor in (0.001, 1000)]
    found += [Condition("half missing", "half", _half), Condition("seen from one side", "side", _one_side)]
    counts = (256, 512, 1024, 2048, 5000, 20_000, 50_000, 100_000)
    return found + [Condition(f"{count:,} points", "count", _same, count) for count in counts]
