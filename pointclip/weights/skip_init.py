"""Build networks without filling them with random numbers that a weight file overwrites at once."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FILLERS = {
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    torch.nn.init.normal_,
    torch.nn.init.uniform_,
    torch.nn.init.trunc_normal_,
    torch.nn.init.xavier_uniform_,
    torch.nn.init.kaiming_uniform_,
    torch.nn.init.kaiming_normal_,
}


class SkipInit(TorchFunctionMode):
    """Leave out random initialisation inside a ``with`` block, on this thread only.

    Only for a network whose every parameter is then loaded with ``strict=True``.

    Example:
        >>> with SkipInit():
        ...     layer = torch.nn.Linear(2, 2)
        >>> _ = layer.load_state_dict({"weight": torch.eye(2), "bias": torch.zeros(2)})
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Return the tensor as it is where it would be filled, else do what was asked."""
        kwargs = kwargs or {}
        if func in _FILLERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
