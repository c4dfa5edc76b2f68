"""Which device the towers run on."""

import torch

from pointclip.errors import InputError


def pick_device(device: str | torch.device) -> torch.device:
    """Turn a device's name into a device; ``"auto"`` is CUDA where there is one, else the CPU.

    Raises:
        InputError: There is no such device here.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0][:160]
        raise InputError(f"device {str(device)!r} cannot be used here ({reason}): use 'cpu' or 'auto'") from error
    return found
