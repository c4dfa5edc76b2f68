"""What was trained for ``embedded``, and its file."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pointclip._base.files import whole
from pointclip.errors import WeightsError

_MATRICES = ("weight", "bias", "names", "classes", "basis")
_NUMBERS = ("logit_scale", "share", "sharpness")


@dataclass(frozen=True)
class Head:
    """What was trained, in float32.

    Attributes:
        weight: (N, D), from unit features of the image tower to logits of the N names that were trained.
        bias: (N,).
        names: (N, E), unit length: the names in the space of the sentence encoder.
        classes: (M, E), unit length: the image tower's own classes there.
        basis: (N + M, C - 1), orthonormal: the space that pictures fill.
        logit_scale: Natural logarithm of the factor on inner products before soft-max (as open_clip).
        share: Part of the trained names in a feature, 0 to 1; the rest is that of the tower's classes.
        sharpness: Factors on cosines between labels and names, and labels and classes, before soft-max.
        metadata: What it was trained on and how; strings only.
    """

    weight: Tensor
    bias: Tensor
    names: Tensor
    classes: Tensor
    basis: Tensor
    logit_scale: float
    share: float
    sharpness: tuple[float, float]
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Of features, C."""
        return self.basis.shape[1] + 1


def read_head(path: Path, dims: tuple[int, int, int]) -> Head:
    """Read a head file.

    Args:
        path: A ``.safetensors`` file that :func:`save_head` wrote.
        dims: What it must fit: channels D of the image tower, M of its classes, E of the sentence encoder.

    Returns:
        The head with its metadata, in float32.

    Raises:
        WeightsError: The file is missing, damaged or of other shapes.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsError(
            f"the head of the embedded model is missing: {path} does not exist; reinstall pointclip, "
            "or train it with scripts/train_embedded_head.py"
        )
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); reinstall pointclip") from error
    trunk, classes, sentence = dims
    count, channels = (tensors[name].shape[-1] if name in tensors else 0 for name in ("bias", "basis"))
    shapes = (
        (count, trunk),
        (count,),
        (count, sentence),
        (classes, sentence),
        (count + classes, channels),
        (),
        (),
        (2,),
    )
    for name, shape in zip((*_MATRICES, *_NUMBERS), shapes, strict=True):
        found = tuple(tensors[name].shape) if name in tensors else None
        if found != shape:
            raise WeightsError(f"{path} must hold a tensor {name!r} of shape {shape}, found {found or 'none'}")
    numbers = {name: tensors[name].tolist() for name in _NUMBERS}
    numbers["sharpness"] = tuple(numbers["sharpness"])
    return Head(**{name: tensors[name] for name in _MATRICES}, **numbers, metadata=metadata)


def save_head(head: Head, path: Path) -> None:
    """Write a head file that :func:`read_head` reads, whole or not at all; matrices in float16.

    Args:
        head: The head; its metadata travels in the file's header. Values that are not strings must be given as JSON.
        path: Where to, normally ``assets/embedded_head.safetensors``.
    """
    from safetensors.torch import save

    tensors = {name: getattr(head, name).detach().half().cpu().contiguous() for name in _MATRICES}
    tensors |= {name: torch.tensor(getattr(head, name)) for name in _NUMBERS}
    with whole(path) as draft:
        draft.write_bytes(save(tensors, head.metadata))


def head_bytes(head: Head) -> bytes:
    """Give every number of a head, as a file keeps them."""
    matrices = [getattr(head, name).detach().half().cpu().contiguous().numpy().tobytes() for name in _MATRICES]
    numbers = torch.tensor([head.logit_scale, head.share, *head.sharpness])
    return b"".join([*matrices, numbers.numpy().tobytes()])
