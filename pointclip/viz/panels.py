"""What is shown of one shape in one style."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from pointclip._base.checks import check_shape
from pointclip.errors import InputError
from pointclip.prediction import Prediction


@dataclass(frozen=True, eq=False)
class Panel:
    """Hold the pictures of one shape in one style, with what is written under them.

    Args:
        title: What stands above, such as the style's name.
        pictures: (V, 3, S, S) float in [0, 1].
        names: V names of views.
        captions: V lines under the pictures, or none.
        scores: V numbers drawn as bars, to the right above 0 and to the left below, or none.

    Raises:
        InputError: The numbers of pictures, names, captions and scores differ.
    """

    title: str
    pictures: Tensor
    names: tuple[str, ...]
    captions: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_shape("pictures", self.pictures, "V 3 S S")
        for what in ("names", "captions", "scores"):
            count = len(getattr(self, what))
            if count != len(self.pictures) and (count or what == "names"):
                raise InputError(f"a panel of {len(self.pictures)} pictures needs as many {what}, got {count}")

    def pixels(self) -> np.ndarray:
        """Give the pictures as bytes, (V, S, S, 3)."""
        return (self.pictures.detach().cpu().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()


def view_captions(prediction: Prediction) -> tuple[str, ...]:
    """Word what each view says alone: its best label and that label's probability under it.

    Example:
        >>> import torch
        >>> view_captions(Prediction(("a",), (1.0,), torch.zeros(2), torch.tensor([[0.0, 9.0]]), ("a", "b")))
        ('b 1.00',)
    """
    probs, best = prediction.view_logits.softmax(-1).max(-1)
    return tuple(
        f"{prediction.classes[index]} {prob:.2f}" for prob, index in zip(probs.tolist(), best.tolist(), strict=True)
    )
