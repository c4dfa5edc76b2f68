"""An adapter that PointCLIP's public code trained, as a few-shot head of this package that gives the same answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip import __version__
from pointclip.clip import FrozenClip
from pointclip.errors import InputError, WeightsError
from pointclip.heads import AdapterHead, Checkpoint, InterViewAdapter
from pointclip.model import PointCLIP
from pointclip.prompts import clean_labels
from pointclip.weights import read_pickled

RIG, STYLE, TEMPLATE, RATIO = "pointclip-10", "pointclip", "point cloud of a big {}.", 0.6
_PARTS = {
    "global_f.0.bn": "norm_in",
    "global_f.3": "squeeze",
    "global_f.4": "norm_global",
    "view_f.0": "hidden",
    "view_f.2": "expand",
}


def convert_v1(path: str | Path, clip: FrozenClip, labels: Sequence[str], *, ratio: float = RATIO) -> Checkpoint:
    """Read ``model-best.pth.tar`` of PointCLIP's code and make of it a head for ``adapter=``.

    Args:
        path: The file: a dictionary whose ``state_dict`` holds 17 tensors, usually float16.
        clip: The CLIP it was trained with.
        labels: K class names to choose among; the adapter itself knows none.
        ratio: The residual ratio it was trained with, which the file does not tell; 0.6 in the code's settings.

    Returns:
        A checkpoint with the code's views, pictures, sentences and features as they leave the tower.

    Raises:
        WeightsError: The file cannot be read or holds another network.
        InputError: It was trained with a CLIP of another width, or a label makes no sense.

    Note:
        Logits equal the code's, in float32 where it computes in float16.
    """
    names = clean_labels(labels)
    content = read_pickled(path)
    adapter = _adapter(str(path), content, ratio)
    if adapter.channels != clip.embed_dim:
        raise InputError(
            f"{path} was trained on features of {adapter.channels} channels, and {clip.name!r} gives {clip.embed_dim}: "
            "name the CLIP it was trained with (RN50/openai has 1024; RN101, ViT-B-32 and ViT-B-16 have 512)"
        )
    model = PointCLIP(clip.giving("raw"), RIG, STYLE, TEMPLATE)
    if adapter.num_views != model.views.num_views:
        raise WeightsError(f"{path} is for {adapter.num_views} views, and the code's few-shot rig has 10")
    head = AdapterHead(model.encode_labels(names).cpu(), adapter.num_views, clip.logit_scale, adapter)
    about: dict[str, Any] = {"method": "adapter", "converted_from": Path(path).name, "templates": TEMPLATE}
    epoch = content.get("epoch")
    about |= {"epoch": epoch if isinstance(epoch, int) else None, "pointclip": __version__}
    return Checkpoint(head.eval().requires_grad_(False), names, model.feature_spec, about)


def _adapter(path: str, content: Any, ratio: float) -> InterViewAdapter:
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not isinstance(state.get("fusion_ratio"), Tensor):
        raise WeightsError(
            f"{path} is no adapter of PointCLIP's code: expected a dictionary with 'state_dict', in it 'fusion_ratio' "
            "and the tensors of global_f and view_f, as in model-best.pth.tar"
        )
    tensors = {_renamed(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    num_views, channels = len(state["fusion_ratio"]), len(tensors.get("body.norm_in.weight", ()))
    if not channels:
        raise WeightsError(f"{path} lacks the tensor global_f.0.bn.weight: copy it again")
    adapter = InterViewAdapter(channels, num_views, ratio, generator=torch.Generator())
    wanted = adapter.state_dict()
    if lacking := sorted(wanted.keys() ^ tensors.keys()):
        raise WeightsError(f"{path} has other tensors than PointCLIP's adapter, such as {lacking[0]}: copy it again")
    if wrong := [name for name, tensor in wanted.items() if tensor.shape != tensors[name].shape]:
        raise WeightsError(f"{path}: {wrong[0]} has the shape {tuple(tensors[wrong[0]].shape)}, which does not fit")
    adapter.load_state_dict({name: _as(wanted[name], tensor) for name, tensor in tensors.items()})
    return adapter.eval()


def _renamed(name: str) -> str:
    if name == "fusion_ratio":
        return "body.view_scale"
    part, _, last = name.rpartition(".")
    return f"body.{_PARTS.get(part, part)}.{last}"


def _as(like: Tensor, tensor: Tensor) -> Tensor:
    return tensor.detach().to(like.dtype)
