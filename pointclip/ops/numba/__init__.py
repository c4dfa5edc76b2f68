"""Kernels of the same meaning, compiled by Numba for a CPU: one thread per picture, no atomics."""

import torch


def why_not(device: torch.device | None = None) -> str | None:
    """Say why the kernels cannot run on a device (None: on this machine), or return None where they can.

    Example:
        >>> why_not(torch.device("cuda"))
        'numba runs on a CPU and the points are on cuda'
    """
    if device is not None and device.type != "cpu":
        return f"numba runs on a CPU and the points are on {device.type}"
    try:
        import numba  # noqa: F401
    except ModuleNotFoundError:
        return "the package numba is not installed: pip install numba"
    except ImportError as error:
        return f"the package numba does not import here: {error}"
    return None
