"""Points seen by cameras: world coordinates to pixel coordinates, differentiable in both."""

import torch
from torch import Tensor

from pointclip._base.checks import check_floating, check_shape
from pointclip.cameras.rigs import Views
from pointclip.errors import InputError


def project(points: Tensor, views: Views, size: tuple[int, int] = (224, 224)) -> Tensor:
    """Project clouds into all views at once.

    Args:
        points: (B, N, 3) or (N, 3) float, world units.
        views: V cameras.
        size: (H, W) of the picture in pixels.

    Returns:
        uvz (B, V, N, 3): ``u`` pixels to the right, ``v`` pixels down, ``z`` world units in front of the camera.
        With ``x, y, z = R p + t`` and ``s = focal min(H, W) / 2``: perspective ``u = W/2 + s x/z, v = H/2 + s y/z``;
        orthographic ``u = W/2 + s x, v = H/2 + s y``; a principal point adds ``principal min(H, W) / 2``.
        Points at or behind the camera (z <= 0) keep their z, by which the scatter ops drop them.

    Raises:
        InputError: A shape, a dtype or the size does not fit.

    Note:
        Differentiable in the points and in the views' rotations, translations and focal lengths.

    Example:
        >>> from pointclip.cameras.rigs import views
        >>> project(torch.zeros(1, 1, 3), views("ring-2"), size=(100, 100))[0, 0, 0].tolist()
        [50.0, 50.0, 2.5]
    """
    points = points[None] if isinstance(points, Tensor) and points.ndim == 2 else points
    check_shape("points", points, "B N 3")
    check_floating("points", points)
    height, width = size
    if height < 1 or width < 1:
        raise InputError(f"size must be (rows, columns) of at least 1 pixel each, got {tuple(size)}")
    rotations, translations = views.rotations.to(points), views.translations.to(points)
    points_cam = torch.einsum("vij,bnj->bvni", rotations, points) + translations[:, None]
    scale_px = views.focal.to(points)[:, None, None] * (min(height, width) / 2)
    z = points_cam[..., 2:]
    centre_px = points.new_tensor([width / 2, height / 2])
    if views.principal is not None:
        centre_px = centre_px + views.principal.to(points)[:, None] * (min(height, width) / 2)
    if views.perspective:
        scale_px = scale_px / torch.where(z > 0, z, torch.ones_like(z))
    return _joined(points_cam[..., :2] * scale_px + centre_px, z)


def fit_to_frame(uvz: Tensor, size: tuple[int, int], margin: float = 0.06, frame: Tensor | None = None) -> Tensor:
    """Zoom each cloud so that it fills the picture in its largest view: none is cut and none is tiny.

    Each view is centred on the cloud's bounding rectangle; one zoom per cloud holds for all its views, so their
    relative sizes stay true. The depth z is left alone.

    Args:
        uvz: (B, V, N, 3) float, from :func:`project`.
        size: (H, W) of the picture in pixels.
        margin: Share of the picture left free on each side, in [0, 0.5).
        frame: (B, V, M, 3) float, projected points that fill the picture instead; None is ``uvz`` itself.

    Returns:
        uvz (B, V, N, 3), with u and v zoomed.

    Note:
        Differentiable. Non-finite points and points behind the camera do not count for the rectangle.

    Example:
        >>> uvz = torch.tensor([[[[4.0, 5.0, 1.0], [6.0, 5.0, 1.0]]]])
        >>> fit_to_frame(uvz, (10, 10), margin=0.1)[0, 0, :, 0].tolist()
        [1.0, 9.0]
    """
    check_shape("uvz", uvz, "B V N 3")
    if not 0 <= margin < 0.5:
        raise InputError(f"margin must be at least 0 and below 0.5, got {margin}")
    if uvz.shape[2] == 0:
        return uvz
    height, width = size
    frame = uvz if frame is None else frame
    seen = frame.isfinite().all(-1, keepdim=True) & (frame[..., 2:] > 0)
    low = torch.where(seen, frame[..., :2], torch.inf).amin(dim=2, keepdim=True)
    high = torch.where(seen, frame[..., :2], -torch.inf).amax(dim=2, keepdim=True)
    low, high = torch.where(low <= high, low, 0.0), torch.where(low <= high, high, 1.0)
    room = uvz.new_tensor([width, height]) * (1 - 2 * margin)
    zoom = (room / (high - low).clamp_min(1e-6)).amin(dim=(1, 3), keepdim=True)
    centre_px = uvz.new_tensor([width / 2, height / 2])
    return _joined((uvz[..., :2] - (low + high) / 2) * zoom + centre_px, uvz[..., 2:])


def _joined(uv: Tensor, z: Tensor) -> Tensor:
    """Join (..., 2) and (..., 1); in memory all u come first, then all v, then all z, which CPUs read fastest."""
    return torch.cat([uv.movedim(-1, 0), z.movedim(-1, 0)]).movedim(0, -1)
