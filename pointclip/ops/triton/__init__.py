"""Triton kernels of the same meaning, for CUDA."""

import os
from importlib.util import find_spec

import torch

_OLDEST_GPU = (7, 0)


def why_not(device: torch.device | None = None) -> str | None:
    """Say why the kernels cannot run on a device (None: on this machine), or return None where they can.

    Example:
        >>> why_not(torch.device("meta"))[:6]
        'triton'
    """
    if find_spec("triton") is None:
        return "the package triton is not installed (it comes with the CUDA build of PyTorch on Linux)"
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1":
        return None
    if device.type != "cuda":
        return f"triton needs a CUDA GPU and the points are on {device.type}"
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < _OLDEST_GPU:
        return f"triton needs a GPU of compute capability {'.'.join(map(str, _OLDEST_GPU))} or newer"
    return None
