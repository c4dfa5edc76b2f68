"""One shape to its prediction, the up axis given or searched for."""

from typing import Any

from torch import Tensor

from pointclip import fusion
from pointclip._base.checks import nearest
from pointclip.errors import InputError
from pointclip.points import PointCloud
from pointclip.prediction import Prediction

POSES = ("given", "search")
UP_AXES = ("y", "z", "x", "-y", "-z", "-x")


def check_pose(pose: str) -> None:
    """Refuse what is no way to find the up axis.

    Raises:
        InputError: It is neither ``"given"`` nor ``"search"``.

    Example:
        >>> check_pose("search")
    """
    if pose not in POSES:
        raise InputError(f"pose {pose!r} is unknown: {nearest(str(pose), POSES)}")


def ups_of(pose: str) -> tuple[str, ...]:
    """Name the axes that are taken as up, in their order.

    Example:
        >>> ups_of("given"), len(ups_of("search"))
        (('y',), 6)
    """
    return UP_AXES if pose == "search" else UP_AXES[:1]


def predict(
    model: Any, cloud: PointCloud, classes: tuple[str, ...], text: Tensor, top_k: int | None, pose: str
) -> Prediction:
    """Predict with +y as up, or with each of the six axes as up, of which the most confident prediction is kept.

    Args:
        model: A ``PointCLIP``.
        cloud: The shape.
        classes: K names.
        text: (K, C) their features.
        top_k: How many of the best labels to give; None gives all K.
        pose: ``"given"`` or ``"search"``.

    Returns:
        The prediction. Of a search, the one whose best class is the most probable; among equals the first in the order
        y, z, x, -y, -z, -x.
    """
    tried = (_upright(model, cloud.turned(up), classes, text, top_k, up) for up in ups_of(pose))
    return max(tried, key=lambda prediction: prediction.probs[0])


def _upright(
    model: Any, cloud: PointCloud, classes: tuple[str, ...], text: Tensor, top_k: int | None, up: str
) -> Prediction:
    features = model.encode_views(*cloud.batched())
    logits = model._logits(features, text)[0].float().cpu()
    view_logits = fusion.view_logits(features, text, model.clip.logit_scale)[0].float().cpu()
    best = logits.softmax(-1).topk(min(top_k or len(classes), len(classes)))
    labels, probs = tuple(classes[i] for i in best.indices.tolist()), tuple(best.values.tolist())
    weights, names = model.view_weights.float().cpu(), model.views.names
    return Prediction(labels, probs, logits, view_logits, classes, cloud.name, weights, names, up)
