"""The definition of every op in plain torch."""

import torch


def why_not(device: torch.device | None = None) -> None:
    """Return None: plain torch runs wherever torch does.

    Example:
        >>> why_not(torch.device("meta")) is None
        True
    """
