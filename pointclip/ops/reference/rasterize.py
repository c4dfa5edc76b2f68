"""Triangles in pure torch: the definition of which pixels they cover, of depth and of barycentric weights.

Which pixels: corners are rounded to 1/256 pixel, and from there on all is whole numbers. ``e_k``, twice the area
between a pixel's centre and the edge opposite corner k, is not negative inside; on an edge itself the top-left rule
gives the centre to one of the two neighbours. Below ``LIMIT`` every ``e_k`` is exact in float64 too.
Who is nearest: ``sum(e_k q_k) / sum(e_k)`` as float32, with q = 1/z in perspective and q = z else.
Depth and weights of the winner come from the corners as they are, not rounded, so that they are smooth in them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointclip.ops.packed import each
from pointclip.ops.reference.memory import CHUNK

STEPS = 256
LIMIT = 2.0**17
_LOW = 0xFFFFFFFF
_LARGEST = 0x7FFFFFFF


def rasterize(
    uvz: Tensor, faces: Tensor, meshes: Sequence[int], height: int, width: int, perspective: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the nearest triangle of every pixel; arguments as in ``library.rasterize``.

    Returns:
        Face (B, V, H, W) int64, depth (B, V, H, W) and barycentric weights (B, V, H, W, 3) of uvz's dtype.
    """
    shape = (len(meshes) // 4, uvz.shape[0], height, width)
    face = torch.full(shape, -1, dtype=torch.int64, device=uvz.device)
    depth = uvz.new_zeros(shape)
    barycentric = uvz.new_zeros(*shape, 3)
    for b, (own_faces, own_points) in enumerate(each(meshes)):
        for v, points in enumerate(uvz[:, own_points]):
            triangles = faces[own_faces]
            face[b, v] = _nearest(points, triangles, (height, width), perspective)
            picture = (slice(b, b + 1), slice(v, v + 1))
            mesh = (0, triangles.shape[0], 0, points.shape[0])
            depth[picture], barycentric[picture] = measure(points[None], triangles, mesh, face[picture], perspective)
    return face, depth, barycentric


def measure(
    uvz: Tensor, faces: Tensor, meshes: Sequence[int], face: Tensor, perspective: bool
) -> tuple[Tensor, Tensor]:
    """Return depth and barycentric weights at the centres of pixels whose triangle is known; differentiable in uvz.

    Inside a triangle its three areas have one sign. Where the rounding of corners let a pixel in that lies just
    outside, their absolute values keep the weights in [0, 1].
    """
    hit = face >= 0
    if not faces.shape[0] or not uvz.shape[1]:
        nothing = uvz.sum() * 0 + uvz.new_zeros(face.shape)
        return nothing, nothing.unsqueeze(-1).expand(*face.shape, 3)
    corners = uvz.reshape(-1, 3)[rows_of(uvz.shape[:2], faces, meshes, face)].to(torch.float64)
    corners = torch.where(hit[..., None, None], corners, 1.0)
    u, v, z = corners.unbind(-1)
    row = torch.arange(face.shape[2], device=face.device)[:, None, None] + 0.5
    col = torch.arange(face.shape[3], device=face.device)[:, None] + 0.5
    (u0, u1, u2), (v0, v1, v2) = (u - col).unbind(-1), (v - row).unbind(-1)
    areas = torch.stack((u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0), -1).abs()
    weights = torch.where(_sum(areas) == 0, 1.0, areas)
    if perspective:
        weights = weights * (z.roll(-1, -1) * z.roll(-2, -1))
    weights = weights * (1 / _sum(weights))
    depth = _sum(weights * z)
    depth = torch.where(hit, depth.squeeze(-1), 0.0).to(uvz.dtype)
    return depth, torch.where(hit.unsqueeze(-1), weights, 0.0).to(uvz.dtype)


def rows_of(table: Sequence[int], faces: Tensor, meshes: Sequence[int], face: Tensor) -> Tensor:
    """Return where the corners (B, V, H, W, 3) of each pixel's triangle lie in a flattened table of points.

    The table is (V, P) or, the same for all views, (1, P). Where there is no triangle the answer is some row.
    """
    num_views, num_points = table
    starts = torch.tensor(list(meshes), device=face.device).view(-1, 4)
    first_face, first_point = (starts[:, column].view(-1, 1, 1, 1) for column in (0, 2))
    corner = faces[(face + first_face).clamp(0, faces.shape[0] - 1)] + first_point.unsqueeze(-1)
    view = torch.arange(num_views, device=face.device).view(-1, 1, 1, 1)
    return corner.clamp(0, num_points - 1) + view * num_points


def _sum(three: Tensor) -> Tensor:
    """Add the three numbers of the last axis in an order that every backend keeps."""
    return (three[..., :1] + three[..., 1:2]) + three[..., 2:]


def _nearest(points: Tensor, faces: Tensor, size: tuple[int, int], perspective: bool) -> Tensor:
    """Return the nearest face (H, W) of one mesh in one view.

    One integer maximum decides, as in the z-buffer: how near above the reversed number of the face.
    """
    keys = torch.full((size[0] * size[1],), -1, dtype=torch.int64, device=points.device)
    if not faces.numel():
        return keys.view(size)
    corners = points[faces].to(torch.float64)
    grid, z = (corners[..., :2] * STEPS + 0.5).floor(), corners[..., 2]
    counts = ((z.float() > 0) & (z.float() < torch.inf)).all(-1) & (grid.abs() <= LIMIT * STEPS).flatten(1).all(1)
    corners = torch.where(counts[:, None, None], grid, 0.0).to(torch.int64)
    x, y = corners.unbind(-1)
    dx, dy = x.roll(-2, 1) - x.roll(-1, 1), y.roll(-2, 1) - y.roll(-1, 1)  # the edge opposite each corner
    area = dx[:, 2] * dy[:, 0] - dy[:, 2] * dx[:, 0]
    sign = area.sign().unsqueeze(1)
    dx, dy, area = dx * sign, dy * sign, area.abs()
    on_edge = (dy < 0) | ((dy == 0) & (dx > 0))
    near = (1 / z if perspective else z) / area.unsqueeze(1)
    low = ((corners.amin(1) + (STEPS // 2 - 1)) >> 8).clamp_(min=0)
    high = torch.minimum((corners.amax(1) - STEPS // 2) >> 8, torch.tensor(size[::-1], device=faces.device) - 1)
    extent = (high - low + 1).clamp_(min=0) * (area > 0).unsqueeze(1)
    ends = extent.prod(1).cumsum(0)
    for start in range(0, int(ends[-1]), CHUNK):
        pair = torch.arange(start, min(start + CHUNK, int(ends[-1])), device=faces.device)
        face = torch.searchsorted(ends, pair, right=True)
        pair -= ends[face] - extent[face].prod(1)
        col, row = low[face, 0] + pair % extent[face, 0], low[face, 1] + pair // extent[face, 0]
        across, down = (col * STEPS + STEPS // 2).unsqueeze(1), (row * STEPS + STEPS // 2).unsqueeze(1)
        edges = dx[face] * (down - y.roll(-1, 1)[face]) - dy[face] * (across - x.roll(-1, 1)[face])
        inside = ((edges > 0) | ((edges == 0) & on_edge[face])).all(1)
        bits = _sum(edges * near[face]).squeeze(1).float().view(torch.int32).to(torch.int64)
        key = ((bits if perspective else _LARGEST - bits) << 32) + (_LOW - 1 - face)
        keys.scatter_reduce_(0, (row * size[1] + col)[inside], key[inside], "amax")
    return torch.where(keys >= 0, _LOW - 1 - (keys & _LOW), -1).view(size)
