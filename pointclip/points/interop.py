"""Objects of other libraries as geometry, told apart by their documented attributes: nothing is imported for it."""

from pathlib import Path
from typing import Any

import numpy as np

from pointclip._base.optional import require
from pointclip._base.words import counted
from pointclip.errors import InputError
from pointclip.meshes import Mesh, RawPoints, as_colors, from_scene, from_table, sound


def raw_from_arrays(points: Any, normals: Any | None, colors: Any | None) -> RawPoints:
    """Turn arrays, or anything numpy reads, into RawPoints; rows with NaN or infinite values are left out and told."""
    table = np.asarray(points)
    if normals is None and colors is None and table.ndim == 2 and table.shape[1] > 3:
        return _finite(from_table(Path("the array"), table))
    return _finite(
        RawPoints(
            _rows("points", table).astype(np.float64),
            None if normals is None else _rows("normals", normals).astype(np.float64),
            None if colors is None else _colors(_rows("colors", colors)),
        )
    )


def _finite(raw: RawPoints) -> RawPoints:
    parts = [part for part in (raw.points, raw.normals, raw.colors) if part is not None]
    if len({len(part) for part in parts}) > 1:
        return raw  # the cloud says what does not fit
    known = np.all([np.isfinite(part).all(axis=1) for part in parts], axis=0)
    if known.all():
        return raw
    if not known.any():
        raise InputError("points must hold at least one row of finite numbers, and every row has NaN or infinite ones")
    normals, colors = (None if part is None else part[known] for part in (raw.normals, raw.colors))
    left = f"{counted(int((~known).sum()), 'row')} with NaN or infinite values left out"
    return RawPoints(raw.points[known], normals, colors, notes=(*raw.notes, left))


def _rows(name: str, array: Any) -> np.ndarray:
    rows = np.asarray(array)
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "fiu":
        raise InputError(f"{name} must be numbers of shape (N, 3), got {rows.dtype} of shape {rows.shape}")
    return rows


def _colors(rows: np.ndarray) -> np.ndarray:
    colors = as_colors(rows)
    if colors is None:
        raise InputError("colors must be numbers in [0, 1] or bytes in [0, 255]")
    return colors


def geometry_from_trimesh(geometry: Any) -> Mesh | RawPoints:
    """Read a trimesh Trimesh, PointCloud or Scene."""
    if not hasattr(geometry, "geometry"):
        if not hasattr(geometry, "vertices"):
            raise InputError(f"expected a trimesh Trimesh, PointCloud or Scene, got {type(geometry).__name__}")
        import trimesh

        geometry = trimesh.Scene(geometry)
    return from_scene(geometry, "the trimesh object")


def geometry_from_open3d(geometry: Any) -> Mesh | RawPoints:
    """Read an Open3D TriangleMesh or PointCloud, of the legacy or the tensor API."""
    if hasattr(geometry, "to_legacy"):
        geometry = geometry.to_legacy()
    if hasattr(geometry, "triangles"):
        faces = np.asarray(geometry.triangles, dtype=np.int64)
        colors = np.asarray(geometry.vertex_colors, dtype=np.float32)
        return _mesh(np.asarray(geometry.vertices, dtype=np.float64), faces, colors if len(colors) else None)
    if hasattr(geometry, "points") and hasattr(geometry, "normals"):
        normals, colors = np.asarray(geometry.normals), np.asarray(geometry.colors)
        return raw_from_arrays(geometry.points, normals if len(normals) else None, colors if len(colors) else None)
    raise InputError(f"expected an Open3D TriangleMesh or PointCloud, got {type(geometry).__name__}")


def open3d_cloud(points: Any, normals: Any | None, colors: Any | None) -> Any:
    """Build an Open3D point cloud from tensors."""
    o3d = require("open3d", extra="viz")
    cloud = o3d.geometry.PointCloud()
    for name, tensor in (("points", points), ("normals", normals), ("colors", colors)):
        if tensor is not None:
            setattr(cloud, name, o3d.utility.Vector3dVector(tensor.detach().double().numpy()))
    return cloud


def geometries_from_pytorch3d(batch: Any) -> list[Mesh | RawPoints]:
    """Read each element of a PyTorch3D Meshes or Pointclouds."""
    if hasattr(batch, "verts_list"):
        features = _per_item(getattr(batch, "textures", None), "verts_features_list", len(batch.verts_list()))
        rows = zip(batch.verts_list(), batch.faces_list(), features, strict=True)
        return [_pytorch3d_mesh(vertices, faces, feature) for vertices, faces, feature in rows]
    if hasattr(batch, "points_list"):
        points = batch.points_list()
        normals, features = (_per_item(batch, name, len(points)) for name in ("normals_list", "features_list"))
        return [
            raw_from_arrays(*(None if array is None else _numpy(array) for array in (p, n, _rgb(f))))
            for p, n, f in zip(points, normals, features, strict=True)
        ]
    raise InputError(f"expected PyTorch3D Meshes or Pointclouds, got {type(batch).__name__}")


def _pytorch3d_mesh(vertices: Any, faces: Any, features: Any) -> Mesh:
    triangles = _numpy(faces).astype(np.int64)
    rgb = _rgb(features)
    return _mesh(_numpy(vertices).astype(np.float64), triangles, None if rgb is None else _colors(_numpy(rgb)))


def _per_item(holder: Any, method: str, count: int) -> list[Any]:
    found = getattr(holder, method)() if hasattr(holder, method) else None
    return [None] * count if found is None else list(found)


def _rgb(features: Any) -> Any:
    """Return the first three feature channels as colours, or None when there are fewer."""
    return features[:, :3] if features is not None and features.ndim == 2 and features.shape[1] >= 3 else None


def _numpy(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)


def _mesh(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None) -> Mesh:
    if not len(faces):
        raise InputError("the mesh has no faces: pass it as a point cloud")
    mesh = sound("the mesh", Mesh(vertices, faces))
    if colors is None:
        return mesh
    return sound("the mesh", Mesh(vertices, faces, colors[faces]))
