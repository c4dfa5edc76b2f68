"""The table of backends, which of them runs an op here, and why another does not."""

import logging
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

import torch

from pointclip._base.checks import nearest
from pointclip.errors import BackendUnavailable, InputError

_LOG = logging.getLogger("pointclip.ops")


class Backend(NamedTuple):
    """A folder that runs ops: ``why_not(device)`` in its ``__init__``, and each op as a function in a file of its name.

    The gradient of an op is the function ``<op>_backward``, in the file of the op or in one of its own name. An op or a
    gradient that is not there is taken from the reference by ``backend="auto"``.

    Attributes:
        package: Dotted name of the folder.
        first_on: The type of device, such as ``"cpu"``, where ``backend="auto"`` takes it; None for no device.
    """

    package: str
    first_on: str | None = None


BACKENDS = {
    "reference": Backend("pointclip.ops.reference"),
    "numba": Backend("pointclip.ops.numba", first_on="cpu"),
    "triton": Backend("pointclip.ops.triton", first_on="cuda"),
}


def why_not(backend: str, tensor: torch.Tensor | None = None) -> str | None:
    """Say why a backend cannot run, or return None where it can.

    Args:
        backend: ``"reference"`` (pure torch, any device), ``"numba"`` (CPU) or ``"triton"`` (CUDA; on a CPU only where
            Triton's interpreter was switched on with ``TRITON_INTERPRET=1``, which is for tests).
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
    return import_module(BACKENDS[backend].package).why_not(None if tensor is None else tensor.device)


def find(op: str, backend: str, tensor: torch.Tensor) -> Callable[..., Any]:
    """Return the function that runs an op: the named backend's, or for ``"auto"`` that of the first one on the device.

    Args:
        op: Name of the op, such as ``"splat"`` or ``"splat_backward"``.
        backend: A name of the table, or ``"auto"``.
        tensor: The points it should run on.

    Raises:
        BackendUnavailable: The named backend cannot run on this tensor, or does not have the op.
        InputError: No backend has this name.

    Example:
        >>> find("zbuffer", "reference", torch.zeros(1)).__module__
        'pointclip.ops.reference.zbuffer'
    """
    if backend == "auto":
        file = _file(op, BACKENDS[_first(tensor.device)].package) or _instead(op, tensor.device)
        return getattr(file, op)
    reason = why_not(backend, tensor)
    file = _file(op, BACKENDS[backend].package) if reason is None else None
    if file is None:
        reason = reason or f"it has no {op}"
        raise BackendUnavailable(f"backend={backend!r} cannot run: {reason}; pass backend='auto' or 'reference'")
    return getattr(file, op)


@lru_cache
def _first(device: torch.device) -> str:
    """Choose once for a device, and log it."""
    reasons = []
    for name, row in BACKENDS.items():
        if row.first_on != device.type:
            continue
        reason = why_not(name, torch.empty(0, device=device))
        if reason is None:
            _LOG.info("scatter ops on %s run with the backend %s", device, name)
            return name
        reasons.append(reason)
    why = "; ".join(reasons) or f"no other is made for {device.type}"
    _LOG.info("scatter ops on %s run with the backend reference (%s)", device, why)
    return "reference"


@lru_cache
def _instead(op: str, device: torch.device) -> ModuleType | None:
    """Take the reference's file of an op that the first backend of a device lacks, and log it once."""
    _LOG.info("%s on %s runs with the backend reference (%s does not have it)", op, device, _first(device))
    return _file(op, BACKENDS["reference"].package)


@lru_cache
def _file(op: str, package: str) -> ModuleType | None:
    """Import the file that holds an op, and with it its compiler."""
    for name in dict.fromkeys((op, op.removesuffix("_backward"))):
        if find_spec(f"{package}.{name}") is not None and hasattr(file := import_module(f"{package}.{name}"), op):
            return file
    return None
