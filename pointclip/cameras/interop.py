"""Cameras of other libraries in pointclip's terms, told apart by their documented attributes: nothing is imported."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointclip.errors import InputError

# PyTorch3D's camera has x to the left and y up.
_FROM_PYTORCH3D = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))


def from_open3d(cameras: Any) -> dict[str, Any]:
    """Read one or several Open3D ``PinholeCameraParameters``, or a ``PinholeCameraTrajectory``.

    Open3D's pixel centres lie on whole numbers, pointclip's on halves: 0.5 is added to the principal point.

    Raises:
        InputError: It is none of them, or its pixels are not square.
    """
    cameras = getattr(cameras, "parameters", cameras)
    cameras = list(cameras) if isinstance(cameras, list | tuple) or hasattr(cameras, "__len__") else [cameras]
    if not cameras or not all(hasattr(camera, "extrinsic") and hasattr(camera, "intrinsic") for camera in cameras):
        raise InputError("expected Open3D PinholeCameraParameters, a list of them, or a PinholeCameraTrajectory")
    poses = torch.stack([_tensor(camera.extrinsic) for camera in cameras])
    lenses = [_open3d_lens(camera.intrinsic) for camera in cameras]
    return {
        "rotations": poses[:, :3, :3],
        "translations": poses[:, :3, 3],
        "focal": torch.tensor([lens[0] for lens in lenses]),
        "principal": torch.tensor([lens[1:] for lens in lenses]),
        "perspective": True,
        "names": tuple(f"camera {number}" for number in range(1, len(cameras) + 1)),
        "rig": "Open3D cameras",
    }


def _open3d_lens(intrinsic: Any) -> tuple[float, float, float]:
    """Focal length and principal point in half short sides."""
    (fx, _, cx), (_, fy, cy), _ = _tensor(intrinsic.intrinsic_matrix).tolist()
    if abs(fx - fy) > 1e-3 * abs(fx):
        raise InputError(f"views need square pixels, and this camera has focal lengths of {fx:g} and {fy:g} pixels")
    half = min(intrinsic.width, intrinsic.height) / 2
    if not (half > 0 and fx > 0):
        raise InputError("the Open3D camera has no lens: give it an intrinsic with a size and focal lengths")
    return fx / half, (cx + 0.5 - intrinsic.width / 2) / half, (cy + 0.5 - intrinsic.height / 2) / half


def from_pytorch3d(cameras: Any) -> dict[str, Any]:
    """Read a PyTorch3D batch of FoV, perspective or orthographic cameras.

    PyTorch3D multiplies rows, ``x_cam = x_world R + T``, with x to the left, y up and z away; normalised coordinates
    run from -1 to 1 over the short side, positive to the left and upwards.

    Raises:
        InputError: It is no such camera, its pixels are not square, or its picture's size is needed and not there.
    """
    if not (hasattr(cameras, "R") and hasattr(cameras, "T")):
        raise InputError(f"expected PyTorch3D cameras with R and T, got {type(cameras).__name__}")
    flip = _FROM_PYTORCH3D
    rotations, translations = flip @ _tensor(cameras.R).mT, _tensor(cameras.T) @ flip
    num_views = len(rotations)
    orthographic = "orthographic" in type(cameras).__name__.lower()
    if hasattr(cameras, "focal_length"):
        focal, principal = _pytorch3d_lens(cameras, num_views)
    elif hasattr(cameras, "fov") and not orthographic:
        _square("aspect ratios", _tensor(getattr(cameras, "aspect_ratio", 1.0)).reshape(-1, 1), 1.0)
        fov = _tensor(cameras.fov).reshape(-1).expand(num_views)
        fov = fov.deg2rad() if getattr(cameras, "degrees", True) else fov
        focal, principal = 1 / (fov / 2).tan(), torch.zeros(num_views, 2)
    else:
        raise InputError(
            f"{type(cameras).__name__} has neither focal_length nor fov: pass FoVPerspectiveCameras, "
            "PerspectiveCameras or OrthographicCameras"
        )
    names = tuple(f"camera {number}" for number in range(1, num_views + 1))
    lens = {"focal": focal, "principal": principal, "perspective": not orthographic}
    return {"rotations": rotations, "translations": translations, **lens, "names": names, "rig": "PyTorch3D cameras"}


def _pytorch3d_lens(cameras: Any, num_views: int) -> tuple[Tensor, Tensor]:
    focal = _tensor(cameras.focal_length)
    focal = focal.reshape(-1, focal.shape[-1] if focal.ndim == 2 else 1)
    _square("focal lengths", focal, focal[:, :1])
    point = _tensor(getattr(cameras, "principal_point", torch.zeros(1, 2))).reshape(-1, 2)
    in_ndc = cameras.in_ndc() if callable(getattr(cameras, "in_ndc", None)) else getattr(cameras, "in_ndc", True)
    if in_ndc:
        return focal[:, 0].expand(num_views), -point.expand(num_views, 2)
    image_size = getattr(cameras, "image_size", None)
    if image_size is None or not bool((_tensor(image_size) > 0).all()):
        raise InputError("cameras in pixels need image_size (rows, columns): set it on the PyTorch3D cameras")
    size = _tensor(image_size).reshape(-1, 2)
    half = size.amin(1, keepdim=True) / 2
    return (focal / half)[:, 0].expand(num_views), ((point - size.flip(1) / 2) / half).expand(num_views, 2)


def _square(what: str, values: Tensor, expected: Any) -> None:
    if bool(((values - expected).abs() > 1e-3 * values.abs()).any()):
        raise InputError(f"views need square pixels, and these cameras have {what} of {values.tolist()}")


def _tensor(array: Any) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().to("cpu", torch.float32)
    return torch.from_numpy(np.array(array, dtype=np.float32))
