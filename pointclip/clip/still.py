"""A module that stays as it was loaded: in evaluation mode, in its number format."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pointclip.errors import InputError


class StillModule(nn.Module):
    """Stay in evaluation mode and in the number format, whatever the model around it does.

    Example:
        >>> StillModule().train().training
        False
        >>> StillModule().half()
        Traceback (most recent call last):
        ...
        pointclip.errors.InputError: a frozen model keeps its number formats: load it with precision="fp16" instead
    """

    def train(self, mode: bool = True) -> Any:
        """Stay in evaluation mode: a forward pass must not change what was fitted."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Let ``to``, ``cpu`` and ``cuda`` move the tensors, and refuse a change of their number format."""
        wanted = fn(torch.zeros(1)).dtype
        if wanted != torch.float32:
            names = {torch.float16: "fp16", torch.bfloat16: "bf16"}
            raise InputError(
                f'a frozen model keeps its number formats: load it with precision="{names.get(wanted, "fp32")}" instead'
            )
        return super()._apply(fn, recurse)
