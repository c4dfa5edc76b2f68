"""From a file to a point cloud."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes import Mesh, RawPoints, load_geometry
from pointclip.points.cloud import DEFAULT_NUM_POINTS, PointCloud
from pointclip.points.farthest import farthest_point_subset
from pointclip.points.frames import normalize_unit_sphere, turn_up
from pointclip.points.mesh_cloud import MeshCloud
from pointclip.points.outliers import far_outliers


def load(
    path: str | Path,
    num_points: int | None = DEFAULT_NUM_POINTS,
    up: str = "y",
    seed: int = 0,
    normalize: bool = True,
    drop_outliers: bool = True,
) -> PointCloud:
    """Read a mesh or a point cloud from a file, ready to be classified.

    A mesh keeps its triangles and is drawn by them; where points are asked for, they are sampled evenly by area, with
    face normals and colours. A point cloud is kept as it is, or thinned by ``farthest_point_subset`` when it has more
    than ``num_points``.

    Args:
        path: .off .obj .ply .stl .glb .gltf .npy .npz .pcd, or text: .xyz .pts .txt .csv .asc .xyzrgb .xyzn; .dae .3mf
            with the extra ``formats``; one of these in a .gz or .zip file; ``-`` for standard input.
        num_points: Points to draw on a mesh and the most to keep of a cloud, at least 2. None keeps every point of a
            cloud and draws 20,000 on a mesh.
        up: The axis that points up in the file: "y", "z", "x", or one of them with a minus sign.
        seed: Same seed, same samples; not negative.
        normalize: Centre on the bounding box and scale the farthest point to distance 1. False keeps the file's
            units (turned by ``up`` all the same).
        drop_outliers: Leave out the few points or faces that lie far outside of all others (:func:`far_outliers`,
            :func:`far_faces`), which would shrink the shape. An ordinary mesh loses none.

    Returns:
        The cloud, or the mesh as a :class:`MeshCloud`, named after the file without its suffix.

    Raises:
        InputError: The file is missing, damaged, of an unknown type, or holds fewer than 2 different points.

    Note:
        Deterministic, uses no global random state, safe to call from several threads at once. Coordinates stay float64
        until the shape is centred. Rows of a cloud with NaN or infinite coordinates are left out.

    Example:
        >>> load("chair.obj")
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: chair.obj does not exist: check the path
    """
    _check_arguments(num_points, up, seed)
    path = Path(path)
    geometry = load_geometry(path)
    if isinstance(geometry, Mesh):
        return _mesh(path, geometry, num_points or DEFAULT_NUM_POINTS, up, seed, normalize, drop_outliers)
    raw = _thinned(_without_outliers(geometry) if drop_outliers else geometry, num_points)
    points = turn_up(torch.from_numpy(raw.points), up)
    if bool((points == points[0]).all()):
        raise InputError(f"{path} holds {_one_place(raw)}: a shape needs at least 2 different points")
    if normalize:
        points = normalize_unit_sphere(points)
    else:
        _check_range(path, points)
    normals = None if raw.normals is None else turn_up(torch.from_numpy(raw.normals), up).numpy()
    cloud = PointCloud.from_raw(replace(raw, points=points.numpy(), normals=normals), path.stem)
    return replace(cloud, points=normalize_unit_sphere(cloud.points)) if normalize else cloud


def as_cloud(shape: Any) -> PointCloud:
    """Turn what a user holds into a point cloud.

    Args:
        shape: A point cloud, which stays as it is; a path, read by :func:`load`; an (N, 3) array or tensor; or a
            trimesh or Open3D mesh or cloud.

    Returns:
        The cloud.

    Raises:
        InputError: It is none of these.

    Example:
        >>> as_cloud(torch.rand(5, 3))
        PointCloud(5 points, name='')
    """
    if isinstance(shape, PointCloud):
        return shape
    if isinstance(shape, str | Path):
        return load(shape)
    if isinstance(shape, torch.Tensor):
        return PointCloud(shape.detach())
    if isinstance(shape, np.ndarray):
        return PointCloud.from_numpy(shape)
    library = type(shape).__module__.split(".")[0]
    if library == "trimesh":
        return PointCloud.from_trimesh(shape)
    if library == "open3d":
        return PointCloud.from_open3d(shape)
    raise InputError(
        f"a shape must be a path, a PointCloud, an (N, 3) array or tensor, or a trimesh or Open3D object, got "
        f"{type(shape).__name__}"
    )


def _one_place(raw: RawPoints) -> str:
    found = "a single point" if len(raw.points) == 1 else f"{len(raw.points)} points at one place"
    broken = f" and {counted(raw.left_out, 'row')} with NaN or infinite coordinates"
    return found + broken * bool(raw.left_out)


def _mesh(
    path: Path, mesh: Mesh, num_points: int, up: str, seed: int, normalize: bool, drop_outliers: bool
) -> PointCloud:
    try:
        shape = MeshCloud(mesh, num_points, seed, path.stem)
    except InputError as error:
        raise InputError(f"{path} cannot be drawn: {error}") from error
    shape = (shape.without_outliers() if drop_outliers else shape).turned(up)
    if normalize:
        return shape.normalized()
    _check_range(path, torch.from_numpy(shape.mesh.vertices))
    return shape


def _check_range(path: Path, points: torch.Tensor) -> None:
    if not torch.isfinite(points.float()).all():
        raise InputError(f"{path} has coordinates too large for float32: load it with normalize=True")


def _thinned(raw: RawPoints, num_points: int | None) -> RawPoints:
    if num_points is None or len(raw.points) <= num_points:
        return raw
    return _rows(raw, farthest_point_subset(torch.from_numpy(raw.points), num_points).numpy())


def _without_outliers(raw: RawPoints) -> RawPoints:
    strays = far_outliers(torch.from_numpy(raw.points)).numpy()
    if not strays.any():
        return raw
    note = f"{counted(int(strays.sum()), 'point')} far from all others left out"
    return replace(_rows(raw, ~strays), notes=(*raw.notes, note))


def _rows(raw: RawPoints, keep: np.ndarray) -> RawPoints:
    normals = None if raw.normals is None else raw.normals[keep]
    colors = None if raw.colors is None else raw.colors[keep]
    return replace(raw, points=raw.points[keep], normals=normals, colors=colors)


def _check_arguments(num_points: int | None, up: str, seed: int) -> None:
    for name, value, least in (("num_points", num_points, 2), ("seed", seed, 0)):
        if value is None and name == "num_points":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
    turn_up(torch.zeros(1, 3), up)
