"""The same model with another kind of image features, for a head that takes them."""

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointclip.model import PointCLIP


def with_features(model: "PointCLIP", features: str) -> "PointCLIP":
    """Return a model that shares everything with the given one and gives features of a kind.

    Args:
        model: It stays as it is.
        features: ``"unit"``, of unit length; ``"raw"``, as the image tower gives them.

    Raises:
        InputError: There is no such kind.

    Example:
        >>> from pointclip import PointCLIP, weights
        >>> from pointclip.clip import FrozenClip
        >>> model = PointCLIP(FrozenClip(weights.random("ViT-S-32-alt"), "cpu", "fp32"))
        >>> with_features(model, "raw").clip.features, model.clip.features
        ('raw', 'unit')
    """
    if features == model.clip.features:
        return model
    other = copy.copy(model)
    other.__dict__["_modules"] = {**model._modules, "clip": model.clip.giving(features)}
    return other
