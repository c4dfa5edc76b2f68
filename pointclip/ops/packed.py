"""Meshes of different sizes in one tensor: the points one after the other, the faces likewise, and where each begins.

Four whole numbers describe a mesh: first face, end of its faces, first point, end of its points. A face counts the
points of its own mesh from 0, so meshes of one shape share their faces.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from pointclip._base.checks import check_floating, check_shape
from pointclip.errors import InputError

Meshes = Tensor | Sequence[Tensor]
Packed = tuple[Tensor, Tensor, list[int]]
_MOST = 2**31 - 1


def each(meshes: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Walk over the meshes: the slice of their faces, the slice of their points.

    Example:
        >>> list(each([0, 2, 0, 4]))
        [(slice(0, 2, None), slice(0, 4, None))]
    """
    for at in range(0, len(meshes), 4):
        yield slice(meshes[at], meshes[at + 1]), slice(meshes[at + 2], meshes[at + 3])


def check_faces(faces: Tensor, meshes: Sequence[int]) -> None:
    """Refuse a face that names a point its mesh does not have; not on a GPU, where the question would wait.

    Raises:
        InputError: There is such a face.
    """
    if faces.is_cuda:
        return
    for first, end, count in {(own.start, own.stop, points.stop - points.start) for own, points in each(meshes)}:
        if first == end:
            continue
        low, high = (int(extreme) for extreme in faces[first:end].aminmax())
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            raise InputError(f"a face names point {wrong} of a mesh of {count} points: count them from 0 to N - 1")


def pack_points(uvz: Meshes, faces: Meshes) -> Packed:
    """Check points and faces as ``rasterize`` takes them, and pack them.

    Returns:
        uvz (V, P, 3) float32 or float64, faces (T, 3) int64, and four numbers a mesh.

    Raises:
        InputError: A shape, dtype or device does not fit.

    Example:
        >>> uvz, faces, meshes = pack_points(torch.zeros(2, 6, 5, 3), torch.zeros(4, 3, dtype=torch.int64))
        >>> uvz.shape, faces.shape, meshes
        (torch.Size([6, 10, 3]), torch.Size([4, 3]), [0, 4, 0, 5, 0, 4, 5, 10])
    """
    if isinstance(uvz, Tensor):
        check_shape("uvz", uvz, "B V N 3")
        counts, packed = [uvz.shape[2]] * uvz.shape[0], uvz.transpose(0, 1).flatten(1, 2)
    else:
        _check_list("uvz", uvz, "V N 3")
        counts, packed = [part.shape[1] for part in uvz], _joined(uvz, 1)
    check_floating("uvz", packed)
    parts = _faces_of(faces, len(counts), uvz)
    if packed.device != parts[0].device:
        raise InputError(
            f"faces are on {parts[0].device} and uvz on {packed.device}: move one of them with .to(device)"
        )
    packed_faces = _joined(parts, 0)
    if max(packed.shape[1], packed_faces.shape[0]) > _MOST:
        raise InputError(f"a batch may hold {_MOST} points and {_MOST} faces: split it")
    packed = packed if packed.dtype in (torch.float32, torch.float64) else packed.float()
    return packed, packed_faces, _numbers([len(part) for part in parts], counts, len(counts))


def pack_values(values: Meshes, faces: Meshes, num_meshes: int, num_views: int, corners: bool | None) -> Packed:
    """Check values as ``interpolate`` takes them, and pack them as points; a corner's value is a point of its own.

    Returns:
        Values (1 or V, P, D), faces (T, 3) int64 that index them, and four numbers a mesh.

    Raises:
        InputError: A shape or dtype does not fit.

    Example:
        >>> values, faces, meshes = pack_values(torch.zeros(4, 3, 2), torch.zeros(4, 3, dtype=torch.int64), 1, 6, None)
        >>> values.shape, faces[1], meshes
        (torch.Size([1, 12, 2]), tensor([3, 4, 5]), [0, 4, 0, 12])
    """
    given = _faces_of(faces, num_meshes, values)
    parts, shared = list(values), False
    if isinstance(values, Tensor) and values.ndim == 3 and (corners or values.shape[0] != num_meshes):
        parts, shared = [values], True
    num_faces = [len(part) for part in given] * (len(parts) // len(given))
    if corners is None:
        corners = shared or not all(part.ndim == 2 or (part.ndim == 3 and part.shape[0] == num_views) for part in parts)
    axes = 3 if corners or (parts and parts[0].ndim == 3) else 2
    wanted = [(count, 3) if corners else (num_views,) if axes == 3 else () for count in num_faces]
    if (not shared and len(parts) != num_meshes) or not all(
        part.ndim == axes and tuple(part.shape[: len(lead)]) == lead for part, lead in zip(parts, wanted, strict=True)
    ):
        shapes = [tuple(part.shape) for part in ([values] if isinstance(values, Tensor) else values)]
        raise InputError(
            f"values of shape {', '.join(map(str, shapes[:3]))} do not fit {num_meshes} meshes of"
            f" {', '.join(str(len(part)) for part in given[:3])} faces in {num_views} views"
        )
    if corners:
        given = [torch.arange(3 * len(part), device=part.device).view(-1, 3) for part in given]
        parts = [part.flatten(0, 1) for part in parts]
    packed = _joined(parts, -2)
    check_floating("values", packed)
    counts = [part.shape[-2] for part in parts]
    packed = packed if packed.ndim == 3 else packed.unsqueeze(0)
    return packed, _joined(given, 0), _numbers([len(part) for part in given], counts, num_meshes)


def _faces_of(faces: Meshes, num_meshes: int, beside: Meshes) -> list[Tensor]:
    """Check faces and return those of each mesh, or one tensor that all share."""
    parts = [faces] if isinstance(faces, Tensor) else list(faces)
    if not isinstance(faces, Tensor):
        _check_list("faces", faces, "F 3")
        if isinstance(beside, Tensor) or len(parts) != num_meshes:
            raise InputError(f"a list of {len(parts)} faces needs a list of as many points and values beside it")
    elif not isinstance(beside, Tensor):
        raise InputError(f"a list of {len(beside)} meshes needs a list of as many faces beside it")
    for part in parts:
        check_shape("faces", part, "F 3")
        if part.dtype not in (torch.int64, torch.int32):
            raise InputError(f"faces must hold int64 point numbers, got {part.dtype}: call .long() on them first")
    return [part.to(torch.int64) for part in parts]


def _check_list(name: str, parts: Sequence[Tensor], shape: str) -> None:
    if not isinstance(parts, (list, tuple)) or not parts:
        raise InputError(f"{name} must be a tensor or a list of at least one, got {type(parts).__name__}")
    for part in parts:
        check_shape(f"each of {name}", part, shape)
    if len({(part.device, part.dtype, part.shape[0] if shape[0] == "V" else 0) for part in parts}) > 1:
        raise InputError(f"{name} must agree in device, dtype and number of views")


def _joined(parts: Sequence[Tensor], axis: int) -> Tensor:
    return torch.cat(list(parts), axis) if len(parts) > 1 else parts[0]


def _numbers(num_faces: list[int], num_points: list[int], num_meshes: int) -> list[int]:
    """Write where each mesh begins and ends; one count for several meshes says that they share."""
    bounds = []
    for counts in (num_faces, num_points):
        own = list(pairwise(accumulate(counts, initial=0)))
        bounds.append(own if len(own) == num_meshes else own * num_meshes)
    return [number for faces, points in zip(*bounds, strict=True) for number in (*faces, *points)]
