"""Which backend runs an op here, and why another does not."""

import logging
import os
from functools import lru_cache
from importlib.util import find_spec

import torch

from pointclip._base.checks import nearest
from pointclip.errors import BackendUnavailable, InputError

BACKENDS = ("reference", "triton")
_LOG = logging.getLogger("pointclip.ops")
_OLDEST_GPU = (7, 0)


def why_not(backend: str, tensor: torch.Tensor | None = None) -> str | None:
    """Say why a backend cannot run, or return None where it can.

    Args:
        backend: ``"reference"`` (pure torch, any device) or ``"triton"`` (CUDA; on a CPU only where Triton's
            interpreter was switched on with ``TRITON_INTERPRET=1``, which is for tests).
        tensor: The points it should run on; None asks about this machine.

    Returns:
        One sentence, or None.

    Raises:
        InputError: No backend has this name.

    Example:
        >>> why_not("reference", torch.zeros(1)) is None
        True
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown backend {backend!r}: {nearest(backend, (*BACKENDS, 'auto'))}")
    if backend == "reference":
        return None
    if find_spec("triton") is None:
        return "the package triton is not installed (it comes with the CUDA build of PyTorch on Linux)"
    device = tensor.device if tensor is not None else torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1":
        return None
    if device.type != "cuda":
        return f"triton needs a CUDA GPU and the points are on {device.type}"
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < _OLDEST_GPU:
        return f"triton needs a GPU of compute capability {'.'.join(map(str, _OLDEST_GPU))} or newer"
    return None


def choose(backend: str, tensor: torch.Tensor) -> str:
    """Return the backend to run: the named one, or for ``"auto"`` triton on CUDA and else the reference.

    Raises:
        BackendUnavailable: The named backend cannot run on this tensor.
        InputError: No backend has this name.

    Example:
        >>> choose("auto", torch.zeros(1))
        'reference'
    """
    if backend == "auto":
        return _automatic(tensor.device)
    reason = why_not(backend, tensor)
    if reason is not None:
        raise BackendUnavailable(f"backend={backend!r} cannot run: {reason}; pass backend='auto' or 'reference'")
    return backend


@lru_cache
def _automatic(device: torch.device) -> str:
    reason = why_not("triton", torch.empty(0, device=device)) if device.type == "cuda" else f"this is {device.type}"
    chosen = "triton" if reason is None else "reference"
    _LOG.info("scatter ops on %s run with the backend %s%s", device, chosen, f" ({reason})" if reason else "")
    return chosen
