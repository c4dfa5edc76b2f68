"""The visible surface of a sampled shape: z-buffer, then the holes between samples closed.

Samples leave gaps through which the far side shows. A grey-scale closing of nearness (dilation, then erosion by the
same window) covers every gap narrower than the window and leaves silhouettes and wider openings as they were.
"""

import math
from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, pad

from pointclip import ops
from pointclip._base.threads import one_thread
from pointclip.images.windows import corner_cut, octagon_max, window_sum

Where = tuple[slice | list[int], slice, slice, slice]  # an index into (B, V, H, W)

# A cell that holds this many samples (of all layers a ray meets) seldom misses the front one.
SAMPLES_PER_CELL = 6.0
MAX_CLOSING_PX = 48
SQUARE_UP_TO_PX = 8
# A sample is hidden by a front layer whose gaps are this many times as wide as those that are closed.
HIDING = 1.75
# A sample belongs to the front layer where it lies at most this many times the reach of the closing behind it.
SLOPE = 0.5
# From this reach on single samples would show as dots: averages are painted where samples are, too.
BLEND_FROM_PX = 3
# Where samples lie far apart, dots grow with this share of their spacing, so that thin parts still show.
DOT_SHARE = 0.1


@one_thread()
def front_surface(
    uvz: Tensor, size: tuple[int, int], values: Tensor, dot_px: float, closing: float
) -> tuple[Tensor, Tensor]:
    """Paint per-point values onto the visible surface, holes closed.

    Args:
        uvz: (B, V, N, 3) float, pixels and world units.
        size: (H, W) in pixels.
        values: (B, V, N, D) float, what each point shows in each view.
        dot_px: Radius of a point in pixels.
        closing: Width of the closed gaps in multiples of the measured spacing of the samples.

    Returns:
        painted (B, V, H, W, D), 0 where nothing is seen; covered (B, V, H, W) bool.
    """
    if closing == 0:
        buffer = ops.zbuffer(uvz.detach(), size, radius=dot_px)
        return ops.gather(buffer.index, values), buffer.index >= 0
    spacing = sample_spacing(uvz, size)
    dots_px = [max(dot_px, float(min(round(DOT_SHARE * one), min(size) // 32))) for one in spacing]
    radii = list(zip(_reaches(spacing, size, closing), dots_px, strict=True))
    extent = depth_extent(uvz)
    painted = values.new_zeros(*uvz.shape[:2], values.shape[-1], *size).movedim(2, -1)
    covered = torch.zeros(painted.shape[:-1], dtype=torch.bool, device=uvz.device)
    for reach, dot, where in _pieces(uvz, size, radii):
        clouds, views, rows, columns = where
        at = uvz[clouds, views].detach() - uvz.new_tensor([columns.start, rows.start, 0])
        buffer = ops.zbuffer(at, (rows.stop - rows.start, columns.stop - columns.start), radius=dot)
        tolerance = SLOPE * reach * extent[clouds] / min(size)
        seen, known = paint(buffer, values[clouds, views], reach, tolerance)
        painted[where], covered[where] = seen.movedim(2, -1), known
    return painted, covered


def _pieces(uvz: Tensor, size: tuple[int, int], radii: list[tuple[int, float]]) -> Iterator[tuple[int, float, Where]]:
    """Cut the work into pieces of one closing and dot radius: on a CPU what one view covers, which its caches hold."""
    if uvz.device.type == "cpu":
        covered = rectangles(uvz, size, [int(dot) + 1 for _, dot in radii])
        for b, views in enumerate(covered):
            for v, (rows, columns) in enumerate(views):
                if rows.start < rows.stop:
                    yield *radii[b], (slice(b, b + 1), slice(v, v + 1), rows, columns)
        return
    for reach, dot in sorted(set(radii)):
        alike = [b for b, pair in enumerate(radii) if pair == (reach, dot)]
        yield reach, dot, (alike, slice(None), slice(0, size[0]), slice(0, size[1]))


def rectangles(uvz: Tensor, size: tuple[int, int], margins: list[int]) -> list[list[tuple[slice, slice]]]:
    """Give the rows and the columns of what each view's points cover, widened by each cloud's margin in pixels.

    They start and end on even pixels, as the blocks of :func:`_averages` do; none where there are no points.
    """
    inside, uv, margin = _inside(uvz, size)[..., None], uvz[..., :2].detach(), uvz.new_tensor(margins)[:, None, None]
    low = torch.where(inside, uv, max(size)).amin(2).sub_(margin).clamp_(min=0).div_(2).floor_().mul_(2)
    high = torch.where(inside, uv, -torch.inf).amax(2).add_(margin + 1).clamp_(min=0).div_(2).ceil_().mul_(2)
    high = torch.minimum(high, high.new_tensor(size[::-1]))
    corners = torch.stack([low, high], dim=-1).int().tolist()
    return [[(slice(*rows), slice(*columns)) for columns, rows in views] for views in corners]


def _inside(uvz: Tensor, size: tuple[int, int]) -> Tensor:
    u, v, z = uvz.detach().unbind(-1)
    return (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0]) & (z > 0)


def closing_radius(uvz: Tensor, size: tuple[int, int], closing: float) -> list[int]:
    """Give each cloud's closing radius in whole pixels: a multiple of the spacing of its samples."""
    return _reaches(sample_spacing(uvz, size), size, closing)


def _reaches(spacing: list[float], size: tuple[int, int], closing: float) -> list[int]:
    largest = min(MAX_CLOSING_PX, min(size) // 8)
    return [min(max(1, round(closing * one)), largest) for one in spacing]


def sample_spacing(uvz: Tensor, size: tuple[int, int]) -> list[float]:
    """Measure how far apart each cloud's samples lie in the picture, in pixels.

    Cells of 1, 2, 4, ... pixels are counted; the spacing is the cell size at which an occupied cell holds
    ``SAMPLES_PER_CELL`` samples on average. Seen in the picture, it does not depend on the order of the points nor on
    a common turn of shape and cameras.
    """
    occupied, num_inside = _occupancy(uvz, size)
    counts = []
    while min(occupied.shape[-2:]) >= 4:
        counts.append(occupied.float().sum(dim=(1, 2, 3)))
        occupied = pad(occupied, (0, occupied.shape[-1] % 2, 0, occupied.shape[-2] % 2))
        occupied = occupied[..., 0::2, :] | occupied[..., 1::2, :]
        occupied = occupied[..., 0::2] | occupied[..., 1::2]
    per_cell = num_inside / torch.stack(counts).clamp_min(1)
    return [_interpolate(levels) for levels in per_cell.T.tolist()]


def _interpolate(levels: list[float]) -> float:
    for level in range(len(levels)):
        if levels[level] >= SAMPLES_PER_CELL:
            if level == 0:
                return 1.0
            low, high = math.log(max(levels[level - 1], 1e-3)), math.log(levels[level])
            return 2.0 ** (level - 1 + (math.log(SAMPLES_PER_CELL) - low) / max(high - low, 1e-6))
    return 2.0 ** (len(levels) - 1)


def _occupancy(uvz: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = size
    u, v, _ = uvz.detach().unbind(-1)
    inside = _inside(uvz, size)
    pixel = torch.where(inside, v.clamp(0, height - 1).long() * width + u.clamp(0, width - 1).long(), height * width)
    grid = torch.zeros(*uvz.shape[:2], height * width + 1, dtype=torch.uint8, device=uvz.device)
    grid.scatter_(2, pixel, 1)
    return rearrange(grid[..., :-1], "b v (h w) -> b v h w", h=height), inside.sum(dim=(1, 2))


def depth_extent(uvz: Tensor) -> Tensor:
    """Give the largest range of depths over the views of each cloud, (B,): about its diameter."""
    z = uvz[..., 2].detach()
    seen = z.isfinite() & (z > 0)
    high = torch.where(seen, z, -torch.inf).amax(-1)
    low = torch.where(seen, z, torch.inf).amin(-1)
    return torch.where(high > low, high - low, 0.0).amax(-1)


def close_gaps(nearness: Tensor, reach: int, cut: int = 0) -> Tensor:
    """Close a grey-scale picture: dilate it, then erode it by the same window, which nothing outside holds open.

    Args:
        nearness: (..., H, W) float, minus infinity where nothing is.
        reach: Pixels to each side, 1 or more.
        cut: How far the corners of the window are cut, see :func:`pointclip.images.windows.octagon_max`.

    Returns:
        (..., H, W), nowhere below ``nearness``.

    Example:
        >>> row = torch.tensor([[-torch.inf, -2.0, -torch.inf, -1.0, -torch.inf]])
        >>> close_gaps(row, 1).tolist()
        [[-inf, -2.0, -2.0, -1.0, -inf]]
    """
    wide = octagon_max(pad(nearness, (reach,) * 4, value=-torch.inf), reach, cut)
    return -octagon_max(-wide, reach, cut)[..., reach:-reach, reach:-reach]


def paint(buffer: ops.ZBuffer, values: Tensor, reach: int, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """Paint the front surface, gaps closed.

    A pixel is covered where the samples, whatever their depth, lie so close that windows of ``reach`` close the gaps.
    A sample is seen where it is not behind what windows of ``HIDING`` times that close: a hole in the front layer may
    by chance be wide, and the far side must not show through it. Averages of the seen samples are painted.

    Args:
        buffer: Of (B, V, H, W).
        values: (B, V, N, D) float.
        reach: Pixels to each side of a closed gap.
        tolerance: (B,), how far behind the front a sample still belongs to it.

    Returns:
        painted (B, V, D, H, W), 0 where nothing is seen; covered (B, V, H, W) bool.
    """
    closings, blend = (_window(reach), _window(round(HIDING * reach))), reach >= BLEND_FROM_PX
    windows = ((reach + 4) // 6, (reach + 1) // 4, (reach + 1) // 4)
    if _can_be_compiled(values):
        from pointclip.images import painting  # it compiles

        return painting.paint(buffer, values.detach(), closings, tolerance, blend, windows)
    empty, lowest = buffer.index < 0, torch.finfo(buffer.depth.dtype).min
    nearness = torch.where(empty, lowest, -buffer.depth)
    known = ~empty & (nearness >= _closed(nearness, *closings[1]) - tolerance[:, None, None, None])
    covered = _closed(nearness, *closings[0]) > lowest
    painted = ops.gather(torch.where(known, buffer.index, -1), values).movedim(-1, 2).contiguous()
    to_fill = covered if blend else covered & ~known
    for window in windows:
        average, found = _averages(painted, known, window)
        fill = to_fill & found
        painted = torch.where(fill[:, :, None], average, painted)
        known, to_fill = known | fill, to_fill & ~fill
    return painted, known


def _can_be_compiled(values: Tensor) -> bool:
    learnt = values.requires_grad and torch.is_grad_enabled()
    half = values.dtype not in (torch.float32, torch.float64)
    return not learnt and not half and ops.why_not("numba", values) is None


def _window(reach: int) -> tuple[int, int, int]:
    """Give how often the picture is halved for a window (wide ones: once), its reach there, and its corners' cut."""
    if reach <= SQUARE_UP_TO_PX:
        return 0, reach, 0
    blocks = (reach + 1) // 2
    return 1, blocks, corner_cut(blocks)


def _closed(nearness: Tensor, halvings: int, reach: int, cut: int) -> Tensor:
    """Close gaps; in blocks of pixels, of which the nearest counts."""
    (height, width), block = nearness.shape[-2:], 2**halvings
    even = pad(nearness, (0, width % block, 0, height % block), value=torch.finfo(nearness.dtype).min)
    blocks = close_gaps(max_pool2d(even, block), reach, cut)
    return interpolate(blocks, scale_factor=block)[..., :height, :width]


def _averages(painted: Tensor, known: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Average the known pixels around each pixel, (B, V, D, H, W), and say where there is any; others are painted 0.

    Computed in blocks of 2 x 2 pixels: the averages are smooth, and a quarter of the work. A block counts the less the
    farther away it is, up to ``2 reach`` blocks: two windows of ``reach`` after each other are a tent.
    """
    *_, height, width = known.shape
    counted = torch.cat([painted, known[:, :, None].to(painted.dtype)], dim=2).flatten(0, 1)
    counted = pad(counted, (0, width % 2, 0, height % 2))
    rows = counted[..., 0::2, :] + counted[..., 1::2, :]
    blocks = pad(rows[..., 0::2] + rows[..., 1::2], (2 * reach,) * 4)
    blocks = window_sum(window_sum(blocks, reach), reach)
    blocks = blocks[..., 2 * reach : blocks.shape[-2] - 2 * reach, 2 * reach : blocks.shape[-1] - 2 * reach]
    sums, share = blocks.split([painted.shape[2], 1], dim=1)
    blocks = torch.cat([sums / share.clamp_min(1), share], dim=1)
    pixels = interpolate(blocks, scale_factor=2)[..., :height, :width].unflatten(0, known.shape[:2])
    return pixels[:, :, :-1], pixels[:, :, -1] > 0.5
